"""Specs of the cart API itself, and what holds of a spec as a whole."""

from typing import Any

from tests.support.corpus.refusals import Bad, by_schema

GOOD: dict[str, dict[str, Any]] = {
    "the least": {},
    "nothing for something": {
        "replicas": None,
        "autoscaling": {"minReplicas": None, "targetMemoryUtilizationPercentage": None},
        "suspend": None,
    },
    "an empty part": {
        "auth": {},
        "cart": {},
        "autoscaling": {},
        "network": {},
        "scheduling": {},
        "resources": {},
    },
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
    "suspended": {"suspend": True},
}

BAD: dict[str, Bad] = {
    "a misspelt field": by_schema('unknown field "spec.imag"', imag="x"),
    "a word for a switch": by_schema("spec.suspend", suspend="yes"),
    "an unknown environment": by_schema('"production", "development"', environment="staging"),
    "an unknown log level": by_schema('"DEBUG", "INFO", "WARNING", "ERROR"', logLevel="verbose"),
    "an issuer without an audience": Bad(
        {"auth": {"issuer": "https://id.example.com"}}, "give issuer and audience both, or neither"
    ),
    "an audience without an issuer": Bad(
        {"auth": {"audience": "carthub"}}, "give issuer and audience both, or neither"
    ),
    "keys without an issuer": Bad(
        {"auth": {"jwksUrl": "https://id.example.com/keys"}}, "count only with issuer and audience"
    ),
    "an issuer that is no URL": by_schema(
        "auth.issuer", auth={"issuer": "id.example.com", "audience": "carthub"}
    ),
    "an issuer with a query": by_schema(
        "auth.issuer", auth={"issuer": "https://id.example.com?a", "audience": "carthub"}
    ),
    "a scope of two words": by_schema(
        "auth.serviceScope",
        auth={"issuer": "https://a", "audience": "b", "serviceScope": "a b"},
    ),
    "a life of hours": by_schema("cart.ttl", cart={"ttl": "12h"}),
    "a life of no day": by_schema("cart.ttl", cart={"ttl": "0d"}),
    "no line": by_schema("cart.maxLines", cart={"maxLines": 0}),
    "more pieces than anybody sells": by_schema("maxQuantity", cart={"maxQuantity": 1_000_001}),
    "a currency in small letters": by_schema("cart.currency", cart={"currency": "eur"}),
}
