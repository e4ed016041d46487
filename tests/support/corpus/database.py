"""Specs of the database: where it is, whose credentials, how it is migrated."""

from typing import Any

from tests.support.corpus.refusals import Bad, by_schema
from tests.support.resources import database

MANAGER = {"secretId": "a", "region": "eu-west-1"}
EXISTING = {"name": "my-own"}


def _sources(**sources: object) -> dict[str, Any]:
    return {"database": database(credentials=sources)}


GOOD: dict[str, dict[str, Any]] = {
    "a Secret of one's own": _sources(existingSecret={"name": "my.own", "keys": {"host": "H"}}),
    "a secret by ARN": _sources(
        secretsManager={
            "secretId": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/db-AbCdEf",
            "refreshInterval": "1h30m",
        }
    ),
    "a secret of the operator's region": _sources(secretsManager={"secretId": "prod/db"}),
    "a secret of a region": _sources(
        secretsManager={"secretId": "prod/db", "region": "us-gov-west-1"}
    ),
    "a secret of another account": _sources(
        secretsManager={"secretId": "prod/db", "roleArn": "arn:aws:iam::210987654321:role/a/b.c"}
    ),
    "TLS verified": {
        "database": database(
            sslMode="verify-full",
            ca={"configMap": {"name": "rds-ca", "key": "bundle.pem"}},
            cidrs=["10.20.0.0/16", "fd00::/8"],
            host="fd00::1",
        )
    },
    "a host with an underscore": {"database": database(host="my_db.internal")},
    "migrations of another role": {
        "database": database(migrations={"ownerRole": "owner_1", "timeout": "10s"})
    },
    "migrations off": {"database": database(migrations={"enabled": False})},
}

BAD: dict[str, Bad] = {
    "a database is missing": by_schema("spec.database: Required", database=None),
    "two sources": Bad(
        _sources(secretsManager=MANAGER, existingSecret=EXISTING),
        "give exactly one source of credentials: secretsManager or existingSecret",
    ),
    "no source": Bad(
        _sources(), "give exactly one source of credentials: secretsManager or existingSecret"
    ),
    "a copy of our own Secret": Bad(
        _sources(existingSecret={"name": "backend-db"}),
        "existingSecret.name is the Secret that the operator writes: give the name of another one",
    ),
    "a hasty refresh": Bad(
        _sources(secretsManager={**MANAGER, "refreshInterval": "5s"}),
        "refreshInterval must be at least 10s",
    ),
    "a hasty look at a Secret": Bad(
        _sources(existingSecret={**EXISTING, "refreshInterval": "9s"}),
        "refreshInterval must be at least 10s",
    ),
    "a refresh that is no duration": by_schema(
        "refreshInterval", **_sources(secretsManager={**MANAGER, "refreshInterval": "1 minute"})
    ),
    "a duration past all bounds": by_schema(
        "migrations.timeout", database=database(migrations={"timeout": "999999999999h"})
    ),
    "no time to migrate": Bad(
        {"database": database(migrations={"timeout": "1s"})}, "timeout must be at least 10s"
    ),
    "an owner role that would need quotes": by_schema(
        "ownerRole", database=database(migrations={"ownerRole": "Owner; DROP"})
    ),
    "no secret id": by_schema(
        "secretsManager.secretId: Required", **_sources(secretsManager={"region": "eu-west-1"})
    ),
    "half an ARN": Bad(
        _sources(secretsManager={"secretId": "arn:aws:secretsmanager:eu-west-1"}),
        "secretId begins as an ARN and is none",
    ),
    "a region that is not the ARN's": Bad(
        _sources(
            secretsManager={
                "secretId": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:db-AbCdEf",
                "region": "eu-west-2",
            }
        ),
        "region is not the one that the ARN names",
    ),
    "a role that is none": by_schema(
        "roleArn", **_sources(secretsManager={"secretId": "prod/db", "roleArn": "reader"})
    ),
    "a role of a user": by_schema(
        "roleArn",
        **_sources(
            secretsManager={"secretId": "prod/db", "roleArn": "arn:aws:iam::210987654321:user/a"}
        ),
    ),
    "a host with a port": Bad(
        {"database": database(host="db.example.com:5432")}, "give the port as database.port"
    ),
    "a URL as host": by_schema("database.host", database=database(host="postgresql://db")),
    "a port that is none": by_schema("less than or equal to 65535", database=database(port=70000)),
    "a network that is none": Bad(
        {"database": database(cidrs=["10.0.0.0/33"])}, "cidrs must be networks such as 10.20.0.0/16"
    ),
    "half an address": Bad(
        {"database": database(cidrs=["10.0/8"])}, "cidrs must be networks such as 10.20.0.0/16"
    ),
    "verification without a CA": Bad(
        {"database": database(sslMode="verify-full")}, "give ca.configMap, or leave sslMode out"
    ),
    "a mode that falls back to no TLS": by_schema("sslMode", database=database(sslMode="prefer")),
    "a port in quotes": by_schema("spec.database.port", database=database(port="5432")),
}
