"""Specs of every shape that the rules allow, for property tests."""

from typing import Any

from hypothesis import strategies as st

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_words = st.text(alphabet=_LETTERS, min_size=1, max_size=12)
_labels = st.dictionaries(
    st.one_of(_words, st.builds("{}.example.com/{}".format, _words, _words)),
    st.one_of(st.just(""), _words),
    max_size=3,
)
_annotations = st.dictionaries(_words, st.text(max_size=20), max_size=3)


def _parts(**optional: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=optional)


_selector = st.one_of(
    st.just({}),
    st.builds(lambda labels: {"matchLabels": labels}, _labels),
    st.builds(
        lambda key, values: {
            "matchExpressions": [{"key": key, "operator": "NotIn", "values": values}]
        },
        _words,
        st.lists(_words, min_size=1, max_size=2, unique=True),
    ),
    st.builds(lambda key: {"matchExpressions": [{"key": key, "operator": "Exists"}]}, _words),
)
_cidrs = st.one_of(
    st.ip_addresses(v=4, network="10.0.0.0/8").map(lambda ip: f"{ip}/32"),
    st.integers(0, 255).map(lambda octet: f"10.{octet}.0.0/16"),
    st.integers(0, 0xFFFF).map(lambda group: f"fd00:{group:x}::/32"),
)
_peers = st.one_of(
    st.fixed_dictionaries({"podSelector": _selector}, optional={"namespaceSelector": _selector}),
    st.fixed_dictionaries({"namespaceSelector": _selector}),
    st.builds(lambda cidr: {"ipBlock": {"cidr": cidr}}, _cidrs),
)
_ports: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.integers(1, 65535).map(lambda port: {"port": port}),
    st.tuples(st.integers(1, 999), st.integers(1000, 65535)).map(
        lambda span: {"port": span[0], "endPort": span[1], "protocol": "UDP"}
    ),
    _words.map(lambda name: {"port": name}),
    st.just({}),
)
_egress = _parts(to=st.lists(_peers, max_size=2), ports=st.lists(_ports, max_size=2))
_tolerations = st.one_of(
    st.just({"operator": "Exists"}),
    st.builds(lambda key: {"key": key, "operator": "Exists", "effect": "NoSchedule"}, _words),
    st.builds(
        lambda key, value: {"key": key, "value": value, "effect": "NoExecute"}, _words, _words
    ),
)
_rates = _parts(
    stabilizationWindowSeconds=st.integers(0, 3600),
    selectPolicy=st.sampled_from(["Max", "Min", "Disabled"]),
    policies=st.lists(
        st.fixed_dictionaries(
            {
                "type": st.sampled_from(["Pods", "Percent"]),
                "value": st.integers(1, 100),
                "periodSeconds": st.integers(1, 1800),
            }
        ),
        min_size=1,
        max_size=2,
    ),
)
_autoscaling = st.one_of(
    st.just({"enabled": False}),
    st.builds(
        lambda bounds, more: {"minReplicas": bounds[0], "maxReplicas": bounds[1], **more},
        st.tuples(st.integers(1, 20), st.integers(20, 1000)),
        _parts(
            targetCPUUtilizationPercentage=st.integers(1, 1000),
            behavior=_parts(scaleUp=_rates, scaleDown=_rates),
        ),
    ),
)
_amounts = st.tuples(
    st.sampled_from([1, "0.5", "100m", "250m"]), st.sampled_from(["64Mi", "1e8", 134217728])
)
_resources = st.builds(
    lambda amounts, with_limits: {
        "requests": dict(zip(("cpu", "memory"), amounts, strict=True)),
        **({"limits": {"cpu": "2", "memory": "2Gi"}} if with_limits else {}),
    },
    _amounts,
    st.booleans(),
)
_references = st.builds(lambda name, key: {"name": name, "key": key}, _words, _words)
_variables = st.one_of(
    st.text(max_size=10).map(lambda value: {"value": value}),
    _references.map(lambda reference: {"valueFrom": {"secretKeyRef": reference}}),
    _references.map(lambda reference: {"valueFrom": {"configMapKeyRef": reference}}),
    st.just({"valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}),
    st.just({"valueFrom": {"resourceFieldRef": {"resource": "requests.cpu", "divisor": "1m"}}}),
)
_env = st.dictionaries(_words, _variables, max_size=3).map(
    lambda chosen: [{"name": name, **variable} for name, variable in chosen.items()]
)
_source = st.one_of(
    st.just({"secretsManager": {"secretId": "prod/carthub/db", "region": "eu-west-1"}}),
    _words.map(lambda name: {"existingSecret": {"name": name}}),
)
_database = st.fixed_dictionaries(
    {"credentials": _source},
    optional={
        "host": st.sampled_from(["db.example.com", "my_db", "10.1.2.3", "fd00::1", "::1"]),
        "port": st.integers(1, 65535),
        "sslMode": st.sampled_from(["disable", "require"]),
        "ca": st.builds(lambda name: {"configMap": {"name": name}}, _words),
        "cidrs": st.lists(_cidrs, max_size=3, unique=True),
        "migrations": _parts(enabled=st.booleans(), timeout=st.sampled_from(["10s", "1h30m"])),
    },
)

specs: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"database": _database},
    optional={
        "image": st.sampled_from(["a:1", "localhost:5000/a/b:v1.2", "a@sha256:" + "0" * 64]),
        "environment": st.sampled_from(["production", "development"]),
        "replicas": st.integers(0, 1000),
        "autoscaling": _autoscaling,
        "network": _parts(
            allowFrom=st.lists(_peers, max_size=2),
            metricsFrom=st.lists(_peers, max_size=2),
            allowTo=st.lists(_egress, max_size=2),
        ),
        "serviceAccount": _parts(annotations=_annotations),
        "resources": _resources,
        "scheduling": _parts(
            nodeSelector=_labels,
            tolerations=st.lists(_tolerations, max_size=2),
            topologySpread=st.sampled_from(["zone", "none"]),
        ),
        "podDisruptionBudget": _parts(enabled=st.booleans(), maxUnavailable=st.integers(1, 9)),
        "podAnnotations": _annotations,
        "podLabels": _labels,
        "env": _env,
        "ingress": _parts(
            enabled=st.booleans(),
            className=st.sampled_from(["alb", "nginx"]),
            host=_words.map("{}.example.com".format),
            annotations=_annotations,
            **{"from": st.lists(_peers, max_size=2)},
        ),
        "auth": st.one_of(
            st.just({}), st.just({"issuer": "https://id.example.com", "audience": "carthub"})
        ),
        "cart": _parts(
            ttl=st.integers(1, 9999).map("{}d".format),
            maxLines=st.integers(1, 10_000),
            maxQuantity=st.integers(1, 1_000_000),
            currency=st.sampled_from(["EUR", "JPY"]),
        ),
    },
)
