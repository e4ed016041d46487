"""What `make manifests` writes of the chart and into it is what both say now."""

from typing import Any

from carthub_dev import chart, operator_process
from carthub_dev.helm import Helm


def test_copies_are_what_their_homes_are() -> None:
    for file, text in chart.copies().items():
        assert file.read_text() == text, f"{file.name}: make manifests"


def test_the_base_is_what_the_chart_renders(helm: Helm) -> None:
    made = chart.base(helm)

    for file, text in made.items():
        assert file.read_text() == text, f"{file.name}: make manifests"
    there = {file.name for file in chart.BASE.glob("*.yaml")}
    assert there == {file.name for file in made} | {"kustomization.yaml", "namespace.yaml"}


def test_both_ways_to_install_make_the_same_objects(helm: Helm) -> None:
    named = {
        **chart.BASE_VALUES,
        "watchNamespaces": ["shopping-cart"],
    }
    for form, given in {"operator": chart.BASE_VALUES, "namespaced": named}.items():
        applied = {_key(one): one for one in operator_process.manifests(form)}
        rendered = {_key(one): one for one in helm.objects("--no-hooks", values=given)}

        (namespace,) = [key for key in applied if key not in rendered]
        assert namespace[0] == "Namespace"
        assert rendered.keys() < applied.keys()
        for key, one in rendered.items():
            assert _comparable(applied[key]) == _comparable(one), (form, key)


def _key(one: dict[str, Any]) -> tuple[str, str, str]:
    return one["kind"], one["metadata"].get("namespace", ""), one["metadata"]["name"]


def _comparable(one: dict[str, Any]) -> dict[str, Any]:
    """Return an object without the order of its variables."""
    if one["kind"] == "Deployment":
        for container in one["spec"]["template"]["spec"]["containers"]:
            container["env"].sort(key=lambda variable: variable["name"])
    one["metadata"].pop("labels", None)
    return one


def test_the_page_has_the_values_as_they_are() -> None:
    assert chart.PAGE.read_text() == chart.page(), "make manifests"
