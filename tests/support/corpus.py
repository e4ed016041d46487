"""Good and bad specs: the API server and the operator's own model must judge them alike."""

from dataclasses import dataclass
from typing import Any

from tests.support.resources import database

PEER: dict[str, Any] = {"podSelector": {}}
MANAGER = {"secretId": "a", "region": "eu-west-1"}
EXISTING = {"name": "my-own"}


def _sources(**sources: object) -> dict[str, Any]:
    return {"database": database(credentials=sources)}


def _env(**variable: object) -> dict[str, Any]:
    return {"env": [{"name": "A", **variable}]}


def _resources(requests: dict[str, Any], limits: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"resources": {"requests": requests, **({"limits": limits} if limits else {})}}


GOOD: dict[str, dict[str, Any]] = {
    "the least": {},
    "an image by digest": {"image": "r.example.com:5000/a/b@sha256:" + "0123456789abcdef" * 4},
    "an image by tag and digest": {"image": "[fd00::1]:5000/a/b:v1@sha256:" + "0" * 64},
    "nothing for something": {
        "replicas": None,
        "autoscaling": {"minReplicas": None, "targetMemoryUtilizationPercentage": None},
        "suspend": None,
    },
    "autoscaling off": {"autoscaling": {"enabled": False}, "replicas": 0},
    "an empty part": {
        "auth": {},
        "cart": {},
        "autoscaling": {},
        "network": {},
        "scheduling": {},
        "resources": {},
    },
    "parts of a network left out": {
        "network": {"allowFrom": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}]}
    },
    "fields of the pod": {
        "env": [
            {"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
            {
                "name": "B",
                "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}},
            },
            {
                "name": "C",
                "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": 1}},
            },
        ]
    },
    "one fewest and most": {"autoscaling": {"minReplicas": 1, "maxReplicas": 1}},
    "scaling rates": {
        "autoscaling": {
            "behavior": {
                "scaleUp": {
                    "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}],
                    "selectPolicy": "Max",
                },
                "scaleDown": {"stabilizationWindowSeconds": 0},
            }
        }
    },
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
    "an ingress": {
        "ingress": {
            "enabled": True,
            "className": "nginx",
            "host": "*.shop.example.com",
            "annotations": {"cert-manager.io/cluster-issuer": "letsencrypt"},
            "tls": {"secretName": "cart-tls"},
            "from": [PEER, {"ipBlock": {"cidr": "10.0.0.0/8"}}],
        }
    },
    "an ingress with all by default": {"ingress": {"enabled": True}},
    "monitoring": {"monitoring": {"serviceMonitor": "never", "labels": {"release": "p"}}},
    "tokens": {
        "auth": {
            "issuer": "https://id.example.com/realms/shop/",
            "audience": "carthub",
            "jwksUrl": "https://id.example.com:8443/keys",
            "serviceScope": "urn:shop:all",
        }
    },
    "carts of every bound": {
        "cart": {"ttl": "9999d", "maxLines": 10_000, "maxQuantity": 1, "currency": "EUR"}
    },
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
    "peers of every kind": {
        "network": {
            "allowFrom": [
                PEER,
                {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress"}}},
                {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}},
                {
                    "podSelector": {
                        "matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]
                    }
                },
            ],
            "metricsFrom": [{"namespaceSelector": {}, "podSelector": {}}],
            "allowTo": [
                {},
                {"ports": [{"port": 443}, {"port": "otlp"}, {"port": 1, "endPort": 9}]},
                {"to": [PEER], "ports": [{"protocol": "UDP", "port": 53}]},
            ],
        }
    },
    "quantities of every form": _resources(
        {"cpu": 1, "memory": "1e8", "ephemeral-storage": "0.5Gi"},
        {"cpu": "1000m", "memory": "128Mi", "ephemeral-storage": "1Gi"},
    ),
    "limits alone": {"resources": {"limits": {"cpu": "1", "memory": "1Gi"}}},
    "memory alone without autoscaling": {
        **_resources({"memory": "64Mi"}),
        "autoscaling": {"enabled": False},
    },
    "tolerations": {
        "scheduling": {
            "nodeSelector": {"workload": "shop", "empty": ""},
            "tolerations": [
                {"operator": "Exists"},
                {"key": "shop", "value": "yes", "effect": "NoSchedule"},
                {
                    "key": "a.b/c",
                    "operator": "Exists",
                    "effect": "NoExecute",
                    "tolerationSeconds": 0,
                },
            ],
            "topologySpread": "none",
        }
    },
    "variables from everywhere": {
        "env": [
            {"name": "EMPTY", "value": ""},
            {"name": "with.dots-and_more", "value": "$(EMPTY) \n ü"},
            {"name": "S", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
            {
                "name": "C",
                "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k", "optional": True}},
            },
            {"name": "F", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {
                "name": "R",
                "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}},
            },
        ]
    },
    "a budget": {"podDisruptionBudget": {"maxUnavailable": 3}},
    "no budget": {"podDisruptionBudget": {"enabled": False}},
    "labels and annotations": {
        "podLabels": {"team": "shop", "example.com/cost-center": "", "a": "b.c_d-E"},
        "podAnnotations": {"example.com/note": "any text: {}", "plain": ""},
        "serviceAccount": {"annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/x"}},
    },
    "pull secrets": {
        "imagePullSecrets": [{"name": "one"}, {"name": "two"}],
        "imagePullPolicy": "Always",
    },
    "suspended": {"suspend": True},
}


