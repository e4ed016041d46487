"""The Job that migrates the schema with the new image, before its rollout."""

from carthub_operator.api import names
from carthub_operator.api.durations import seconds
from carthub_operator.api.resource import CartService
from carthub_operator.desired import pod
from carthub_operator.desired.facts import Manifest

RETRIES = 2
# Long enough to be read by a person; what succeeded is remembered on the Deployment.
KEEP_FINISHED_SECONDS = 3600


def migration_job(resource: CartService, key: str, *, is_ahead: bool = False) -> Manifest:
    """Return the Job for one image and database; it is created once and never changed.

    One that is ahead migrates another database than the pods use.
    """
    component = names.COMPONENT_MIGRATION
    prefix = names.MIGRATION_PREFIX if is_ahead else ""
    container = pod.container(resource, names.MIGRATION_CONTAINER, key_prefix=prefix)
    container["args"] = list(names.MIGRATE_COMMAND)[1:]
    owner = {"name": names.ENV_OWNER_ROLE, "value": resource.spec.database.migrations.owner_role}
    container["env"] = [*container["env"], owner]
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": resource.metadata(names.migration_job(resource.name, key), component=component),
        "spec": {
            "backoffLimit": RETRIES,
            "activeDeadlineSeconds": seconds(resource.spec.database.migrations.timeout),
            "ttlSecondsAfterFinished": KEEP_FINISHED_SECONDS,
            "template": {
                "metadata": {
                    "labels": pod.labels(resource, component=component),
                    "annotations": dict(resource.spec.pod_annotations),
                },
                "spec": {
                    **pod.pod_spec(resource, container, key_prefix=prefix),
                    "restartPolicy": "Never",
                },
            },
        },
    }
