from typing import Any

import pytest

from carthub_operator.desired.deployment import deployment
from carthub_operator.desired.migration_job import migration_job
from carthub_operator.desired.replicas import replicas
from tests.support.resources import cart_service, credentials, database


def _pod(**spec: Any) -> dict[str, Any]:
    made = deployment(cart_service(**spec), credentials(), migrated="k")
    pod: dict[str, Any] = made["spec"]["template"]
    return pod


def _container(**spec: Any) -> dict[str, Any]:
    container: dict[str, Any] = _pod(**spec)["spec"]["containers"][0]
    return container


def _env(**spec: Any) -> dict[str, Any]:
    return {one["name"]: one for one in _container(**spec)["env"]}


def test_replicas_are_not_part_of_the_deployment_manifest() -> None:
    assert "replicas" not in deployment(cart_service(), credentials(), migrated=None)["spec"]


def test_a_new_deployment_starts_with_the_autoscalers_minimum() -> None:
    made = replicas(cart_service(autoscaling={"minReplicas": 4}), exists=False)

    assert made is not None
    assert made["spec"] == {"replicas": 4}


def test_replicas_belong_to_the_autoscaler_once_the_deployment_exists() -> None:
    assert replicas(cart_service(), exists=True) is None


def test_an_autoscaler_that_is_switched_on_over_our_own_zero_begins_at_its_minimum() -> None:
    made = replicas(cart_service(), exists=True, is_at_our_zero=True)

    assert made is not None
    assert made["spec"] == {"replicas": 2}


def test_without_autoscaling_replicas_are_the_specs() -> None:
    made = replicas(cart_service(autoscaling={"enabled": False}, replicas=3), exists=True)

    assert made is not None
    assert made["spec"] == {"replicas": 3}


def test_shells_in_the_pod_get_the_credentials_from_the_secret() -> None:
    env = _env()

    for name in ("DATABASE_URL", "DB_USERNAME", "DB_PASSWORD", "PGHOST", "PGPASSWORD", "PGSSLMODE"):
        reference = {"secretKeyRef": {"name": "backend-db", "key": name}}
        assert env[name] == {"name": name, "valueFrom": reference}
    assert env["DB_CREDENTIALS_DIR"]["value"] == "/var/run/secrets/carthub.io/database"


def test_the_pod_says_which_database_it_was_started_with_and_no_secret() -> None:
    def told(**changed: object) -> object:
        ssl_mode = {"sslMode": changed.pop("ssl_mode")} if "ssl_mode" in changed else {}
        resource = cart_service(database=database(**ssl_mode))
        made = deployment(resource, credentials(**changed), migrated="k")
        return made["spec"]["template"]["metadata"]["annotations"]["carthub.io/database"]

    changes: list[dict[str, object]] = [
        {},
        {"host": "other.example.com"},
        {"port": 5433},
        {"database": "shop"},
        {"ssl_mode": "disable"},
    ]
    assert len({told(**changed) for changed in changes}) == len(changes)
    assert told(username="other", password="other", version_id="v2") == told()


def test_settings_reach_the_container() -> None:
    env = _env(environment="development", logLevel="DEBUG", env=[{"name": "EXTRA", "value": "1"}])

    assert env["ENVIRONMENT"]["value"] == "development"
    assert env["LOG_LEVEL"]["value"] == "DEBUG"
    assert env["EXTRA"] == {"name": "EXTRA", "value": "1"}


def test_a_ca_is_mounted_and_named_to_libpq() -> None:
    ca = {"configMap": {"name": "rds-ca", "key": "bundle.pem"}}
    pod = _pod(database=database(ca=ca))["spec"]

    env = {one["name"]: one.get("value") for one in pod["containers"][0]["env"]}
    assert env["PGSSLROOTCERT"] == "/etc/carthub/database-ca/bundle.pem"
    assert {"name": "database-ca", "configMap": {"name": "rds-ca"}} in pod["volumes"]


def test_a_rotated_secret_rolls_the_pods() -> None:
    first = deployment(cart_service(), credentials(version_id="v1"), migrated="k")
    second = deployment(cart_service(), credentials(version_id="v2"), migrated="k")

    assert first["spec"]["template"] != second["spec"]["template"]


def test_a_password_alone_is_nowhere_in_the_deployment() -> None:
    assert "canary-1" not in str(
        deployment(cart_service(), credentials(password="canary-1"), migrated="k")
    )


def test_a_users_pod_labels_stand_beside_ours() -> None:
    labels = _pod(podLabels={"team": "shop"})["metadata"]["labels"]

    assert labels["team"] == "shop"
    assert labels["app.kubernetes.io/name"] == "carthub-service"


@pytest.mark.parametrize("given", [{}, {"requests": {}, "limits": {}}])
def test_empty_resources_are_the_default(given: dict[str, Any]) -> None:
    assert _container(resources=given)["resources"] == {
        "requests": {"cpu": "100m", "memory": "128Mi"},
        "limits": {"memory": "256Mi"},
    }


def test_given_resources_replace_the_default_as_a_whole() -> None:
    given = {"requests": {"cpu": "1", "memory": "1Gi"}}

    assert _container(resources=given)["resources"] == given


def test_tolerations_are_passed_on_without_what_was_left_out() -> None:
    tolerations = [{"key": "shop", "operator": "Exists", "effect": "NoSchedule"}]

    assert _pod(scheduling={"tolerations": tolerations})["spec"]["tolerations"] == tolerations


def test_an_empty_value_is_written_as_the_server_stores_it() -> None:
    assert _env(env=[{"name": "EMPTY", "value": ""}])["EMPTY"] == {"name": "EMPTY"}


def test_probes_ask_the_right_questions() -> None:
    container = _container()

    assert container["startupProbe"]["httpGet"]["path"] == "/health"
    assert container["readinessProbe"]["httpGet"]["path"] == "/health/ready"
    assert container["livenessProbe"]["httpGet"]["path"] == "/health/live"


def test_termination_grace_covers_the_sleep_before_stop() -> None:
    pod = _pod()["spec"]
    sleep = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]

    assert pod["terminationGracePeriodSeconds"] > sleep + 30


def test_pods_are_kept_apart_by_node_and_spread_over_zones() -> None:
    pod = _pod()["spec"]
    preferred = pod["affinity"]["podAntiAffinity"][
        "preferredDuringSchedulingIgnoredDuringExecution"
    ]

    assert preferred[0]["podAffinityTerm"]["topologyKey"] == "kubernetes.io/hostname"
    assert pod["topologySpreadConstraints"][0]["topologyKey"] == "topology.kubernetes.io/zone"


def test_zone_spread_can_be_left_out() -> None:
    assert "topologySpreadConstraints" not in _pod(scheduling={"topologySpread": "none"})["spec"]


def test_the_migration_runs_the_new_image_as_the_owner_role() -> None:
    job = migration_job(cart_service(), "abc")
    container = job["spec"]["template"]["spec"]["containers"][0]

    assert job["metadata"]["name"] == "backend-migrate-abc"
    assert container["args"] == ["migrate"]
    assert container["image"] == cart_service().spec.image
    assert {"name": "DB_OWNER_ROLE", "value": "carthub_owner"} in container["env"]
    assert job["spec"]["activeDeadlineSeconds"] == 600
