"""What operator and service must agree on without importing each other."""

from typing import Any

import pytest

from app import settings as service_settings
from app.main import create_app
from app.settings import Settings
from carthub_operator.api import names
from carthub_operator.desired.database_secret import database_secret
from carthub_operator.desired.deployment import deployment
from carthub_operator.desired.migration_job import migration_job
from tests.support.resources import cart_service, credentials

# For shells and tools in the pod; PG* variables are libpq's own.
_NOT_SETTINGS = {names.ENV_DB_USERNAME, names.ENV_DB_PASSWORD}


def _containers() -> list[dict[str, Any]]:
    resource = cart_service()
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


def test_the_service_reads_its_url_from_a_key_that_the_secret_has() -> None:
    secret = database_secret(cart_service(), credentials(), synced=None)

    # The service opens the file DATABASE_URL below DB_CREDENTIALS_DIR.
    assert "DATABASE_URL" in secret["data"]


def test_the_probes_ask_for_paths_that_the_service_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", credentials().url("require"))
    paths = create_app().openapi()["paths"]

    assert {names.PATH_STARTUP, names.PATH_READINESS, names.PATH_LIVENESS} <= set(paths)


def test_a_pod_has_time_to_finish_its_requests() -> None:
    grace = deployment(cart_service(), credentials(), migrated=None)["spec"]["template"]["spec"]
    fields = Settings.model_fields
    sleep = grace["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    drain = fields["drain_seconds"].default + fields["shutdown_timeout_seconds"].default

    assert grace["terminationGracePeriodSeconds"] > sleep + drain
