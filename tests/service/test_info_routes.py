import importlib.metadata

from starlette.testclient import TestClient

from tests.support import carts


def test_root_names_the_service_and_links_on(client: TestClient) -> None:
    answer = client.get("/")
    assert answer.status_code == 200
    assert answer.json()["name"] == "Carthub"
    assert answer.json()["version"] == importlib.metadata.version("carthub")
    for link in answer.json()["links"].values():
        assert client.get(link).status_code == 200


def test_root_answers_without_a_database() -> None:
    url = "postgresql://nobody:nothing@127.0.0.1:1/none"
    with carts.running_client(carts.settings_for(url)) as client:
        assert client.get("/").status_code == 200
