"""A query of a document: one statement that only reads, on both engines, of relations that exist."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from mbp.core.reporting import Finding
from mbp.core.schema_check import did_you_mean
from mbp.core.sql_guard import RefusedSqlError, demand_query
from mbp.release.documents.document_codes import finding

ENGINES = ("duckdb", "postgres")


def problems(sql: str, line: int, relations: Collection[str]) -> Iterator[Finding]:
    """Everything that is wrong with the text of one sql block."""
    named: set[str] = set()
    for engine in ENGINES:
        try:
            statements = [
                expression
                for expression in sqlglot.parse(sql, read=engine)
                if expression is not None
            ]
        except SqlglotError as error:
            reason = str(error).splitlines()[0].split("\x1b")[0].rstrip(" .")
            yield finding("DOC-018", line, f"{engine} cannot read the query: {reason}")
            return
        if len(statements) != 1 or not isinstance(statements[0], exp.Query):
            yield finding("DOC-018", line, "the block is not one query")
            return
        try:
            demand_query(sql, engine)
        except RefusedSqlError as error:
            message = f"the query writes, or locks what it reads, or may not run: {error.what}"
            yield finding("DOC-018", line, message)
            return
        local = {cte.alias for cte in statements[0].find_all(exp.CTE)}
        for table in statements[0].find_all(exp.Table):
            name = f"{table.db}.{table.name}" if table.db else table.name
            if name not in local:
                named.add(name)
    if not named:
        yield finding("DOC-018", line, "the query reads nothing")
    for name in sorted(named - set(relations)):
        fix = did_you_mean(name, relations)
        yield finding("DOC-019", line, f"there is no relation {name}", fix=fix)
