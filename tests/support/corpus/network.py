"""Specs of who may reach whom: peers, ports, the ingress and the monitor."""

from typing import Any

from tests.support.corpus.refusals import Bad, by_schema

PEER: dict[str, Any] = {"podSelector": {}}

GOOD: dict[str, dict[str, Any]] = {
    "parts of a network left out": {
        "network": {"allowFrom": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}]}
    },
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
}

BAD: dict[str, Bad] = {
    "TLS of no host": Bad(
        {"ingress": {"enabled": True, "tls": {"secretName": "a"}}}, "tls needs a host"
    ),
    "a host that is a URL": by_schema("ingress.host", ingress={"host": "https://a.example.com"}),
    "a host in capitals": by_schema("ingress.host", ingress={"host": "Cart.example.com"}),
    "an annotation of the ingress that is none": Bad(
        {"ingress": {"annotations": {"a b": "c"}}}, "keys of annotations must be names"
    ),
    "a source that is nobody": Bad({"ingress": {"from": [{}]}}, "a peer is either an ipBlock"),
    "a monitor by another word": by_schema("serviceMonitor", monitoring={"serviceMonitor": "off"}),
    "an address for a host": Bad(
        {"ingress": {"enabled": True, "host": "10.0.0.1"}}, "host must be a name"
    ),
    "a class said twice": Bad(
        {"ingress": {"enabled": True, "annotations": {"kubernetes.io/ingress.class": "nginx"}}},
        "className says it",
    ),
    "a label to match that is none": Bad(
        {"network": {"allowFrom": [{"podSelector": {"matchLabels": {"a b": "c"}}}]}},
        "keys of matchLabels must be names",
    ),
    "a misspelt peer": by_schema(
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
    "a port of no name": by_schema(
        "ports[0].port", network={"allowTo": [{"ports": [{"port": "80"}]}]}
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
}
