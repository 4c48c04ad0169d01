"""Sample failing rows: the test's own compiled SQL, run again read-only with a limit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

import duckdb
import psycopg2

from mbp.contracts import Contract
from mbp.core.errors import MbpError
from mbp.core.masking import masked_rows
from mbp.quality.attribution import safe_message
from mbp.quality.classes import Classes, ColumnsOf
from mbp.quality.column_lineage import Trust, trust_of
from mbp.quality.compiled_tests import own_test, value_column
from mbp.quality.rule_findings import RuleVerdict
from mbp.warehouse.called_functions import demand_query_on

FIX = "a test may only read; run `mbp build` again"


class QueryReader(Protocol):
    """The reading part of mbp.warehouse.Warehouse."""

    engine: str

    def query(
        self, sql: str, params: Sequence[Any] | None = None
    ) -> tuple[list[str], list[tuple[Any, ...]]]: ...


@dataclass(frozen=True)
class FailingRows:
    """Some failing rows of one finding.

    Attributes:
        rows: column -> value, personal values masked.
        hidden: names of the masked columns.
        failing_rows: all of them, where the run itself could not count.
        note: why there is no row, '' when there is one.
    """

    rows: tuple[Mapping[str, Any], ...] = ()
    hidden: tuple[str, ...] = ()
    failing_rows: int | None = None
    note: str = ""


@dataclass(frozen=True)
class SampleQuery:
    """`rows` selects failing rows without a limit; `count` counts them when the run could not."""

    rows: str
    count: str | None = None


def sample_query(
    finding: RuleVerdict, manifest: Mapping[str, Any], compiled: Mapping[str, str]
) -> SampleQuery | None:
    """The query behind a finding, None when it has none (skipped, in error, a unit test).

    Args:
        finding: a verdict of `mbp.quality.rule_findings.collect`.
        manifest: dbt's manifest.json.
        compiled: unique id -> SQL as the run executed it.
    """
    node = manifest["nodes"].get(finding.node or "")
    if not finding.is_broken or node is None:
        return None
    if node["resource_type"] != "test":
        return _stopped_build(finding, manifest)
    code = compiled.get(node["unique_id"]) or node.get("compiled_code")
    if not code:
        return None
    code = str(code).strip().rstrip(";")
    attached = manifest["nodes"].get(node.get("attached_node") or "")
    column, failing = node.get("column_name"), f"(\n{code}\n) as failing"
    if attached and column and not node["config"].get("where"):
        name, values = own_test(node), value_column(node, code)
        if name == "not_null":
            return SampleQuery(f"select * from {attached['relation_name']} where {column} is null")
        if values:
            chosen = f"{column} in (select {values} from {failing})"
            rows = f"from {attached['relation_name']} where {chosen}"
            return SampleQuery(f"select * {rows} order by {column}", f"select count(*) {rows}")
    return SampleQuery(f"select * from {failing}")


def _stopped_build(finding: RuleVerdict, manifest: Mapping[str, Any]) -> SampleQuery | None:
    """Rows that a mart refused, read from the state before it: the latest change of every key."""
    nodes = manifest["nodes"]
    parents = nodes[finding.node]["depends_on"]["nodes"] if finding.columns else ()
    node = next(
        (nodes[parent] for parent in parents if parent in nodes and parent.endswith("_latest")),
        None,
    )
    if node is None:
        return None
    column = finding.columns[0]
    source = f"{node['relation_name']} where not is_deleted"
    if finding.rule_id.endswith("_not_null"):
        refused = f"from {source} and {column} is null"
    else:
        refused = (
            f"from {source} and {column} in (select {column} from {source}"
            f" group by {column} having count(*) > 1)"
        )
    return SampleQuery(rows=f"select * {refused}", count=f"select count(*) {refused}")


def columns_of(reader: QueryReader) -> ColumnsOf:
    """Asks the warehouse which columns a relation has, once for each."""

    @cache
    def ask(relation: str) -> Sequence[str] | None:
        try:
            return reader.query(f"select * from {relation} limit 0")[0]
        except (MbpError, duckdb.Error, psycopg2.Error):
            return None

    return ask


def classes_of(
    contracts: Sequence[Contract], manifest: Mapping[str, Any], reader: QueryReader
) -> Classes:
    """The trust of every column of the project, in this warehouse."""
    return Classes(contracts, manifest, dialect=reader.engine, columns_of=columns_of(reader))


def take_sample(
    query: SampleQuery | None,
    reader: QueryReader,
    *,
    limit: int,
    classes: Classes,
) -> FailingRows:
    """Up to `limit` of the rows, masked; a query that fails now becomes a note."""
    if query is None:
        return FailingRows(note="no rows to show")
    try:
        for sql in filter(None, (query.rows, query.count)):
            # What is re-run here came out of a file.
            demand_query_on(reader, sql, fix=FIX)
        columns, rows = reader.query(f"{query.rows}\nlimit {limit}")
        counted = reader.query(query.count)[1][0][0] if query.count else None
    except MbpError as error:
        return FailingRows(note=f"rows cannot be shown: {error.what}")
    except (duckdb.Error, psycopg2.Error) as error:
        return FailingRows(note=f"rows cannot be shown: {safe_message(str(error))}")
    trusts = trust_of(classes.follow(query.rows), columns)
    hidden = frozenset(
        name for name, trust in zip(columns, trusts, strict=True) if trust is not Trust.OPEN
    )
    return FailingRows(
        rows=tuple(masked_rows(columns, rows, hidden)),
        hidden=tuple(name for name in columns if name in hidden),
        failing_rows=counted,
        note="" if rows else "no failing row any more: the tables changed since the run",
    )
