"""The CustomResourceDefinition, made from the spec model and the rules over several fields.

`python -m carthub_operator.api.crd` prints it; `crds/` holds that text, a test keeps them equal.
"""

import sys
from collections.abc import Iterator
from typing import Any, Final

from pydantic.fields import FieldInfo

from carthub_operator.api import names
from carthub_operator.api.model import Model, Rule, default_of
from carthub_operator.api.resource import RULES
from carthub_operator.api.spec import CartServiceSpec
from carthub_operator.version import __version__

# Bounds let the API server estimate what a rule may cost.
MAX_MAP_ENTRIES: Final = 32

# Field -> how server-side apply merges the list.
_LIST_KINDS: Final[dict[str, dict[str, Any]]] = {
    "cidrs": {"x-kubernetes-list-type": "set"},
    "env": {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    "imagePullSecrets": {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
}


_KEPT: Final = (
    "type",
    "enum",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
    "x-kubernetes-int-or-string",
)


def manifest() -> dict[str, Any]:
    """Return the CustomResourceDefinition."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{names.PLURAL}.{names.GROUP}",
            # By it an older chart knows a newer definition, and leaves it alone.
            "annotations": {names.ANNOTATION_CRD_VERSION: __version__},
        },
        "spec": {
            "group": names.GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": names.KIND,
                "listKind": f"{names.KIND}List",
                "plural": names.PLURAL,
                "singular": names.SINGULAR,
                "shortNames": [names.SHORT_NAME],
                "categories": ["all"],
            },
            "versions": [
                {
                    "name": names.VERSION,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": _root()},
                    "subresources": {
                        "status": {},
                        "scale": {
                            "specReplicasPath": ".spec.replicas",
                            "statusReplicasPath": ".status.replicas",
                            "labelSelectorPath": ".status.selector",
                        },
                    },
                    "selectableFields": [
                        {"jsonPath": ".spec.image"},
                        {"jsonPath": ".spec.environment"},
                    ],
                    "additionalPrinterColumns": _columns(),
                }
            ],
        },
    }


def _columns() -> list[dict[str, Any]]:
    ready = ".status.conditions[?(@.type=='Ready')]"
    return [
        {"name": "Ready", "type": "string", "jsonPath": f"{ready}.status"},
        {"name": "Reason", "type": "string", "jsonPath": f"{ready}.reason"},
        {"name": "Replicas", "type": "integer", "jsonPath": ".status.readyReplicas"},
        {"name": "Image", "type": "string", "jsonPath": ".status.image"},
        {"name": "Secret age", "type": "date", "jsonPath": ".status.database.secretChangedAt"},
        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
    ]


def _root() -> dict[str, Any]:
    return {
        "type": "object",
        "description": "A shopping-cart backend: one resource, and the operator keeps its"
        " Deployment, Service, autoscaler, network policy, disruption budget, database secret"
        " and migrations in the state declared here.",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": _object(CartServiceSpec),
            "status": _status(),
        },
        "x-kubernetes-validations": [_validation(rule) for rule in RULES],
    }


def _object(model: type[Model]) -> dict[str, Any]:
    generated = model.model_json_schema(by_alias=True)
    definitions = generated.get("$defs", {})
    fields = {field.alias or name: field for name, field in model.model_fields.items()}
    properties = {
        name: _property(name, schema, fields[name], definitions)
        for name, schema in generated["properties"].items()
    }
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    if model.__doc__:
        schema["description"] = model.__doc__.partition("\n")[0]
    if required := generated.get("required"):
        schema["required"] = required
    if model.rules:
        schema["x-kubernetes-validations"] = [_validation(rule) for rule in model.rules]
    return schema


def _validation(rule: Rule) -> dict[str, str]:
    validation = {"rule": rule.cel, "message": rule.message}
    if rule.message_cel:
        validation["messageExpression"] = rule.message_cel
    return validation


def _property(
    name: str, schema: dict[str, Any], field: FieldInfo, definitions: dict[str, Any]
) -> dict[str, Any]:
    structural = _structural(schema, definitions)
    if field.description:
        structural["description"] = field.description
    structural |= _LIST_KINDS.get(name, {})
    if not field.is_required():
        default = default_of(field)
        if default not in (None, {}, []):
            structural["default"] = default
        elif structural.get("type") == "object":
            # Merged field by field, an emptied one would become null, which is refused (seen on
            # Kubernetes 1.36); where there is a default, that takes its place.
            structural["x-kubernetes-map-type"] = "atomic"
    return structural


def _structural(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """Return one generated schema in the form that Kubernetes calls structural."""
    if "$ref" in schema:
        return _object(_MODELS[schema["$ref"].rpartition("/")[2]])
    if "anyOf" in schema:
        (given,) = (option for option in schema["anyOf"] if option.get("type") != "null")
        return _structural(given, definitions)
    kept: dict[str, Any] = {key: schema[key] for key in _KEPT if key in schema}
    if schema.get("type") == "array":
        kept["items"] = _structural(schema["items"], definitions)
    if schema.get("type") == "object":
        kept |= _map(schema, definitions)
    return kept


def _map(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    values = _structural(schema["additionalProperties"], definitions)
    return {"additionalProperties": values, "maxProperties": MAX_MAP_ENTRIES}


def _status() -> dict[str, Any]:
    condition = {
        "type": "object",
        "required": ["type", "status", "reason", "message", "lastTransitionTime"],
        "properties": {
            "type": {"type": "string", "maxLength": 316},
            "status": {"type": "string", "enum": ["True", "False", "Unknown"]},
            "reason": {"type": "string", "maxLength": 1024},
            "message": {"type": "string", "maxLength": 32768},
            "observedGeneration": {"type": "integer", "format": "int64"},
            "lastTransitionTime": {"type": "string", "format": "date-time"},
        },
    }
    text, count = {"type": "string"}, {"type": "integer", "format": "int32"}
    return {
        "type": "object",
        "description": "What the operator has seen; written by it alone.",
        # Without a first value tools that know kstatus take a fresh resource for finished.
        "default": {"observedGeneration": -1},
        "properties": {
            "observedGeneration": {
                "type": "integer",
                "format": "int64",
                "description": "The generation that the conditions speak of.",
            },
            "conditions": {
                "type": "array",
                "description": "What is so, and why; Ready sums it up.",
                "items": condition,
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["type"],
            },
            "replicas": {**count, "description": "Pods that exist."},
            "readyReplicas": {**count, "description": "Pods that serve."},
            "selector": {**text, "description": "The label selector of the pods."},
            "image": {**text, "description": "The image that the Deployment runs."},
            "url": {**text, "description": "Where the API answers inside the cluster."},
            "warnings": {
                "type": "array",
                "description": "What works, and may still not be what you want.",
                "items": {
                    "type": "object",
                    "required": ["reason", "message"],
                    "properties": {
                        "reason": {**text, "description": "A word for it."},
                        "message": {**text, "description": "What it is, and what to do."},
                    },
                },
                "x-kubernetes-list-type": "atomic",
            },
            "database": {
                "type": "object",
                "description": "The credentials in use, and what the database is asked for.",
                "properties": {
                    "maxConnections": {
                        **count,
                        "description": "The most connections that the pods may open: those of"
                        " a rollout and a migration with them.",
                    },
                    "serverMaxConnections": {
                        **count,
                        "description": "The most that PostgreSQL takes in all, as it said when a"
                        " login was tried.",
                    },
                    "secretVersionId": {**text, "description": "Their version at the source."},
                    "secretChangedAt": {
                        "type": "string",
                        "format": "date-time",
                        "description": "When their value last changed here.",
                    },
                    "lastHandledSync": {
                        **text,
                        "description": "The value of the annotation carthub.io/sync that was"
                        " carried out last.",
                    },
                },
            },
        },
    }


def _models(base: type[Model]) -> Iterator[type[Model]]:
    for model in base.__subclasses__():
        yield model
        yield from _models(model)


_MODELS: Final = {model.__name__: model for model in _models(Model)}


def main() -> None:
    """Print the CustomResourceDefinition as YAML."""
    import yaml  # noqa: PLC0415 - only the generator needs it; kopf brings it

    header = "# Generated by `python -m carthub_operator.api.crd`; a test keeps the two equal.\n"
    sys.stdout.write(header + yaml.safe_dump(manifest(), sort_keys=False, width=100))


if __name__ == "__main__":
    main()
