"""Column lineage of one query: may each column of its result be shown?

The query is parsed and followed from its tables to its output columns. A column of the result is open when every
column that its value is computed from is open. What cannot be followed is never open: SQL that cannot be parsed, a
unknown function, a table or a column of unknown origin, a pivot, a star whose columns are not certain.

Filters, groups, joins and the order of rows choose rows and show no value, so they are not followed. A count is a
number of rows and always open.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from mbp.core.sql_guard import HARMFUL, HARMLESS
from mbp.quality.known_columns import UNKNOWN, KnownColumns, Trust, worst

# Trust of the columns of a table that the query reads; None for an unknown table.
Tables = Callable[[exp.Table], KnownColumns | None]
Ctes = Mapping[str, KnownColumns]

# Functions of their arguments alone, which the parser has no type for.
OF_ARGUMENTS = HARMLESS | {"make_timestamptz", "now"}
# Clauses that leave the columns of a select alone; any other makes its columns unknown.
SELECT_CLAUSES = frozenset(
    [
        "with_",
        "expressions",
        "from_",
        "joins",
        "where",
        "group",
        "having",
        "qualify",
        "windows",
        "order",
        "limit",
        "offset",
        "distinct",
        "sample",
        "hint",
    ]
)
SET_CLAUSES = frozenset(["with_", "this", "expression", "distinct", "order", "limit", "offset"])
TABLE_CLAUSES = frozenset(["this", "db", "catalog", "alias", "sample", "only"])
SUBQUERY_CLAUSES = frozenset(["with_", "this", "alias", "sample", "order", "limit", "offset"])
STAR_CLAUSES = frozenset(["except_", "replace", "rename"])
SERIES = (exp.GenerateSeries, exp.ExplodingGenerateSeries, exp.Unnest)
# One of these in a select list yields several columns, or for columns that are named elsewhere.
SEVERAL = (exp.UDTF, exp.Explode, exp.Columns)
OPAQUE = (
    exp.Columns,
    exp.PositionalColumn,
    exp.Placeholder,
    exp.Parameter,
    exp.Table,
    exp.Command,
    exp.Pivot,
)


@dataclass
class _Scope:
    """What names mean inside of one select."""

    ctes: Ctes
    outer: _Scope | None
    sources: list[tuple[str, KnownColumns]] = field(default_factory=list)
    aliases: dict[str, Trust] = field(default_factory=dict)
    # `using` and `natural` merge columns, each engine in its own order.
    merged: bool = False

    def named(self, name: str) -> list[KnownColumns]:
        """The sources of that name, of this select or else of the nearest one around it."""
        mine = [relation for alias, relation in self.sources if alias == name]
        if mine or self.outer is None:
            return mine
        return self.outer.named(name)

    def own(self, name: str) -> Trust | None:
        """A column of the sources, or a source as a whole row; None when there is neither."""
        columns = [relation.column(name) for _, relation in self.sources]
        certain = [trust for trust in columns if trust is not None]
        if certain:
            return max(certain)
        rows = [relation.row for alias, relation in self.sources if alias == name]
        return max(rows) if rows else None

    def resolve(self, name: str) -> Trust:
        """An unqualified name. Outside of this select every possible meaning counts."""
        mine = self.own(name)
        if mine is not None:
            return mine
        meanings = [self.aliases[name]] if name in self.aliases else []
        around = self.outer
        while around is not None:
            meaning = around.own(name)
            if meaning is not None:
                meanings.append(meaning)
            around = around.outer
        return max(meanings, default=Trust.UNKNOWN)


def follow(sql: str, dialect: str, tables: Tables) -> KnownColumns:
    """The columns of the query's result.

    Args:
        sql: one query.
        dialect: duckdb or postgres.
        tables: what is known of the tables that it reads.
    """
    log = logging.getLogger("sqlglot")
    level = log.level
    try:
        log.setLevel(logging.CRITICAL)
        tree = sqlglot.parse_one(sql, read=dialect)
        return _Follower(tables).query(tree, {}, None)
    except (SqlglotError, RecursionError):
        return UNKNOWN
    finally:
        log.setLevel(level)


def _other_clauses(node: exp.Expr, allowed: frozenset[str]) -> bool:
    return any(value and name not in allowed for name, value in node.args.items())


def _alias(node: exp.Expr) -> tuple[str, list[str]]:
    """The name of a source and the list of its column aliases."""
    alias = node.args.get("alias")
    if not isinstance(alias, exp.TableAlias):
        return "", []
    return alias.name.lower(), [column.name.lower() for column in alias.columns]


class _Follower:
    """Walks the queries in a query."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def query(self, node: exp.Expr | None, ctes: Ctes, outer: _Scope | None) -> KnownColumns:
        """The columns of a query, in which `ctes` are known and `outer` is around it."""
        if node is None:
            return UNKNOWN
        ctes = self._with(node, ctes, outer)
        if isinstance(node, exp.Select):
            return self._select(node, ctes, outer)
        if isinstance(node, exp.SetOperation):
            return self._union(node, ctes, outer)
        if isinstance(node, exp.Values):
            return self._values(node, _Scope(ctes, outer))
        if isinstance(node, exp.Subquery) and not _other_clauses(node, SUBQUERY_CLAUSES):
            return self.query(node.this, ctes, outer)
        return UNKNOWN

    def _with(self, node: exp.Expr, ctes: Ctes, outer: _Scope | None) -> Ctes:
        clause = node.args.get("with_")
        if clause is None:
            return ctes
        known = dict(ctes)
        for cte in clause.expressions:
            name, columns = _alias(cte)
            body = cte.this
            if not clause.args.get("recursive"):
                known[name] = self.query(body, known, outer).renamed(columns)
                continue
            # A table of that name is not meant inside; what it yields is found by trying until nothing changes.
            first = body.this if isinstance(body, exp.SetOperation) else None
            known_columns = self.query(first, {**known, name: UNKNOWN}, outer).renamed(columns)
            for _ in range(len(known_columns.columns) + 2):
                before = known_columns
                known_columns = self.query(body, {**known, name: before}, outer).renamed(columns)
                if known_columns == before:
                    break
            else:
                known_columns = UNKNOWN
            known[name] = known_columns
        return known

    def _union(self, node: exp.SetOperation, ctes: Ctes, outer: _Scope | None) -> KnownColumns:
        first = self.query(node.this, ctes, outer)
        second = self.query(node.expression, ctes, outer)
        fits = first.known and second.known and len(first.columns) == len(second.columns)
        if not fits or _other_clauses(node, SET_CLAUSES):
            return UNKNOWN
        # By position; the names are those of the first part.
        return KnownColumns(
            tuple(
                (name, max(trust, other))
                for (name, trust), (_, other) in zip(first.columns, second.columns, strict=True)
            )
        )

    def _values(self, node: exp.Values, scope: _Scope) -> KnownColumns:
        rows = [
            row.expressions if isinstance(row, exp.Tuple) else [row] for row in node.expressions
        ]
        if not rows or len({len(row) for row in rows}) != 1:
            return UNKNOWN
        return KnownColumns(
            tuple(
                ("", worst(self.value(cell, scope) for cell in column))
                for column in zip(*rows, strict=True)
            )
        )

    def _select(self, node: exp.Select, ctes: Ctes, outer: _Scope | None) -> KnownColumns:
        scope = _Scope(ctes, outer)
        joins = node.args.get("joins") or []
        clause = node.args.get("from_")
        for source in [clause.this] if clause else []:
            scope.sources.append(self._source(source, scope))
        for join in joins:
            source = self._source(join.this, scope)
            method = str(join.args.get("method") or "").upper()
            scope.merged |= bool(join.args.get("using")) or method not in ("", "ASOF")
            if str(join.args.get("kind") or "").upper() not in ("SEMI", "ANTI"):
                scope.sources.append(source)
        if _other_clauses(node, SELECT_CLAUSES):
            return UNKNOWN
        columns: list[tuple[str, Trust]] = []
        for expression in node.expressions:
            if expression.is_star and isinstance(expression, exp.Star | exp.Column):
                stars = self._star(expression, scope)
                if stars is None:
                    return UNKNOWN
                columns += stars
                continue
            value = expression.unalias()
            if isinstance(expression, exp.Aliases) or _several(value):
                return UNKNOWN
            # Only these carry their name on every engine.
            name = (
                expression.alias_or_name.lower()
                if isinstance(expression, exp.Alias | exp.Column)
                else ""
            )
            trust = self.value(value, scope)
            columns.append((name, trust))
            if isinstance(expression, exp.Alias):
                scope.aliases[name] = max(trust, scope.aliases.get(name, Trust.OPEN))
        return KnownColumns(tuple(columns))

    def _source(self, node: exp.Expr, scope: _Scope) -> tuple[str, KnownColumns]:
        name, columns = _alias(node)
        if isinstance(node, exp.Table):
            name = name or node.name.lower()
            if _other_clauses(node, TABLE_CLAUSES):
                return name, UNKNOWN
            if isinstance(node.this, exp.Func):
                return name, self._series(node.this, columns, scope)
            in_query = not node.args.get("db") and node.name.lower() in scope.ctes
            table = scope.ctes[node.name.lower()] if in_query else self._tables(node)
            return name, (table or UNKNOWN).renamed(columns)
        if isinstance(node, exp.Lateral) and isinstance(node.this, exp.Subquery):
            return name, self.query(node.this, scope.ctes, scope).renamed(columns)
        if isinstance(node, exp.Subquery):
            return name, self.query(node, scope.ctes, scope).renamed(columns)
        if isinstance(node, exp.Values):
            return name, self._values(node, scope).renamed(columns)
        if isinstance(node, exp.Unnest):
            return name, self._series(node, columns, scope)
        return name, UNKNOWN

    def _series(self, node: exp.Expr, columns: Sequence[str], scope: _Scope) -> KnownColumns:
        """A function that makes rows; without column aliases each engine names the column differently."""
        if not isinstance(node, SERIES):
            return UNKNOWN
        trust = worst(
            self.value(part, scope)
            for part in node.iter_expressions()
            if not isinstance(part, exp.TableAlias)
        )
        return KnownColumns(tuple((name, trust) for name in columns or [""]))

    def _star(self, node: exp.Star | exp.Column, scope: _Scope) -> list[tuple[str, Trust]] | None:
        """The columns that a star in a select list expands to; None when they are not certain."""
        star = node.this if isinstance(node, exp.Column) else node
        if isinstance(node, exp.Column):
            sources = scope.named(node.table.lower())
            # A star over a column (a struct) or of a schema's table that has another name here.
            if len(sources) != 1:
                return None
        else:
            sources = [relation for _, relation in scope.sources]
            if scope.merged:
                return None
        if not sources or not all(source.known for source in sources):
            return None
        columns = [column for source in sources for column in source.columns]
        changed = {key: star.args.get(key) or [] for key in STAR_CLAUSES}
        if _other_clauses(star, STAR_CLAUSES) or (
            any(changed.values()) and not all(name for name, _ in columns)
        ):
            return None
        left_out = {part.name.lower() for part in changed["except_"]}
        values = {
            part.alias.lower(): self.value(part.unalias(), scope) for part in changed["replace"]
        }
        names = {part.this.name.lower(): part.alias.lower() for part in changed["rename"]}
        return [
            (names.get(name, name), values.get(name, trust))
            for name, trust in columns
            if name not in left_out
        ]

    def value(self, node: exp.Expr, scope: _Scope) -> Trust:
        """The trust of an expression's value."""
        if isinstance(node, exp.Count | exp.CountIf):
            return Trust.OPEN
        if isinstance(node, exp.Is) and isinstance(node.expression, exp.Null):
            return Trust.OPEN
        if isinstance(node, exp.Filter | exp.Window):
            return self.value(node.this, scope)
        if isinstance(node, exp.Query):
            return self.query(node, scope.ctes, scope).row
        if isinstance(node, exp.Column):
            return self._column(node, scope)
        if isinstance(node, exp.Star):
            return worst(relation.row for _, relation in scope.sources)
        if isinstance(node, OPAQUE) or _unknown_function(node):
            return Trust.UNKNOWN
        return worst(self.value(part, scope) for part in node.iter_expressions())

    def _column(self, node: exp.Column, scope: _Scope) -> Trust:
        *qualifiers, name = [part.name.lower() for part in node.parts]
        if isinstance(node.this, exp.Star):
            sources = scope.named(qualifiers[-1])
            return worst(source.row for source in sources) if sources else Trust.UNKNOWN
        if not qualifiers:
            return scope.resolve(name)
        sources = scope.named(qualifiers[-1])
        # A field of a struct, or of a row: `column.field`, `source.column.field`.
        whole = len(qualifiers) > 1 or not sources
        meanings = [source.column(name) for source in sources]
        # PostgreSQL also reads `source.name` as a function of the whole row.
        trusts = [Trust.UNKNOWN if meaning is None else meaning for meaning in meanings]
        if whole:
            first = scope.named(qualifiers[0])
            if first:
                trusts += [known_columns.row for known_columns in first]
            elif not sources:
                trusts.append(scope.resolve(qualifiers[0]))
        return max(trusts, default=Trust.UNKNOWN)


def _several(value: exp.Expr) -> bool:
    """Whether an expression of a select list may yield several columns."""
    for node in value.find_all(*SEVERAL):
        # The elements of a series are numbers or instants; those of another list may be structs.
        if not (isinstance(node, exp.Explode) and isinstance(node.this, SERIES)):
            return True
    # DuckDB may turn a star inside of an expression into one expression per column.
    for star in value.find_all(exp.Star):
        around = star.parent.parent if isinstance(star.parent, exp.Column) else star.parent
        if not isinstance(around, exp.Count | exp.Select):
            return True
    return False


def _unknown_function(node: exp.Expr) -> bool:
    """An unknown function, or one that reads more than its arguments."""
    if isinstance(node, exp.Anonymous | exp.AnonymousAggFunc | exp.CombinedAggFunc):
        return str(node.name).lower() not in OF_ARGUMENTS
    if isinstance(node, exp.Dot):
        return isinstance(node.expression, exp.Func)
    return isinstance(node, exp.Func) and type(node).__name__ in HARMFUL
