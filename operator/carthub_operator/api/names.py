"""The one home of every name, label, annotation, port and path that the operator uses.

What the service must know too is held equal by `tests/contract`.
"""

from typing import Final

GROUP: Final = "carthub.io"
VERSION: Final = "v1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
KIND: Final = "CartService"
PLURAL: Final = "cartservices"
SINGULAR: Final = "cartservice"
SHORT_NAME: Final = "cart"

# A DNS-1035 label; 40 leaves room for the longest suffix in a Service's 63 characters.
NAME_PATTERN: Final = "^[a-z]([-a-z0-9]*[a-z0-9])?$"
NAMESPACE_PATTERN: Final = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
NAME_MAX_LENGTH: Final = 40

FIELD_MANAGER: Final = "carthub-operator"
# Owns `spec.replicas` of Deployments and nothing else, so that it can let go of it alone.
REPLICAS_FIELD_MANAGER: Final = "carthub-operator-replicas"

LABEL_NAME: Final = "app.kubernetes.io/name"
LABEL_INSTANCE: Final = "app.kubernetes.io/instance"
LABEL_COMPONENT: Final = "app.kubernetes.io/component"
LABEL_PART_OF: Final = "app.kubernetes.io/part-of"
LABEL_MANAGED_BY: Final = "app.kubernetes.io/managed-by"
# Which CartService a child belongs to, even after its owner reference was stripped.
LABEL_OWNER_UID: Final = f"{GROUP}/owner-uid"
APP_NAME: Final = "carthub-service"
PART_OF: Final = "carthub"
COMPONENT_API: Final = "api"
COMPONENT_MIGRATION: Final = "migration"

# Any new value refreshes the secret at once.
ANNOTATION_SYNC: Final = f"{GROUP}/sync"
# In the pod template: the secret version whose value the pods were started with.
ANNOTATION_SECRET_VERSION: Final = f"{GROUP}/secret-version"
# In the pod template: the database that the pods were started with, as a hash.
ANNOTATION_DATABASE: Final = f"{GROUP}/database"
# On the Secret: the version it holds, and since when.
ANNOTATION_SECRET_CHANGED_AT: Final = f"{GROUP}/secret-changed-at"
# On the Secret: what the spec said of source and database when it was made, as a hash.
ANNOTATION_SECRET_ORIGIN: Final = f"{GROUP}/secret-origin"
# On the Secret: the last value of ANNOTATION_SYNC that was carried out.
ANNOTATION_SYNCED: Final = f"{GROUP}/synced"
# On the Deployment: the image and database whose migrations have succeeded.
ANNOTATION_MIGRATED: Final = f"{GROUP}/migrated"
# On the definition of CartServices: the version of the project that it is of.
ANNOTATION_CRD_VERSION: Final = f"{GROUP}/crd-version"

CONTAINER: Final = "carthub-service"
MIGRATION_CONTAINER: Final = "migrate"
PORT_NAME: Final = "http"
PORT: Final = 8000
METRICS_PORT_NAME: Final = "metrics"
METRICS_PORT: Final = 9090
SERVICE_PORT: Final = 80

PATH_STARTUP: Final = "/health"
PATH_READINESS: Final = "/health/ready"
PATH_LIVENESS: Final = "/health/live"

ENV_DATABASE_URL: Final = "DATABASE_URL"
ENV_DB_USERNAME: Final = "DB_USERNAME"
ENV_DB_PASSWORD: Final = "DB_PASSWORD"  # noqa: S105 - the variable's name
ENV_ENVIRONMENT: Final = "ENVIRONMENT"
ENV_LOG_LEVEL: Final = "LOG_LEVEL"
ENV_CREDENTIALS_DIR: Final = "DB_CREDENTIALS_DIR"
ENV_ROOT_CERTIFICATE: Final = "PGSSLROOTCERT"
ENV_OWNER_ROLE: Final = "DB_OWNER_ROLE"
ENV_PORT: Final = "PORT"
ENV_METRICS_PORT: Final = "METRICS_PORT"
# Left to the service, and to the spec's env.
ENV_DB_POOL_SIZE: Final = "DB_POOL_SIZE"
ENV_AUTH_ISSUER: Final = "AUTH_ISSUER"
ENV_AUTH_AUDIENCE: Final = "AUTH_AUDIENCE"
ENV_AUTH_JWKS_URL: Final = "AUTH_JWKS_URL"
ENV_AUTH_SERVICE_SCOPE: Final = "AUTH_SERVICE_SCOPE"
ENV_CART_TTL_DAYS: Final = "CART_TTL_DAYS"
ENV_CART_MAX_LINES: Final = "CART_MAX_LINES"
ENV_CART_MAX_QUANTITY: Final = "CART_MAX_QUANTITY"
ENV_CART_CURRENCY: Final = "CART_CURRENCY"

