"""The operator's variables, and how a wrong one is told."""

import pytest

from carthub_operator import settings
from carthub_operator.errors import InvalidSettings


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in settings.Settings.model_fields:
        monkeypatch.delenv(f"CARTHUB_{name.upper()}", raising=False)


def test_a_whole_cluster_needs_an_allow_list() -> None:
    with pytest.raises(InvalidSettings, match=r"^CARTHUB_SECRET_ALLOW_LIST is missing"):
        settings.load()


def test_named_namespaces_need_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARTHUB_NAMESPACES", "shop-a, shop-b,")

    loaded = settings.load()

    assert loaded.namespaces == ("shop-a", "shop-b")
    assert loaded.secret_allow_list is None
    assert (loaded.http_port, loaded.log_level) == (8080, "INFO")


def test_an_empty_allow_list_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARTHUB_SECRET_ALLOW_LIST", "{}")

    assert settings.load().secret_allow_list == {}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CARTHUB_SECRET_ALLOW_LIST", '{"shop": "no list"}'),
        ("CARTHUB_HTTP_PORT", "many"),
        ("CARTHUB_LOG_LEVEL", "LOUD"),
        ("CARTHUB_WORKERS", "0"),
        ("CARTHUB_NAMESPACES", "shop-*"),
    ],
)
def test_a_wrong_value_names_its_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv("CARTHUB_NAMESPACES", "shop")
    monkeypatch.setenv(name, value)

    with pytest.raises(InvalidSettings, match=f"^{name}: "):
        settings.load()


def test_text_that_is_no_json_names_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARTHUB_SECRET_ALLOW_LIST", "{shop")

    with pytest.raises(InvalidSettings, match="CARTHUB_SECRET_ALLOW_LIST"):
        settings.load()


def test_a_namespace_named_twice_is_watched_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARTHUB_NAMESPACES", "one, two,one")

    assert settings.load().namespaces == ("one", "two")