@dataclass(frozen=True)
class Bad:
    """A spec that is refused; a value of None takes the field away.

    `says` is in the API server's answer, and in the model's too where it is a rule's message.
    """

    spec: dict[str, Any]
    says: str
    is_rule: bool = True


def _by_schema(says: str, **spec: object) -> Bad:
    return Bad(spec, says, is_rule=False)


BAD: dict[str, Bad] = {
    "an image is missing": _by_schema("spec.image: Required", image=None),
    "a database is missing": _by_schema("spec.database: Required", database=None),
    "an empty image": _by_schema("at least 1 chars", image=""),
    "an image without a tag": Bad({"image": "r:5000/x"}, "image must end in a tag or a digest"),
    "an image with a space": Bad({"image": "a b:1"}, "image must end in a tag or a digest"),
    "more fewest than most": Bad(
        {"autoscaling": {"minReplicas": 9, "maxReplicas": 4}},
        "minReplicas is above maxReplicas: raise maxReplicas or lower minReplicas",
    ),
    "more fewest than the default most": Bad(
        {"autoscaling": {"minReplicas": 16}},
        "minReplicas is above maxReplicas: raise maxReplicas or lower minReplicas",
    ),
    "no fewest": _by_schema("greater than or equal to 1", autoscaling={"minReplicas": 0}),
    "a misspelt scaling direction": _by_schema(
        'unknown field "spec.autoscaling.behavior.scaleUpp"',
        autoscaling={"behavior": {"scaleUpp": {}}},
    ),
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
    "a refresh that is no duration": _by_schema(
        "refreshInterval", **_sources(secretsManager={**MANAGER, "refreshInterval": "1 minute"})
    ),
    "a duration past all bounds": _by_schema(
        "migrations.timeout", database=database(migrations={"timeout": "999999999999h"})
    ),
    "no time to migrate": Bad(
        {"database": database(migrations={"timeout": "1s"})}, "timeout must be at least 10s"
    ),
    "an owner role that would need quotes": _by_schema(
        "ownerRole", database=database(migrations={"ownerRole": "Owner; DROP"})
    ),
    "no secret id": _by_schema(
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
    "a role that is none": _by_schema(
        "roleArn", **_sources(secretsManager={"secretId": "prod/db", "roleArn": "reader"})
    ),
    "a role of a user": _by_schema(
        "roleArn",
        **_sources(
            secretsManager={"secretId": "prod/db", "roleArn": "arn:aws:iam::210987654321:user/a"}
        ),
    ),
    "an issuer without an audience": Bad(
        {"auth": {"issuer": "https://id.example.com"}}, "give issuer and audience both, or neither"
    ),
    "an audience without an issuer": Bad(
        {"auth": {"audience": "carthub"}}, "give issuer and audience both, or neither"
    ),
    "keys without an issuer": Bad(
        {"auth": {"jwksUrl": "https://id.example.com/keys"}}, "count only with issuer and audience"
    ),
    "an issuer that is no URL": _by_schema(
        "auth.issuer", auth={"issuer": "id.example.com", "audience": "carthub"}
    ),
    "an issuer with a query": _by_schema(
        "auth.issuer", auth={"issuer": "https://id.example.com?a", "audience": "carthub"}
    ),
    "a scope of two words": _by_schema(
        "auth.serviceScope",
        auth={"issuer": "https://a", "audience": "b", "serviceScope": "a b"},
    ),
    "TLS of no host": Bad(
        {"ingress": {"enabled": True, "tls": {"secretName": "a"}}}, "tls needs a host"
    ),
    "a host that is a URL": _by_schema("ingress.host", ingress={"host": "https://a.example.com"}),
    "a host in capitals": _by_schema("ingress.host", ingress={"host": "Cart.example.com"}),
    "an annotation of the ingress that is none": Bad(
        {"ingress": {"annotations": {"a b": "c"}}}, "keys of annotations must be names"
    ),
    "a source that is nobody": Bad({"ingress": {"from": [{}]}}, "a peer is either an ipBlock"),
    "a monitor by another word": _by_schema("serviceMonitor", monitoring={"serviceMonitor": "off"}),
    "a life of hours": _by_schema("cart.ttl", cart={"ttl": "12h"}),
    "a life of no day": _by_schema("cart.ttl", cart={"ttl": "0d"}),
    "no line": _by_schema("cart.maxLines", cart={"maxLines": 0}),
    "more pieces than anybody sells": _by_schema("maxQuantity", cart={"maxQuantity": 1_000_001}),
    "a currency in small letters": _by_schema("cart.currency", cart={"currency": "eur"}),
    "a host with a port": Bad(
        {"database": database(host="db.example.com:5432")}, "give the port as database.port"
    ),
    "a URL as host": _by_schema("database.host", database=database(host="postgresql://db")),
    "a port that is none": _by_schema("less than or equal to 65535", database=database(port=70000)),
    "a network that is none": Bad(
        {"database": database(cidrs=["10.0.0.0/33"])}, "cidrs must be networks such as 10.20.0.0/16"
    ),
    "half an address": Bad(
        {"database": database(cidrs=["10.0/8"])}, "cidrs must be networks such as 10.20.0.0/16"
    ),
    "verification without a CA": Bad(
        {"database": database(sslMode="verify-full")}, "give ca.configMap, or leave sslMode out"
    ),
    "a mode that falls back to no TLS": _by_schema("sslMode", database=database(sslMode="prefer")),
    "a variable of ours": Bad(
        _env(name="DATABASE_URL", value="x"), "set by the operator: remove it from env"
    ),
    "another variable of ours": Bad(
        _env(name="PGPASSWORD", value="x"), "set by the operator: remove it from env"
    ),
    "a value twice": Bad(
        _env(value="x", valueFrom={"fieldRef": {"fieldPath": "metadata.name"}}),
        "give value or valueFrom, not both",
    ),
    "a value from nowhere": Bad(_env(valueFrom={}), "give exactly one of secretKeyRef"),
    "a misspelt source": _by_schema("secretKeyReff", **_env(valueFrom={"secretKeyReff": {}})),
    "an unknown environment": _by_schema('"production", "development"', environment="staging"),
    "an unknown log level": _by_schema('"DEBUG", "INFO", "WARNING", "ERROR"', logLevel="verbose"),
    "a quantity that is none": _by_schema(
        "resources.requests.cpu", **_resources({"cpu": "much", "memory": "1Gi"})
    ),
    "less than nothing": _by_schema(
        "resources.requests.cpu", **_resources({"cpu": "-1", "memory": "1Gi"})
    ),
    "an unknown resource": _by_schema(
        'unknown field "spec.resources.requests.mem"',
        **_resources({"cpu": 1, "memory": "1Gi", "mem": "1Gi"}),
    ),
    "more requested than allowed": Bad(
        _resources({"cpu": "1001m", "memory": "1Gi"}, {"cpu": 1}),
        "requests.cpu is above limits.cpu: raise the limit or lower the request",
    ),
    "autoscaling on CPU without a request": Bad(
        _resources({"memory": "1Gi"}), "give resources.requests.cpu, or leave resources out"
    ),
    "autoscaling on memory without a request": Bad(
        _resources({"cpu": "1"}), "give resources.requests.memory, or leave resources out"
    ),
    "autoscaling without any request": Bad(
        _resources({"ephemeral-storage": "1Gi"}), "give resources.requests.cpu"
    ),
    "a label of ours": Bad({"podLabels": {"carthub.io/x": "z"}}, "these are set for you"),
    "a label of Kubernetes": Bad({"podLabels": {"pod-template-hash": "z"}}, "set for you"),
    "an annotation of ours": Bad(
        {"podAnnotations": {"carthub.io/secret-version": "z"}}, "these are set for you"
    ),
    "a label that is none": Bad({"podLabels": {"a b": "c"}}, "keys of podLabels must be names"),
    "a label's value that is none": _by_schema("podLabels.a", podLabels={"a": "b c"}),
    "an annotation that is none": Bad(
        {"podAnnotations": {"/x": "c"}}, "keys of podAnnotations must be names"
    ),
    "an annotation of the account that is none": Bad(
        {"serviceAccount": {"annotations": {"a b": "c"}}}, "keys of annotations must be names"
    ),
    "a node label that is none": Bad(
        {"scheduling": {"nodeSelector": {"a b": "c"}}}, "keys of nodeSelector must be names"
    ),
    "a label to match that is none": Bad(
        {"network": {"allowFrom": [{"podSelector": {"matchLabels": {"a b": "c"}}}]}},
        "keys of matchLabels must be names",
    ),
    "an image with a space that looks like none": Bad(
        {"image": "a\u00a0b:1"}, "image must end in a tag or a digest"
    ),
    "an image with a line break": Bad({"image": "a:1\n"}, "image must end in a tag or a digest"),
    "a label with a line break": Bad(
        {"podLabels": {"a\n": "c"}}, "keys of podLabels must be names"
    ),
    "a misspelt field": _by_schema('unknown field "spec.imag"', imag="x"),
    "a misspelt peer": _by_schema(
        "namespaceselector", network={"allowFrom": [{"namespaceselector": {}}]}
    ),
    "a peer that is nobody": Bad({"network": {"allowFrom": [{}]}}, "a peer is either an ipBlock"),
    "a peer that is two": Bad(
        {"network": {"metricsFrom": [{**PEER, "ipBlock": {"cidr": "10.0.0.0/8"}}]}},
        "a peer is either an ipBlock",
    ),
    "a peer without a network": Bad(
        {"network": {"allowFrom": [{"ipBlock": {"cidr": "10.0.0.0/64"}}]}},
        "cidr and except must be networks",
    ),
    "values where none belong": Bad(
        {
            "network": {
                "allowFrom": [
                    {
                        "podSelector": {
                            "matchExpressions": [{"key": "a", "operator": "In", "values": []}]
                        }
                    }
                ]
            }
        },
        "give values with operator In and NotIn",
    ),
    "a range without a beginning": Bad(
        {"network": {"allowTo": [{"ports": [{"endPort": 9}]}]}}, "endPort needs a port"
    ),
    "a range that ends before it begins": Bad(
        {"network": {"allowTo": [{"ports": [{"port": 10, "endPort": 9}]}]}}, "endPort needs a port"
    ),
    "a port of no name": _by_schema(
        "ports[0].port", network={"allowTo": [{"ports": [{"port": "80"}]}]}
    ),
    "a toleration of nothing": Bad(
        {"scheduling": {"tolerations": [{"operator": "Equal"}]}},
        "without a key the operator must be Exists",
    ),
    "a toleration of any one value": Bad(
        {"scheduling": {"tolerations": [{"key": "a", "operator": "Exists", "value": "b"}]}},
        "leave value out with operator Exists",
    ),
    "a toleration for a time": Bad(
        {"scheduling": {"tolerations": [{"key": "a", "tolerationSeconds": 5}]}},
        "tolerationSeconds needs effect NoExecute",
    ),
    "a number in quotes": _by_schema("spec.replicas", replicas="3"),
    "a port in quotes": _by_schema("spec.database.port", database=database(port="5432")),
    "a word for a switch": _by_schema("spec.suspend", suspend="yes"),
    "a number for a switch": _by_schema("enabled", autoscaling={"enabled": 1}),
    "a switch for a number": _by_schema("spec.replicas", replicas=True),
    "a quantity beyond all measure": _by_schema(
        "requests.memory", **_resources({"cpu": "1", "memory": "1e1000000"})
    ),
    "a quantity below nothing": _by_schema("requests.cpu", **_resources({"cpu": -1})),
    "a step beyond all measure": _by_schema(
        "policies[0].value",
        autoscaling={
            "behavior": {
                "scaleUp": {
                    "policies": [{"type": "Pods", "value": 3_000_000_000, "periodSeconds": 15}]
                }
            }
        },
    ),
    "a part that is outside of the network": Bad(
        {
            "network": {
                "allowFrom": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["11.0.0.0/16"]}}]
            }
        },
        "except must be parts of cidr",
    ),
    "a part that is the whole network": Bad(
        {"network": {"allowFrom": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.0.0.0/8"]}}]}},
        "except must be parts of cidr",
    ),
    "an address for a host": Bad(
        {"ingress": {"enabled": True, "host": "10.0.0.1"}}, "host must be a name"
    ),
    "a class said twice": Bad(
        {"ingress": {"enabled": True, "annotations": {"kubernetes.io/ingress.class": "nginx"}}},
        "className says it",
    ),
    "a field that no pod has": _by_schema(
        "fieldPath", **_env(valueFrom={"fieldRef": {"fieldPath": "spec.image"}})
    ),
    "a unit that is none": Bad(
        _env(valueFrom={"resourceFieldRef": {"resource": "limits.cpu", "divisor": "1Mi"}}),
        "divisor must be 1 or 1m for cpu",
    ),
    "a key that is a folder": _by_schema(
        "secretKeyRef.key", **_env(valueFrom={"secretKeyRef": {"name": "a", "key": "..data"}})
    ),
    "a Secret's name that is none": _by_schema(
        "secretKeyRef.name", **_env(valueFrom={"secretKeyRef": {"name": "a..b", "key": "k"}})
    ),
    "a label with a prefix that is none": Bad(
        {"podLabels": {"a..b/x": "c"}}, "keys of podLabels must be names"
    ),
    "a label of Jobs": Bad({"podLabels": {"job-name": "x"}}, "set for you"),
    "another label of Jobs": Bad(
        {"podLabels": {"batch.kubernetes.io/job-name": "x"}}, "set for you"
    ),
}

# The API server prunes unknown fields of what is stored, and tells of them only at admission.
ONLY_AT_ADMISSION = frozenset(name for name, bad in BAD.items() if "unknown field" in bad.says)