CREDENTIALS_DIR: Final = "/var/run/secrets/carthub.io/database"
CA_DIR: Final = "/etc/carthub/database-ca"
MIGRATE_COMMAND: Final = ("carthub-service", "migrate")

KEY_DATABASE_URL: Final = ENV_DATABASE_URL
KEY_USERNAME: Final = ENV_DB_USERNAME
KEY_PASSWORD: Final = ENV_DB_PASSWORD
KEY_PGHOST: Final = "PGHOST"
KEY_PGPORT: Final = "PGPORT"
KEY_PGDATABASE: Final = "PGDATABASE"
KEY_PGUSER: Final = "PGUSER"
KEY_PGPASSWORD: Final = "PGPASSWORD"
KEY_PGSSLMODE: Final = "PGSSLMODE"
# The keys that pods also get as variables, so that shells and `psql` work in them.
SECRET_ENV: Final = (
    KEY_DATABASE_URL,
    KEY_USERNAME,
    KEY_PASSWORD,
    KEY_PGHOST,
    KEY_PGPORT,
    KEY_PGDATABASE,
    KEY_PGUSER,
    KEY_PGPASSWORD,
    KEY_PGSSLMODE,
)
# Before the same keys of a database that is still to be migrated, while pods use another.
MIGRATION_PREFIX: Final = "MIGRATION_"
# Variables that the spec may not set.
OWNED_ENV: Final = (
    *SECRET_ENV,
    ENV_ENVIRONMENT,
    ENV_LOG_LEVEL,
    ENV_CREDENTIALS_DIR,
    ENV_ROOT_CERTIFICATE,
    ENV_OWNER_ROLE,
    ENV_PORT,
    ENV_METRICS_PORT,
    ENV_AUTH_ISSUER,
    ENV_AUTH_AUDIENCE,
    ENV_AUTH_JWKS_URL,
    ENV_AUTH_SERVICE_SCOPE,
    ENV_CART_TTL_DAYS,
    ENV_CART_MAX_LINES,
    ENV_CART_MAX_QUANTITY,
    ENV_CART_CURRENCY,
)


def deployment(name: str) -> str:
    """Return the name of the Deployment of a CartService."""
    return f"{name}-deployment"


def service(name: str) -> str:
    """Return the name of the Service."""
    return f"{name}-service"


def autoscaler(name: str) -> str:
    """Return the name of the HorizontalPodAutoscaler."""
    return f"{name}-hpa"


def network_policy(name: str) -> str:
    """Return the name of the NetworkPolicy."""
    return f"{name}-network-policy"


def disruption_budget(name: str) -> str:
    """Return the name of the PodDisruptionBudget."""
    return f"{name}-pdb"


def service_account(name: str) -> str:
    """Return the name of the ServiceAccount."""
    return name


def database_secret(name: str) -> str:
    """Return the name of the Secret with the database credentials."""
    return f"{name}-db"


def ingress(name: str) -> str:
    """Return the name of the Ingress."""
    return f"{name}-ingress"


def service_monitor(name: str) -> str:
    """Return the name of the ServiceMonitor."""
    return name


def migration_job(name: str, key: str) -> str:
    """Return the name of the Job that migrates for one image and database."""
    return f"{name}-migrate-{key}"


def selector_labels(name: str) -> dict[str, str]:
    """Return the labels that select the API's pods; they can never change."""
    return {
        LABEL_NAME: APP_NAME,
        LABEL_INSTANCE: name,
        LABEL_COMPONENT: COMPONENT_API,
    }


def labels(name: str, uid: str, *, component: str = COMPONENT_API) -> dict[str, str]:
    """Return the labels that every child carries."""
    return {
        LABEL_NAME: APP_NAME,
        LABEL_INSTANCE: name,
        LABEL_COMPONENT: component,
        LABEL_PART_OF: PART_OF,
        LABEL_MANAGED_BY: FIELD_MANAGER,
        LABEL_OWNER_UID: uid,
    }
