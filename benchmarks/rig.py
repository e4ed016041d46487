"""Everything that is measured, running side by side on one PostgreSQL."""

import contextlib
import enum
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import services
from benchmarks.databases import Databases, Measured, databases
from benchmarks.issuer import Issuer, issuer
from benchmarks.services import Worker
from benchmarks.workload import Size
from carthub_dev.ledger import Ledger

_MOST_WORKERS = 2


class Callers(enum.Enum):
    """Whose tokens the requests carry."""

    SHOP = "one token of the shop's backend"
    CUSTOMERS = "each customer's own"


@dataclass(frozen=True)
class Variant:
    """Something that answers the workload: a service with so many workers, or pgbench."""

    name: str
    workers: int

    @property
    def label(self) -> str:
        """Its name in tables: `product x2` has two workers."""
        return f"{self.name} x{self.workers}" if self.workers else self.name


REFERENCE = Variant("reference", 1)
REFERENCE_2 = Variant("reference", 2)
PRODUCT = Variant("product", 1)
PRODUCT_2 = Variant("product", 2)
PGBENCH = Variant("pgbench", 0)


@dataclass(frozen=True)
class Rig:
    """The running parts, and a folder for what a run leaves behind."""

    databases: Databases
    reference: Sequence[Worker]
    product: Sequence[Worker]
    issuer: Issuer
    folder: Path

    def database_of(self, variant: Variant) -> Measured:
        """Return where a variant keeps its carts; pgbench runs on the product's."""
        return (
            self.databases.reference if variant.name == REFERENCE.name else self.databases.product
        )

    def workers_of(self, variant: Variant) -> Sequence[Worker]:
        """Return the processes that answer for a variant; pgbench has none."""
        found = self.reference if variant.name == REFERENCE.name else self.product
        return found[: variant.workers]

    def headers_of(self, variant: Variant, callers: Callers) -> Callable[[str], Mapping[str, str]]:
        """Return the headers of a customer's requests; the reference demands none."""
        if variant.name == REFERENCE.name:
            return lambda _: {}
        if callers is Callers.CUSTOMERS:
            return self.issuer.customer_headers
        return lambda _: self.issuer.service_headers

    def revive(self, variant: Variant) -> int:
        """Start workers of the reference again that do not answer any more; how many."""
        if variant.name != REFERENCE.name:
            return 0
        return sum(worker.revive() for worker in self.workers_of(variant))

    def fill(self, size: Size) -> None:
        """Put the same carts into both databases."""
        self.databases.reference.fill(size)
        self.databases.product.fill(size)


@contextlib.contextmanager
def rig(ledger: Ledger) -> Iterator[Rig]:
    """Lend the rig: every process runs all the time, and only one variant has work."""
    folder = ledger.make_directory("bench")
    with (
        issuer() as issued,
        databases(ledger) as found,
        services.workers(
            ledger, services.reference(found.reference.url), _MOST_WORKERS, folder
        ) as reference,
        services.workers(
            ledger, services.product(found.product.url, issued), _MOST_WORKERS, folder
        ) as product,
    ):
        yield Rig(found, reference, product, issued, folder)
