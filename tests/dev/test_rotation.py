import contextlib
import json

import psycopg2
import pytest

from carthub_dev import manifests, rotation
from carthub_dev.aws import AwsServer
from carthub_dev.database import DatabaseServer
from carthub_dev.session import State


def connects(database: DatabaseServer, login: str, password: str) -> bool:
    url = database.url_for(login, password).replace("+psycopg2", "")
    with contextlib.closing(psycopg2.connect(url)):
        return True


def test_the_secret_alternates_between_two_logins_that_both_work(
    aws_server: AwsServer, database_server: DatabaseServer
) -> None:
    database_server.create_login("carthub_blue", "the first")
    aws_server.put_secret(manifests.SECRET_ID, {"username": "carthub_blue", "host": "kept"})
    state = State(
        instance="test",
        nodes=1,
        seconds=0.0,
        kubeconfig="",
        docs="",
        service="",
        aws=aws_server.endpoint_url,
        database=database_server.admin_url,
    )

    assert rotation.rotate(state) == "carthub_green"

    client = aws_server.secrets_manager()
    value = json.loads(client.get_secret_value(SecretId=manifests.SECRET_ID)["SecretString"])
    assert (value["username"], value["host"]) == ("carthub_green", "kept")
    assert connects(database_server, "carthub_green", value["password"])
    assert connects(database_server, "carthub_blue", "the first")

    assert rotation.rotate(state) == "carthub_blue"

    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        connects(database_server, "carthub_blue", "the first")
    for login in ("carthub_blue", "carthub_green"):
        database_server.execute(f"DROP ROLE {login}")
    aws_server.delete_secret(manifests.SECRET_ID)
