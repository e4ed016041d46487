"""What a secret must hold, what wins over what, and which words say what is wrong."""

import base64
from typing import Any

import pytest

from carthub_operator import credential_values
from carthub_operator.allow_list import AllowList
from carthub_operator.desired.database_secret import database_secret
from carthub_operator.desired.facts import DatabaseCredentials
from carthub_operator.errors import SecretError
from tests.support.resources import cart_service, credentials, database

NOW = "2026-02-03T04:05:06Z"
FIELDS: dict[str, object] = {
    "username": "u",
    "password": "canary",
    "host": "from.secret",
    "port": 6543,
    "dbname": "shop",
}


def _complete(
    fields: dict[str, object], previous: DatabaseCredentials | None = None, **spec: object
) -> DatabaseCredentials:
    resource = cart_service(database=database(host=None, **spec))
    return credential_values.complete(resource, fields, version_id="v7", previous=previous, now=NOW)


def test_a_secret_of_rds_is_complete() -> None:
    assert _complete(FIELDS) == DatabaseCredentials(
        username="u",
        password="canary",
        host="from.secret",
        port=6543,
        database="shop",
        version_id="v7",
        changed_at=NOW,
        origin=credential_values.origin(cart_service(database=database(host=None))),
    )


def test_what_the_spec_says_wins() -> None:
    resource = cart_service(database=database(host="from.spec", port=5433, name="other"))

    found = credential_values.complete(resource, FIELDS, version_id="v7", previous=None, now=NOW)

    assert (found.host, found.port, found.database) == ("from.spec", 5433, "other")


def test_port_and_name_have_defaults() -> None:
    found = _complete({"username": "u", "password": "p", "host": "h"})

    assert (found.port, found.database) == (5432, "carthub")


def test_the_keys_can_have_other_names() -> None:
    source = {
        "secretId": "s",
        "region": "eu-west-1",
        "keys": {"username": "user", "password": "pass"},
    }
    found = _complete(
        {"user": "u", "pass": "p", "host": "h"}, credentials={"secretsManager": source}
    )

    assert (found.username, found.password) == ("u", "p")


def test_the_same_value_keeps_its_version_and_time() -> None:
    before = _complete(FIELDS)

    after = credential_values.complete(
        cart_service(database=database(host=None)),
        FIELDS,
        version_id="v8",
        previous=before,
        now="later",
    )

    assert after == before


@pytest.mark.parametrize(
    "changed",
    [
        {"host": "other.example.com"},
        {"port": 5433},
        {"name": "shop"},
        {"credentials": {"existingSecret": {"name": "my-own"}}},
        {"credentials": {"secretsManager": {"secretId": "s", "keys": {"username": "u"}}}},
        {"credentials": {"secretsManager": {"secretId": "s", "region": "eu-west-1"}}},
    ],
)
def test_another_spec_is_another_origin(changed: dict[str, object]) -> None:
    before = cart_service(database=database(credentials={"secretsManager": {"secretId": "s"}}))
    after = cart_service(
        database=database(**{"credentials": {"secretsManager": {"secretId": "s"}}, **changed})
    )

    assert credential_values.origin(after) != credential_values.origin(before)


