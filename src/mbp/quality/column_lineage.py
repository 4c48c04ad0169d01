"""Column lineage of one query: may each column of its result be shown?

The query is followed as `mbp.quality.read_sets` follows it, with the trust of each column of a table in place of what
it is called. A column of the result is open when every column that its value is computed from is open. What cannot be
followed is never open: SQL that cannot be parsed, a clause that is not known, an unknown function, a table or a column
of unknown origin, a pivot, a column that each engine names differently.

Filters, groups, joins and the order of rows choose rows and show no value, so they are not followed. A count is a
number of rows and always open.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import sqlglot
from sqlglot import exp

from mbp.core.sql_guard import HARMFUL, HARMLESS
from mbp.quality.read_sets import (
    NOTHING,
    Follower,
    NotFollowedError,
    Raw,
    Reads,
    Relations,
    column_value,
    qualified,
    unfollowed,
)


class Trust(IntEnum):
    """Whether a value may be shown. Of several, the largest counts."""

    OPEN = 0
    CLASSIFIED = 1
    UNKNOWN = 2


@dataclass(frozen=True)
class KnownColumns:
    """The columns of a table or query.

    Attributes:
        columns: (name in lower case, trust) in order; the name is '' where the engine makes one up.
        known: False when columns may be missing here or be in another order.
    """

    columns: tuple[tuple[str, Trust], ...] = ()
    known: bool = True


UNKNOWN = KnownColumns(known=False)


def trust_of(relation: KnownColumns, columns: Sequence[str]) -> list[Trust]:
    """The trust of each of the `columns` that the engine returned; they must be those of `relation`."""
    fits = (
        relation.known
        and len(relation.columns) == len(columns)
        and all(
            name in ("", column.lower())
            for (name, _), column in zip(relation.columns, columns, strict=True)
        )
    )
    return [trust for _, trust in relation.columns] if fits else [Trust.UNKNOWN for _ in columns]


# Trust of the columns of a table that the query reads; None for an unknown table.
Tables = Callable[[exp.Table], KnownColumns | None]
Scopes = tuple[Mapping[str, Reads], ...]

# What a value shows, in place of raw columns.
MARKS: Mapping[Trust, Raw] = {
    Trust.OPEN: NOTHING,
    **{trust: frozenset({trust.name}) for trust in (Trust.CLASSIFIED, Trust.UNKNOWN)},
}
# Functions of their arguments alone, which the parser has no type for.
OF_ARGUMENTS = HARMLESS | {"now"}
# Clauses whose meaning is known; with any other the query is not followed.
CLAUSES: Mapping[type[exp.Expr], str] = {
    exp.Select: "with_ expressions from_ joins where group having qualify windows order limit offset"
    " distinct sample hint",
    exp.SetOperation: "with_ this expression distinct order limit offset",
    exp.Table: "this db catalog alias sample only",
    exp.Subquery: "with_ this alias sample order limit offset",
    exp.Star: "except_ replace rename",
}
REFUSED = (
    exp.Aliases,
    exp.Columns,
    exp.PositionalColumn,
    exp.Placeholder,
    exp.Parameter,
    exp.Command,
    exp.Pivot,
)
# Sources whose every column is computed from what is in them.
LISTS = (exp.GenerateSeries, exp.ExplodingGenerateSeries, exp.Unnest, exp.Values)
# What has no parts, and shows nothing of a row.
CONSTANTS = (exp.Literal, exp.Null, exp.Boolean, exp.DataType, exp.Var, exp.Func, exp.Identifier)
# The catalog is left out of names here: each table gets its name.
SCHEMA = "read"


def follow(sql: str, dialect: str, tables: Tables) -> KnownColumns:
    """The columns of the query's result.

    Args:
        sql: one query.
        dialect: duckdb or postgres.
        tables: what is known of the tables that it reads.
    """
    with unfollowed():
        tree: Any = sqlglot.parse_one(sql, read=dialect)
        _demand_plain(tree)
        names = [_own_name(part) for part in _outputs(tree)]
        relations = _named(tree, tables)
        reads = _Shown(relations).query(qualified(tree, dialect, relations), {}, ())
        trusts = [_trust(shown) for shown in reads.columns.values()]
        if None in names:  # a star: its columns have their names
            return KnownColumns(tuple(zip(reads.columns, trusts, strict=True)))
        return KnownColumns(tuple(zip(map(str, names), trusts, strict=True)))
    return UNKNOWN


def _trust(shown: Raw) -> Trust:
    return max((trust for trust in Trust if trust.name in shown), default=Trust.OPEN)


def _demand_plain(tree: Any) -> None:
    """Refuses what is not followed.

    Raises:
        NotFollowedError: it is there.
    """
    for node in tree.walk():
        known = next((words for kind, words in CLAUSES.items() if isinstance(node, kind)), None)
        other = known and any(
            value and name not in known.split() for name, value in node.args.items()
        )
        if other or isinstance(node, REFUSED) or _nameless(node) or _several(node):
            raise NotFollowedError
        if isinstance(node, exp.Join) and (
            node.method.upper() not in ("", "ASOF") or node.kind.upper() in ("SEMI", "ANTI")
        ):
            raise NotFollowedError


def _is_source(node: exp.Expr) -> bool:
    around = node.parent
    is_listed = isinstance(around, exp.From | exp.Join | exp.Lateral) and around.this is node
    return is_listed or isinstance(node, exp.CTE)


def _nameless(node: exp.Expr) -> bool:
    """A source with a column that each engine names differently, so that one further out may be taken for it."""
    if not _is_source(node) or _column_names(node):
        return False
    if isinstance(node, exp.CTE | exp.Subquery):
        return "" in map(_own_name, _outputs(node.this))
    is_list = isinstance(node, LISTS) or isinstance(node.this, exp.Func)
    return is_list and not isinstance(node.parent, exp.Lateral)


def _several(node: exp.Expr) -> bool:
    """What may be several columns of a result."""
    if isinstance(node, exp.Explode):
        # The elements of a series are numbers or instants; those of another list may be structs.
        return not isinstance(node.this, LISTS)
    if isinstance(node, exp.Star):
        # DuckDB may turn a star inside of an expression into one expression per column.
        around = node.parent.parent if isinstance(node.parent, exp.Column) else node.parent
        return not isinstance(around, exp.Count | exp.Select)
    return isinstance(node, exp.UDTF) and not _is_source(node)


def _column_names(node: exp.Expr) -> bool:
    alias = node.args.get("alias")
    return bool(alias is not None and alias.args.get("columns"))


def _outputs(node: exp.Expr) -> Iterator[exp.Expr]:
    """What a query selects; of a union, its first part."""
    while isinstance(node, exp.Subquery | exp.SetOperation):
        node = node.this
    yield from node.expressions if isinstance(node, exp.Select) else ()


def _own_name(part: exp.Expr) -> str | None:
    """The name that a column has on every engine; empty when it has none, None for a star."""
    if part.is_star:
        return None
    return part.alias_or_name.lower() if isinstance(part, exp.Alias | exp.Column) else ""


def _named(tree: Any, tables: Tables) -> Relations:
    """Gives each table that is read its name, and what is known of it under that name.

    Raises:
        NotFollowedError: a table is not known.
    """
    relations: dict[tuple[str, str], Reads] = {}
    for number, table in enumerate(list(tree.find_all(exp.Table))):
        if isinstance(table.this, exp.Func) or not table.args.get("db"):
            continue
        columns, name = tables(table), f"table_{number}"
        if columns is None or not columns.known:
            raise NotFollowedError
        if not table.alias:
            table.set("alias", exp.TableAlias(this=table.this.copy()))
        for part, word in (("catalog", None), ("db", SCHEMA), ("this", name)):
            table.set(part, exp.to_identifier(word) if word else None)
        shown = {column: MARKS[trust] for column, trust in columns.columns}
        if len(shown) != len(columns.columns):
            raise NotFollowedError
        relations[SCHEMA, name] = Reads(shown, NOTHING)
    return relations


class _Shown(Follower):
    """What the values of a query show."""

    def selected(
        self,
        node: exp.Select,
        sources: Mapping[str, Reads],
        ctes: Mapping[str, Reads],
        around: Scopes,
    ) -> Reads:
        columns: dict[str, Raw] = {}
        for expression in node.expressions:
            name = expression.alias_or_name.lower()
            if name in columns:
                raise NotFollowedError  # which of the two is meant further out is not known
            columns[name] = self.value(expression.unalias(), ctes, (sources, *around))
        return Reads(columns, NOTHING)

    def value(self, node: exp.Expression | None, ctes: Mapping[str, Reads], scopes: Scopes) -> Raw:
        if node is None or isinstance(node, exp.Count | exp.CountIf):
            return NOTHING
        if isinstance(node, exp.Is) and isinstance(node.expression, exp.Null):
            return NOTHING
        if isinstance(node, exp.Filter | exp.Window):
            return self.value(node.this, ctes, scopes)
        if isinstance(node, exp.Query):
            return self.query(node, ctes, scopes).whole
        if isinstance(node, exp.Column):
            return column_value(node, scopes)
        if isinstance(node, exp.TableColumn):  # a whole row
            rows = (
                sources[node.name.lower()] for sources in scopes if node.name.lower() in sources
            )
            return next((row.whole for row in rows), MARKS[Trust.UNKNOWN])
        parts = list(node.iter_expressions())
        opaque = isinstance(node, exp.UDTF) and not isinstance(node, (*LISTS, exp.Explode))
        if opaque or _unknown_function(node) or not (parts or isinstance(node, CONSTANTS)):
            return MARKS[Trust.UNKNOWN]
        return NOTHING.union(*(self.value(part, ctes, scopes) for part in parts))


def _unknown_function(node: exp.Expression) -> bool:
    """An unknown function, or one that reads more than its arguments."""
    if isinstance(node, exp.Anonymous | exp.AnonymousAggFunc | exp.CombinedAggFunc):
        return str(node.name).lower() not in OF_ARGUMENTS
    if isinstance(node, exp.Dot):
        return isinstance(node.expression, exp.Func)
    return isinstance(node, exp.Func) and type(node).__name__ in HARMFUL
