"""What operator and service must agree on without importing each other."""

from typing import Any

import pytest

from app import settings as service_settings
from app.main import create_app
from app.settings import Settings
from carthub_operator.api import names
from carthub_operator.api.model import Model
from carthub_operator.api.service import Auth, Cart
from carthub_operator.desired.connections import DEFAULT_POOL_SIZE
from carthub_operator.desired.database_secret import database_secret
from carthub_operator.desired.deployment import deployment
from carthub_operator.desired.migration_job import migration_job
from tests.support.resources import cart_service, credentials

# For shells and tools in the pod; PG* variables are libpq's own.
_NOT_SETTINGS = {names.ENV_DB_USERNAME, names.ENV_DB_PASSWORD}


# Everything that a spec may pass on to the service.
_EVERYTHING: dict[str, Any] = {
    "auth": {
        "issuer": "https://id.example.com",
        "audience": "carthub",
        "jwksUrl": "https://id.example.com/keys",
        "serviceScope": "shop.all",
    },
    "cart": {"ttl": "9999d", "maxLines": 10_000, "maxQuantity": 1_000_000, "currency": "JPY"},
}


def _containers(**spec: Any) -> list[dict[str, Any]]:
    resource = cart_service(**spec)
    made = deployment(resource, credentials(), migrated="k"), migration_job(resource, "k")
    return [one["spec"]["template"]["spec"]["containers"][0] for one in made]


def test_every_variable_of_the_operator_is_a_setting_of_the_service() -> None:
    known = {name.upper() for name in Settings.model_fields}

    told = {name for name in names.OWNED_ENV if not name.startswith("PG")}
    assert told - _NOT_SETTINGS <= known


@pytest.mark.parametrize("container", _containers(), ids=["api", "migration"])
def test_what_the_operator_sets_is_valid_for_the_service(
    container: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", credentials().url("require"))
    for variable in container["env"]:
        if "value" in variable:
            monkeypatch.setenv(variable["name"], variable["value"])

    read = service_settings.load()

    assert str(read.db_credentials_dir) == names.CREDENTIALS_DIR
    assert (read.port, read.metrics_port) == (names.PORT, names.METRICS_PORT)
    assert read.environment == "production"


@pytest.mark.parametrize("container", _containers(**_EVERYTHING), ids=["api", "migration"])
def test_what_a_spec_passes_on_arrives(
    container: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", credentials().url("require"))
    for variable in container["env"]:
        if "value" in variable:
            monkeypatch.setenv(variable["name"], variable["value"])

    read = service_settings.load()

    assert (read.auth_issuer, read.auth_audience) == ("https://id.example.com", "carthub")
    assert read.auth_jwks_url == "https://id.example.com/keys"
    assert read.auth_service_scope == "shop.all"
    assert (read.cart_ttl_days, read.cart_max_lines) == (9999, 10_000)
    assert (read.cart_max_quantity, read.cart_currency) == (1_000_000, "JPY")


@pytest.mark.parametrize(
    ("model", "field", "setting"),
    [
        (Auth, "service_scope", "auth_service_scope"),
        (Cart, "ttl", "cart_ttl_days"),
        (Cart, "max_lines", "cart_max_lines"),
        (Cart, "max_quantity", "cart_max_quantity"),
    ],
)
def test_what_counts_when_it_is_left_out_is_what_the_description_says(
    model: type[Model], field: str, setting: str
) -> None:
    description = str(model.model_fields[field].description)

    assert f"Left out: {Settings.model_fields[setting].default}" in " ".join(description.split())


def test_the_service_reads_its_url_from_a_key_that_the_secret_has() -> None:
    secret = database_secret(cart_service(), credentials(), synced=None)

    # The service opens the file DATABASE_URL below DB_CREDENTIALS_DIR.
    assert "DATABASE_URL" in secret["data"]


def test_the_probes_ask_for_paths_that_the_service_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", credentials().url("require"))
    paths = create_app().openapi()["paths"]

    assert {names.PATH_STARTUP, names.PATH_READINESS, names.PATH_LIVENESS} <= set(paths)


def test_a_pod_opens_as_many_connections_as_the_operator_counts() -> None:
    assert Settings.model_fields["db_pool_size"].default == DEFAULT_POOL_SIZE
    assert names.ENV_DB_POOL_SIZE.lower() in Settings.model_fields


def test_a_pod_has_time_to_finish_its_requests() -> None:
    grace = deployment(cart_service(), credentials(), migrated=None)["spec"]["template"]["spec"]
    fields = Settings.model_fields
    sleep = grace["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    drain = fields["drain_seconds"].default + fields["shutdown_timeout_seconds"].default

    assert grace["terminationGracePeriodSeconds"] > sleep + drain
