"""The one place that decides whether SQL from a file may run: one read-only query, parsed, or refused.

Rules, faults and compiled tests are text that was committed; a text that was read wrongly must not
write, wait, read a file or call another machine. What cannot be parsed, and every function that is not
known to be harmless, is refused. The connection that runs the query is read-only where it can be; this
guard does not lean on it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from mbp.core.errors import MbpError

DIALECTS = ("duckdb", "postgres")
# An engine opens "x.csv" or 'https://...' in place of a table; a name of ours is a word.
PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
SYSTEM = re.compile(r"pg_|duckdb_|sqlite_", re.IGNORECASE)
SYSTEM_SCHEMAS = frozenset({"information_schema", "pg_catalog", "pg_temp", "pg_toast"})
# Statements are never part of a query, wherever a dialect allows them.
STATEMENTS = (
    exp.DDL,
    exp.Alter,
    exp.Attach,
    exp.Command,
    exp.Commit,
    exp.Copy,
    exp.Delete,
    exp.Describe,
    exp.Detach,
    exp.Drop,
    exp.Grant,
    exp.Insert,
    exp.Install,
    exp.Kill,
    exp.LoadData,
    exp.Merge,
    exp.Pragma,
    exp.Revoke,
    exp.Rollback,
    exp.Set,
    exp.Show,
    exp.Transaction,
    exp.TruncateTable,
    exp.Update,
    exp.Use,
)
# Functions without side effects that sqlglot knows only by name. It knows thousands by their own type.
HARMLESS = frozenset(
    {
        "bool_and",
        "bool_or",
        "epoch_ms",
        "epoch_us",
        "hash",
        "hash_record_extended",
        "isfinite",
        "json_object",
        "json_typeof",
        "jsonb_typeof",
        "make_timestamptz",
        "num_nonnulls",
        "num_nulls",
        "percentile_cont",
        "quantile_cont",
        "regexp_full_match",
        "regexp_matches",
        "round_even",
        "row",
        "to_timestamp",
        "width_bucket",
    }
)
# Functions that sqlglot has a type for, and that reach out of the database or read its settings.
HARMFUL = frozenset(
    {
        "ReadCSV",
        "ReadParquet",
        "ToFile",
        "OpenJSON",
        "CurrentUser",
        "SessionUser",
        "XMLTable",
        "XMLGet",
        "NextValueFor",
    }
)


class RefusedSqlError(MbpError):
    """SQL that may not run, and why."""

    def __init__(self, why: str, **place: Any) -> None:
        super().__init__(f"refused as SQL: {why}", **place)


def demand_query(
    sql: str,
    dialect: str,
    *,
    path: str | None = None,
    line: int | None = None,
    fix: str | None = None,
) -> exp.Query:
    """The parsed query, when `sql` is one statement that only reads.

    Args:
        dialect: duckdb or postgres.
        path: the file it came from, for the message; `line` and `fix` likewise.

    Raises:
        RefusedSqlError: several statements or none, one that writes, locks or has a side effect, or
            text that cannot be read with certainty.
    """
    problem = _first_problem(sql, dialect)
    if isinstance(problem, str):
        fix = fix or "write one query that only reads"
        raise RefusedSqlError(problem, path=path, line=line, fix=fix)
    return problem


def demand_expression(text: str, *, path: str | None = None, fix: str | None = None) -> None:
    """`text` must be one expression over the columns of a row, on every engine: no query, no statement.

    Raises:
        RefusedSqlError: it is anything else.
    """
    for dialect in DIALECTS:
        query = demand_query(f"select ({text}\n) from the_table", dialect, path=path, fix=fix)
        inside = query.selects[0] if isinstance(query, exp.Select) else None
        alone = (
            isinstance(inside, exp.Paren)
            and len(query.selects) == 1
            and query.find(exp.Query, bfs=True) is query
            and not any(node is not query for node in query.find_all(exp.Query))
            and [table.name for table in query.find_all(exp.Table)] == ["the_table"]
            and set(filter(query.args.get, query.args)) <= {"expressions", "from_", "from", "kind"}
        )
        if not alone:
            fix = fix or "write an expression over the columns of the dataset"
            raise RefusedSqlError(f"{text!r} is not one expression", path=path, fix=fix)


def demand_change(
    sql: str, dialect: str, *, path: str | None = None, line: int | None = None
) -> None:
    """`sql` must be one insert, update or delete: what an exercise does to a copy that it made itself.

    Raises:
        RefusedSqlError: it is anything else, or reaches out of the database.
    """
    parsed = _parsed(sql, dialect)
    if not isinstance(parsed, str):
        if isinstance(parsed, exp.Insert | exp.Update | exp.Delete):
            parsed = next(_problems(parsed, but=parsed), "")
        else:
            parsed = f"it is no insert, update or delete but {type(parsed).__name__.lower()}"
    if parsed:
        fix = "write one insert, update or delete"
        raise RefusedSqlError(parsed, path=path, line=line, fix=fix)


def _first_problem(sql: str, dialect: str) -> exp.Query | str:
    """The query, or why it is refused."""
    query = _parsed(sql, dialect)
    if isinstance(query, str):
        return query
    if not isinstance(query, exp.Query) or isinstance(query, exp.DML):
        return f"it is no query but {type(query).__name__.lower()}"
    return next(_problems(query), query)


def _parsed(sql: str, dialect: str) -> exp.Expr | str:
    """The one statement in `sql`, or why there is none."""
    if dialect not in DIALECTS:
        return f"no guard for the dialect {dialect!r}"
    if "\x00" in sql:
        return "it holds a NUL"
    log = logging.getLogger("sqlglot")
    level = log.level
    try:
        # What it does not know it warns of and takes for a command, which is refused below.
        log.setLevel(logging.CRITICAL)
        tokens = sqlglot.tokenize(sql, read=dialect)
        statements = sqlglot.parse(sql, read=dialect)
    except (SqlglotError, RecursionError) as error:
        return f"it cannot be parsed: {str(error).splitlines()[0] if str(error) else 'too deep'}"
    finally:
        log.setLevel(level)
    text = next(_lexical_problems(tokens), None)
    if text:
        return text
    parsed = [one for one in statements if not isinstance(one, exp.Semicolon | None)]
    if len(parsed) != 1:
        return f"it holds {len(parsed)} statements"
    return parsed[0]


def _lexical_problems(tokens: Sequence[Any]) -> Iterator[str]:
    """Spellings that this parser and an engine might read differently."""
    for token in tokens:
        kind = token.token_type.name
        if kind in ("HEREDOC_STRING", "RAW_STRING", "BYTE_STRING", "UNICODE_STRING"):
            yield f"a string in {'dollar quotes' if 'BYTE' not in kind else 'escapes'} near {token.text[:20]!r}"
        if kind in ("PARAMETER", "PLACEHOLDER", "SESSION_PARAMETER", "BLOCK_START", "BLOCK_END"):
            yield f"a parameter or template mark near {token.text[:20]!r}"
        if any("/*" in comment or "*/" in comment for comment in token.comments):
            yield "a comment in a comment"


def _problems(query: exp.Expr, *, but: exp.Expr | None = None) -> Iterator[str]:
    for node in query.walk():
        if node is but:
            continue
        if isinstance(node, STATEMENTS):
            yield f"{type(node).__name__.lower()} in a query"
        elif isinstance(node, exp.Into):
            yield "`select ... into` writes a table"
        elif isinstance(node, exp.Lock):
            yield "`for update` takes locks"
        elif isinstance(node, exp.Table):
            yield from _table_problems(node)
        elif isinstance(node, exp.Operator):
            yield "an operator of a schema: the name alone says nothing of what it calls"
        elif isinstance(node, exp.Cast) and node.to.this is exp.DType.USERDEFINED:
            yield f"a cast to {node.to.sql()[:40]!r}, which is no type of the engine"
        elif isinstance(node, exp.Dot) and isinstance(node.expression, exp.Func):
            # schema.function(...): the name alone says nothing of whose function it is.
            yield f"the function {node.sql()[:40]!r} of a schema"
        elif isinstance(node, exp.Anonymous | exp.AnonymousAggFunc | exp.CombinedAggFunc):
            name = str(node.name).lower()
            if name not in HARMLESS:
                yield f"the function {name!r} is not known to be harmless"
        elif isinstance(node, exp.Func) and type(node).__name__ in HARMFUL:
            yield f"the function {node.sql_name().lower()!r} reaches out of the database"


def _table_problems(table: exp.Table) -> Iterator[str]:
    if isinstance(table.this, exp.Func):
        if not isinstance(table.this, exp.GenerateSeries | exp.Unnest):
            yield f"the table function {table.this.sql()[:40]!r}"
        return
    for part in table.parts:
        if not isinstance(part, exp.Identifier) or not PLAIN.fullmatch(part.name):
            yield f"{part.sql()[:40]!r} is not the name of a table"
    if SYSTEM.match(table.name) or table.db.lower() in SYSTEM_SCHEMAS:
        yield f"{table.name!r} is a table of the system"
