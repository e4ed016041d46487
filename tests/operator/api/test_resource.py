"""A CartService as it is read: what the model refuses is what the API server refuses."""

from typing import Any

import pytest

from carthub_operator.api import names, resource
from carthub_operator.errors import InvalidSpec
from tests.support.corpus.refusals import Bad
from tests.support.corpus.whole import BAD, GOOD, ONLY_AT_ADMISSION
from tests.support.resources import UID, cart_service, raw_cart_service, without_nones


def _raw(**spec: Any) -> dict[str, Any]:
    raw = raw_cart_service(**spec)
    raw["metadata"]["uid"] = UID
    return without_nones(raw)


@pytest.mark.parametrize("spec", GOOD.values(), ids=GOOD)
def test_a_good_spec_is_read(spec: dict[str, Any]) -> None:
    assert resource.parse(_raw(**spec)).name == "backend"


@pytest.mark.parametrize(
    "bad", [bad for name, bad in BAD.items() if name not in ONLY_AT_ADMISSION], ids=str
)
def test_a_bad_spec_that_was_stored_is_refused_alike(bad: Bad) -> None:
    with pytest.raises(InvalidSpec) as refusal:
        resource.parse(_raw(**bad.spec))

    if bad.is_rule:
        assert bad.says in str(refusal.value)


def test_a_refusal_names_the_field_and_not_its_value() -> None:
    with pytest.raises(InvalidSpec) as refusal:
        resource.parse(_raw(env=[{"name": "TOKEN", "value": "canary", "valueFrom": {}}]))

    assert str(refusal.value).startswith("spec.env.0")
    assert "canary" not in str(refusal.value)


@pytest.mark.parametrize("name", ["9lives", "a" * 41, "with.dot"])
def test_a_name_that_makes_illegal_children_is_refused(name: str) -> None:
    with pytest.raises(InvalidSpec, match="must be a DNS-1035 label"):
        resource.parse(_raw(name=name))


def test_a_field_of_a_newer_version_does_not_stop_this_one() -> None:
    read = resource.parse(_raw(somethingNew={"ttl": "30d"}))

    assert read.spec == cart_service().spec


def test_children_are_owned_and_labelled() -> None:
    metadata = cart_service().metadata("x")

    assert metadata["ownerReferences"] == [
        {
            "apiVersion": "carthub.io/v1",
            "kind": "CartService",
            "name": "backend",
            "uid": UID,
            "controller": True,
            "blockOwnerDeletion": True,
        }
    ]
    assert metadata["labels"][names.LABEL_OWNER_UID] == UID


def test_the_longest_name_makes_legal_children() -> None:
    name = "a" * names.NAME_MAX_LENGTH
    made = [
        names.deployment(name),
        names.service(name),
        names.autoscaler(name),
        names.network_policy(name),
        names.disruption_budget(name),
        names.service_account(name),
        names.database_secret(name),
        names.migration_job(name, "0123456789"),
    ]

    # A Service's name and a Job's, which becomes a label, have at most 63 characters.
    assert max(map(len, made)) <= 63
