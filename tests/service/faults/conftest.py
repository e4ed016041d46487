from collections.abc import Iterator

import pytest

from app.migrations import command
from carthub_dev.database import DatabaseServer
from carthub_dev.ledger import Ledger
from tests.support import carts


@pytest.fixture
def own_server(ledger: Ledger) -> Iterator[DatabaseServer]:
    """A migrated PostgreSQL for one test to break; what it acknowledged survives its end."""
    # Seventeen sessions for logins like ours, as a pod wants. Many for the test: one that is being
    # refused counts too.
    settings = {
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "max_connections": "32",
        "superuser_reserved_connections": "15",
        "max_wal_senders": "0",
        "autovacuum_worker_slots": "1",
    }
    with DatabaseServer(ledger, settings=settings) as server:
        command.migrate(carts.settings_for(server.url))
        yield server
