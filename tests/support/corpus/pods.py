"""Specs of what a pod is made of: image, variables, labels, and the nodes it may run on."""

from typing import Any

from tests.support.corpus.refusals import Bad, by_schema


def _env(**variable: object) -> dict[str, Any]:
    return {"env": [{"name": "A", **variable}]}


GOOD: dict[str, dict[str, Any]] = {
    "an image by digest": {"image": "r.example.com:5000/a/b@sha256:" + "0123456789abcdef" * 4},
    "an image by tag and digest": {"image": "[fd00::1]:5000/a/b:v1@sha256:" + "0" * 64},
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
    "labels and annotations": {
        "podLabels": {"team": "shop", "example.com/cost-center": "", "a": "b.c_d-E"},
        "podAnnotations": {"example.com/note": "any text: {}", "plain": ""},
        "serviceAccount": {"annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/x"}},
    },
    "pull secrets": {
        "imagePullSecrets": [{"name": "one"}, {"name": "two"}],
        "imagePullPolicy": "Always",
    },
}

BAD: dict[str, Bad] = {
    "an image is missing": by_schema("spec.image: Required", image=None),
    "an empty image": by_schema("at least 1 chars", image=""),
    "an image without a tag": Bad({"image": "r:5000/x"}, "image must end in a tag or a digest"),
    "an image with a space": Bad({"image": "a b:1"}, "image must end in a tag or a digest"),
    "an image with a space that looks like none": Bad(
        {"image": "a\u00a0b:1"}, "image must end in a tag or a digest"
    ),
    "an image with a line break": Bad({"image": "a:1\n"}, "image must end in a tag or a digest"),
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
    "a misspelt source": by_schema("secretKeyReff", **_env(valueFrom={"secretKeyReff": {}})),
    "a field that no pod has": by_schema(
        "fieldPath", **_env(valueFrom={"fieldRef": {"fieldPath": "spec.image"}})
    ),
    "a unit that is none": Bad(
        _env(valueFrom={"resourceFieldRef": {"resource": "limits.cpu", "divisor": "1Mi"}}),
        "divisor must be 1 or 1m for cpu",
    ),
    "a key that is a folder": by_schema(
        "secretKeyRef.key", **_env(valueFrom={"secretKeyRef": {"name": "a", "key": "..data"}})
    ),
    "a Secret's name that is none": by_schema(
        "secretKeyRef.name", **_env(valueFrom={"secretKeyRef": {"name": "a..b", "key": "k"}})
    ),
    "a label of ours": Bad({"podLabels": {"carthub.io/x": "z"}}, "these are set for you"),
    "a label of Kubernetes": Bad({"podLabels": {"pod-template-hash": "z"}}, "set for you"),
    "a label of Jobs": Bad({"podLabels": {"job-name": "x"}}, "set for you"),
    "another label of Jobs": Bad(
        {"podLabels": {"batch.kubernetes.io/job-name": "x"}}, "set for you"
    ),
    "an annotation of ours": Bad(
        {"podAnnotations": {"carthub.io/secret-version": "z"}}, "these are set for you"
    ),
    "a label that is none": Bad({"podLabels": {"a b": "c"}}, "keys of podLabels must be names"),
    "a label's value that is none": by_schema("podLabels.a", podLabels={"a": "b c"}),
    "a label with a line break": Bad(
        {"podLabels": {"a\n": "c"}}, "keys of podLabels must be names"
    ),
    "a label with a prefix that is none": Bad(
        {"podLabels": {"a..b/x": "c"}}, "keys of podLabels must be names"
    ),
    "an annotation that is none": Bad(
        {"podAnnotations": {"/x": "c"}}, "keys of podAnnotations must be names"
    ),
    "an annotation of the account that is none": Bad(
        {"serviceAccount": {"annotations": {"a b": "c"}}}, "keys of annotations must be names"
    ),
    "a node label that is none": Bad(
        {"scheduling": {"nodeSelector": {"a b": "c"}}}, "keys of nodeSelector must be names"
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
}