def test_how_often_one_looks_is_no_other_origin() -> None:
    source = {"secretId": "s"}
    before = cart_service(database=database(credentials={"secretsManager": source}))
    after = cart_service(
        database=database(
            credentials={
                "secretsManager": {**source, "refreshInterval": "2m"},
                "checkLogin": False,
            },
            sslMode="require",
        )
    )

    assert credential_values.origin(after) == credential_values.origin(before)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"password": None}, "'password' is missing"),
        ({"password": ""}, "'password' is not a text, or an empty one"),
        ({"password": ["canary"]}, "'password' is not a text, or an empty one"),
        ({"username": "canary\0"}, "'username' is not a text, or an empty one"),
        ({"username": "half of a pair: \ud83d"}, "'username' is not a text, or an empty one"),
        ({"host": None}, "spec.database.host"),
        ({"host": "canary.example.com:5432"}, "the port belongs in 'port'"),
        ({"host": "postgresql://canary"}, "'host' must be a host name or an address alone"),
        ({"host": "canary.example.com\n"}, "'host' must be a host name or an address alone"),
        ({"port": True}, "'port' must be a port, 1 to 65535"),
        ({"port": "canary"}, "'port' must be a port, 1 to 65535"),
        ({"port": 70000}, "'port' must be a port, 1 to 65535"),
        ({"port": -1}, "'port' must be a port, 1 to 65535"),
    ],
)
def test_a_value_that_cannot_be_used_is_told_by_its_key(
    changed: dict[str, object], words: str
) -> None:
    fields = {key: value for key, value in {**FIELDS, **changed}.items() if value is not None}

    with pytest.raises(SecretError) as caught:
        _complete(fields)

    assert words in str(caught.value)
    assert caught.value.reason == "SecretMalformed"
    assert "canary" not in str(caught.value)


def test_no_repr_shows_the_password() -> None:
    assert "canary" not in repr(_complete(FIELDS))


def _stored() -> dict[str, Any]:
    live = database_secret(cart_service(), credentials(), synced=None)
    fields: dict[str, Any] = {
        "f:data": {f"f:{key}": {} for key in live["data"]},
        "f:metadata": {
            "f:annotations": {f"f:{name}": {} for name in live["metadata"]["annotations"]}
        },
    }
    entry = {"manager": "carthub-operator", "operation": "Apply", "fieldsV1": fields}
    live["metadata"]["managedFields"] = [entry]
    return live


def test_our_own_secret_gives_back_what_went_in() -> None:
    assert credential_values.of_secret(_stored()) == credentials()


def test_a_secret_that_somebody_edited_is_not_trusted() -> None:
    live = _stored()
    del live["metadata"]["managedFields"][0]["fieldsV1"]["f:data"]["f:DB_PASSWORD"]

    assert credential_values.of_secret(live) is None


def test_a_time_that_somebody_else_wrote_is_not_trusted() -> None:
    live = _stored()
    fields = live["metadata"]["managedFields"][0]["fieldsV1"]
    del fields["f:metadata"]["f:annotations"]["f:carthub.io/secret-changed-at"]

    assert credential_values.of_secret(live) is None


@pytest.mark.parametrize("part", ["data", "annotations", "garbage"])
def test_a_secret_that_is_not_whole_is_none(part: str) -> None:
    live = _stored()
    if part == "data":
        del live["data"]["PGHOST"]
    elif part == "annotations":
        del live["metadata"]["annotations"]
    else:
        live["data"]["PGPORT"] = "%%%"

    assert credential_values.of_secret(live) is None
    assert credential_values.of_secret(None) is None


def test_a_secret_that_holds_no_text_is_told_by_its_name() -> None:
    secret = {
        "metadata": {"name": "my-own"},
        "data": {"password": base64.b64encode(b"\xff\xfe").decode()},
    }
    with pytest.raises(SecretError, match="Secret my-own") as caught:
        credential_values.decoded(secret)

    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("namespace", "secret_id", "is_permitted"),
    [
        ("shop-a", "prod/carthub/db", True),
        ("shop-a", "prod/other", False),
        ("shop", "prod/carthub/db", False),
        ("SHOP-a", "prod/carthub/db", False),
        ("tools", "anything/at/all", True),
        ("shop-a", "arn:aws:secretsmanager:eu-west-1:1:secret:prod/carthub/db", False),
    ],
)
def test_the_allow_list_matches_namespace_and_secret(
    namespace: str, secret_id: str, *, is_permitted: bool
) -> None:
    allowed = AllowList({"shop-*": ["prod/carthub/*"], "tools": ["*"]})

    assert allowed.permits(namespace, secret_id) is is_permitted


def test_no_allow_list_permits_all_and_an_empty_one_none() -> None:
    assert AllowList(None).permits("any", "any")
    assert not AllowList({}).permits("any", "any")
