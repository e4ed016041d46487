"""What to do about each reason, for somebody who has never seen Carthub. Pure.

docs/resource.md says the same at more length; a test holds that every reason is in both.
"""

from collections.abc import Mapping
from typing import Final

from carthub_operator.api import names
from carthub_operator.api.conditions import Reason

# `{name}`, `{namespace}`, `{secret}` and `{deployment}` are filled in. Empty: nothing to do.
BY_REASON: Final[Mapping[Reason, str]] = {
    Reason.READY: "",
    Reason.IDLE: "",
    Reason.SYNCED: "",
    Reason.AVAILABLE: "",
    Reason.MIGRATED: "",
    Reason.SCALING: "",
    Reason.PROGRESSING: "Wait: `carthub wait {name} -n {namespace}` tells when it is done.",
    Reason.SUSPENDED: "`carthub resume {name} -n {namespace}` when the operator may go on.",
    Reason.INVALID_SPEC: "Correct that field and apply the resource again;"
    " `carthub validate -f FILE` judges it before.",
    Reason.NAME_CONFLICT: "Delete or rename that object, or give the CartService another name.",
    Reason.FORBIDDEN: "Whoever runs the operator has to give it that right:"
    " compare its role with deploy/operator/rbac.yaml.",
    Reason.REJECTED: "Change the spec, or the policy of the cluster that refuses it.",
    Reason.CLUSTER_UNAVAILABLE: "Nothing, if it passes: the operator tries again by itself.",
    Reason.PENDING: "Wait a minute. If it stays, look whether AWS answers:"
    " `kubectl logs deployment/carthub-operator -n carthub-system`.",
    Reason.SECRET_NOT_FOUND: "Create {secret}, or correct its name in"
    " spec.database.credentials; the operator notices by itself.",
    Reason.SECRET_MALFORMED: "Correct the value of {secret} (a JSON object with username and"
    " password), or name its keys in `keys`; then `carthub sync {name} -n {namespace}`.",
    Reason.SECRET_REFUSED: "Put the user name and password that the database takes into"
    " {secret}, or set that password in the database; then `carthub sync {name} -n {namespace}`.",
    Reason.SECRET_NOT_ALLOWED: "Ask whoever runs the operator to extend that list for"
    " {namespace}: CARTHUB_SECRET_ALLOW_LIST has {secret}, CARTHUB_ROLE_ALLOW_LIST a roleArn.",
    Reason.SECRET_ACCESS_DENIED: "Allow the operator's role in AWS, or the one of roleArn,"
    " secretsmanager:DescribeSecret and secretsmanager:GetSecretValue on {secret}.",
    Reason.SECRET_SOURCE_UNAVAILABLE: "Nothing, if AWS comes back: the last good value serves"
    " meanwhile. Is the operator's way to Secrets Manager open?",
    Reason.NOT_CREATED: "Wait: `carthub wait {name} -n {namespace}` tells when it is done.",
    Reason.UNAVAILABLE: "See what the pods say: `kubectl describe pods -n {namespace}"
    " -l app.kubernetes.io/instance={name}`.",
    Reason.ROLLING_OUT: "Wait: `carthub wait {name} -n {namespace}` tells when it is done.",
    Reason.ROLLOUT_FAILED: "See what the new pods say: `kubectl describe pods -n {namespace}"
    " -l app.kubernetes.io/instance={name}`; or set the image that worked.",
    Reason.IMAGE_PULL_FAILED: "Correct spec.image, or name a Secret that may pull it in"
    " spec.imagePullSecrets.",
    Reason.CONTAINER_NOT_STARTED: "Create what is missing, or correct spec.env.",
    Reason.CRASH_LOOP: "Read its last words:"
    " `kubectl logs deployment/{deployment} -n {namespace} --previous`.",
    Reason.MIGRATING: "Wait: the version before serves until the Job is done.",
    Reason.MIGRATION_FAILED: "Mend the cause and delete the Job, or set another image;"
    " the version before goes on serving.",
    Reason.METRICS_UNAVAILABLE: "Install metrics-server, or switch spec.autoscaling off; the pods"
    " serve without it.",
}

UNSCHEDULABLE: Final = "Add nodes, or ask for less in spec.resources.requests or spec.scheduling."
NO_PODS: Final = (
    "Look at the namespace's quota and policies: `kubectl describe quota -n {namespace}`."
)
NO_OPERATOR: Final = (
    "Look whether the operator runs and watches this namespace: `kubectl get pods -A -l"
    " app.kubernetes.io/name=carthub-operator`, and its CARTHUB_NAMESPACES."
)
DELETING: Final = "Wait, or see which finalizer holds it: `kubectl get cart {name} -o yaml`."


def advice(reason: str, **values: str) -> str:
    """Return what to do about a reason, empty where nothing is; an unknown one is looked up."""
    try:
        return filled(BY_REASON[Reason(reason)], **values)
    except ValueError:
        return f"See {names.KIND} in the documentation for the reason {reason}."


def filled(sentence: str, **values: str) -> str:
    """Return an advice with the names in it."""
    return sentence.format_map(values)
