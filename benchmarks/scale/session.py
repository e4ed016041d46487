"""The whole benchmark of the operator: reference and product in turn, for each size."""

import dataclasses
import os
import platform
from collections.abc import Callable, Iterator

from benchmarks.scale.options import Options, Who
from benchmarks.scale.results import Conditions, Figures, Results
from benchmarks.scale.scenario import Scenario
from benchmarks.scale.stage import Stage, stage
from benchmarks.scale.subjects import Product, Reference, Subject
from carthub_dev import toolchain
from carthub_dev.ledger import Ledger


def results(
    ledger: Ledger, options: Options, say: Callable[[str], None] = print
) -> Iterator[Results]:
    """Measure everything that was asked for, each on a stage of its own; yield after each.

    An hour's work is not lost with the last of its parts.
    """
    conditions, figures = _conditions(options), []
    for who, size in order(options):
        figures.append(_measured(ledger, options, who, size, say))
        yield Results(conditions, tuple(figures))


def order(options: Options) -> Iterator[tuple[Who, int]]:
    """Yield what is measured: the two of a size one after the other, who is first changes."""
    pair = [who for who in (Who.REFERENCE, Who.PRODUCT) if who in options.who]
    for number, size in enumerate(sorted(options.sizes)):
        yield from ((who, size) for who in (pair if number % 2 == 0 else pair[::-1]))
    if Who.OWN_SECRETS in options.who:
        yield Who.OWN_SECRETS, min(options.sizes)


def _subject(who: Who, one: Stage) -> Subject:
    if who is Who.REFERENCE:
        return Reference(one)
    return Product(one, has_own_secrets=who is Who.OWN_SECRETS)


def _measured(
    ledger: Ledger, options: Options, who: Who, size: int, say: Callable[[str], None]
) -> Figures:
    load_before = round(os.getloadavg()[0], 1)
    with stage(ledger, options) as one:
        found = Scenario(one, _subject(who, one), size, say).figures()
    return dataclasses.replace(found, load_before=load_before)


def _conditions(options: Options) -> Conditions:
    kubernetes = toolchain.tool_set("kubernetes").version_of("k8s.io/kubernetes")
    return Conditions(
        cores=os.cpu_count() or 0,
        kubernetes=kubernetes,
        kwok=toolchain.tool_set("kwok").version_of("sigs.k8s.io/kwok"),
        python=platform.python_version(),
        options=dataclasses.asdict(options),
    )
