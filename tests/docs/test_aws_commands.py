"""The AWS commands in the pages exist: services, operations and options, by botocore's models."""

import re
from collections.abc import Iterator

import botocore.session
from botocore import xform_name
from botocore.exceptions import UnknownServiceError

from tests.support.markdown import DOCS

_BLOCK = re.compile(r"^```(?:bash|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"\baws ([a-z]+) ([a-z-]+)([^|;)\n]*)")
_OPTION = re.compile(r"--(?:no-)?([a-z-]+)")
# What the command line adds to every operation, and the commands that are its own.
_COMMON = {"query", "output", "region", "profile"}
_OWN = {
    ("cloudformation", "deploy"),
    ("codecommit", "credential-helper"),
    ("ecr", "get-login-password"),
    ("eks", "update-kubeconfig"),
}


def _commands() -> Iterator[tuple[str, str, set[str]]]:
    for page in DOCS.rglob("*.md"):
        # Lines that go on are one.
        text = re.sub(r"\\\n>?", "", page.read_text())
        for block in _BLOCK.findall(text):
            for service, operation, rest in _COMMAND.findall(block):
                yield service, operation, set(_OPTION.findall(rest))


def test_every_command_and_option_is_known() -> None:
    session = botocore.session.get_session()
    wrong: list[tuple[str, ...]] = []
    seen = 0
    for service, operation, options in _commands():
        if (service, operation) in _OWN or operation == "wait":
            continue
        seen += 1
        try:
            model = session.get_service_model(service)
        except UnknownServiceError:
            wrong.append((service, operation))
            continue
        names = {xform_name(name, "-"): name for name in model.operation_names}
        if operation not in names:
            wrong.append((service, operation))
            continue
        shape = model.operation_model(names[operation]).input_shape
        known = {xform_name(member, "-") for member in shape.members} if shape else set()
        wrong += [(service, operation, one) for one in options - known - _COMMON]

    assert wrong == []
    assert seen >= 3
