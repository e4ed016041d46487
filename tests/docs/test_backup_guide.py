"""The page on backups: its commands on two PostgreSQL servers, and carts read through the API."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import yaml

from app.migrations import command
from carthub_dev import postgres
from carthub_dev.control_plane import ControlPlane
from carthub_dev.database import DatabaseServer
from carthub_dev.ledger import Ledger
from carthub_dev.logins import APP, DATABASE, OWNER
from tests.support import carts
from tests.support import crd as crds
from tests.support.cluster import Cluster
from tests.support.live_cart import live_cart
from tests.support.markdown import shell_blocks
from tests.support.shell import run_blocks

_PAGE = "backup.md"


@pytest.fixture
def old_url(database_server: DatabaseServer) -> Iterator[str]:
    url = database_server.fresh_database()
    command.migrate(carts.settings_for(url))
    yield url
    database_server.drop_database(url)


@pytest.fixture
def other_server(ledger: Ledger) -> Iterator[DatabaseServer]:
    """A server that has never heard of Carthub."""
    with DatabaseServer(ledger) as server:
        server.execute(f"DROP DATABASE {DATABASE}", database="postgres")
        for role in (APP, OWNER):
            server.execute(f"DROP ROLE {role}", database="postgres")
        yield server


@pytest.fixture
def cluster(control_plane: ControlPlane) -> Cluster:
    crds.install(control_plane.kubeconfig)
    return Cluster(control_plane.kubeconfig)


def _environment(cluster: Cluster, url: str) -> dict[str, str]:
    """Return the variables that libpq's programs read, and where those are."""
    parts = urlsplit(url)
    path = os.pathsep.join([str(postgres.program("psql").parent), cluster.environment["PATH"]])
    return {
        **cluster.environment,
        "PATH": path,
        "PGHOST": parts.hostname or "",
        "PGPORT": str(parts.port),
        "PGDATABASE": parts.path.removeprefix("/"),
        "PGUSER": unquote(parts.username or ""),
        "PGPASSWORD": unquote(parts.password or ""),
    }


@pytest.mark.skipif(not shutil.which("grep"), reason="the commands need grep")
def test_a_dump_restored_into_another_cluster_serves_the_same_carts(
    old_url: str,
    other_server: DatabaseServer,
    cluster: Cluster,
    control_plane: ControlPlane,
    tmp_path: Path,
) -> None:
    dump, *restore = shell_blocks(_PAGE)
    with carts.running_client(carts.settings_for(old_url)) as client:
        shopper, buyer = carts.new_shopper(client), carts.new_shopper(client)
        shopper.add(quantity=3)
        buyer.add("tea", unit_price="4.25")
        order = buyer.check_out().json()
        before = shopper.cart()

    with live_cart(control_plane) as cart:
        cart.apply()
        counted = run_blocks([dump], cwd=tmp_path, env=_environment(cluster, old_url))
    restored = run_blocks(restore, cwd=tmp_path, env=_environment(cluster, other_server.admin_url))

    # Six tables of ours, and Alembic's own.
    assert "\n7\n" in counted
    kept = yaml.safe_load((tmp_path / "cartservices.yaml").read_text())
    assert cart.namespace in {one["metadata"]["namespace"] for one in kept["items"]}
    assert "     2 |      1 |" in restored
    settings = carts.settings_for(other_server.url_for("carthub_blue", "choose-another"))
    # As the Job of the new cluster does it: there is nothing to do.
    command.migrate(settings)
    with carts.running_client(settings) as client:
        assert carts.Shopper(client, shopper.customer_id).cart() == before
        found = client.get(f"/api/v1/orders/{order['order_id']}").json()
        assert found == order
        assert carts.Shopper(client, shopper.customer_id).add().status_code == 201
