"""The part `least_privilege`: the grants of live servers, held against the policy."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2

from mbp.core.errors import MbpError
from mbp.core.reporting import Finding
from mbp.release.security.grants import Fact, Query, read_grants
from mbp.release.security.least_privilege import compare
from mbp.release.security.part_result import PartResult, judged, unmeasured
from mbp.release.security.security_policy import SecurityPolicy
from mbp.warehouse import connect
from mbp.warehouse.connection import engine_of

PART = "least_privilege"


@dataclass(frozen=True)
class Sides:
    """What is asked: the warehouse, and the market's own PostgreSQL where it can be reached."""

    server: str
    warehouse: Query
    source: Query | None
    why_no_source: str = ""


Servers = Callable[[], AbstractContextManager[Sides]]


def least_privilege(
    root: Path,
    policy: SecurityPolicy,
    *,
    target: str,
    servers: Servers | None = None,
) -> PartResult:
    """Reads the grants and compares them with the policy.

    Args:
        target: dbt target of the warehouse; the source is that of MBP_SOURCE_HOST and its like.
        servers: gives other servers to check instead.

    Raises:
        MbpError: a server cannot be reached.
    """
    if servers is None and engine_of(root, target) != "postgres":
        return unmeasured(PART, f"the target {target} has no roles: use --target postgres")
    with servers() if servers else reached(root, target) as sides:
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
            yield Sides(f"target {target} and its source", ask, asking(connection))
        finally:
            connection.close()


def asking(connection: Any) -> Query:
    """Queries of an open connection."""

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
