"""What the rows and the columns of a query follow from, down to the raw columns of the change logs.

sqlglot qualifies the compiled SQL: each column with its table, each star with its columns. Then a column of the
result follows from the columns in its expression, and the rows from those in joins, filters and groups. What cannot
be followed follows from everything that its node comes after.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.qualify import qualify

from mbp.quality.compiled_tests import SEED_PREFIX, upstream_closure

Raw = frozenset[str]
NOTHING: Raw = frozenset()
# The place of a change in its log decides which is the newest; what comes after it in an order only names it again.
POSITION = ".__source_lsn"


@dataclass(frozen=True)
class Reads:
    """What a relation follows from.

    A raw column is `shop.orders.amount`; that a raw table has rows at all is `shop.orders`.

    Attributes:
        columns: of the relation -> raw columns.
        rows: raw columns that decide which rows there are.
        parts: (column, text) -> the rows that have this constant there; of a union, each has its own.
    """

    columns: Mapping[str, Raw]
    rows: Raw
    parts: Mapping[tuple[str, str], Reads] = field(default_factory=dict)

    @property
    def whole(self) -> Raw:
        """Everything that anything in it follows from."""
        return self.rows.union(*self.columns.values())


class NotFollowedError(Exception):
    """A name of unknown origin, or a kind of clause that is not known."""


Relations = Mapping[tuple[str, str], Reads]


def read_sets(
    manifest: Mapping[str, Any], *, leaf: str | None = None
) -> tuple[dict[str, Reads], Relations]:
    """Unique id of each model, seed and test -> what it follows from; and (schema, name) of each relation likewise.

    Args:
        manifest: compiled, over the sample or over loaded data.
        leaf: a model that counts as raw: its column `amount` is `orders.amount` in what follows from it.
    """
    nodes: Mapping[str, Mapping[str, Any]] = manifest["nodes"]
    dialect = str((manifest.get("metadata") or {}).get("adapter_type") or "duckdb")
    results: dict[str, Reads] = {}
    relations: dict[tuple[str, str], Reads] = {}
    for source in manifest.get("sources", {}).values():
        family = str(source["schema"]).lower().removeprefix(SEED_PREFIX)
        reads = _raw(f"{family}.{source['identifier']}", source["columns"])
        relations[str(source["schema"]).lower(), str(source["identifier"]).lower()] = reads
    for unique_id in upstream_closure(nodes):
        node, kind = nodes[unique_id], unique_id.partition(".")[0]
        if kind == "seed":
            reads = _seed(node)
        elif kind in ("model", "test", "snapshot"):
            reads = _node(node, dialect, relations, results)
        else:
            continue
        if unique_id == leaf:
            reads = _raw(str(node["name"]), reads.columns)
        results[unique_id] = reads
        if kind != "test":
            name = str(node.get("alias") or node["name"])
            relations[str(node["schema"]).lower(), name.lower()] = reads
    return results, relations


def _seed(node: Mapping[str, Any]) -> Reads:
    names = node["config"].get("column_types") or {}
    if not str(node["name"]).startswith(SEED_PREFIX):
        return Reads({name.lower(): NOTHING for name in names}, NOTHING)
    return _raw(str(node["name"]).removeprefix(SEED_PREFIX).replace("__", ".", 1), names)


def _raw(table: str, names: Iterable[str]) -> Reads:
    columns = {name.lower(): frozenset({f"{table}.{name}"}) for name in names}
    return Reads(columns, frozenset({table}))


def _node(
    node: Mapping[str, Any],
    dialect: str,
    relations: Relations,
    results: Mapping[str, Reads],
) -> Reads:
    code = node.get("compiled_code")
    if code and node.get("language", "sql") == "sql":
        reads = followed(str(code), dialect, relations)
        if reads is not None:
            return reads
    parents = node["depends_on"].get("nodes", [])
    everything = NOTHING.union(*(results[parent].whole for parent in parents if parent in results))
    return Reads({name.lower(): everything for name in node.get("columns") or {}}, everything)


@contextmanager
def unfollowed() -> Iterator[None]:
    """Ends quietly where a query cannot be followed."""
    log = logging.getLogger("sqlglot")
    level = log.level
    try:
        log.setLevel(logging.CRITICAL)
        yield
    except (SqlglotError, NotFollowedError, RecursionError):
        pass
    finally:
        log.setLevel(level)


def followed(sql: str, dialect: str, relations: Relations) -> Reads | None:
    """What the result of a query follows from; None when it is unknown.

    Args:
        relations: (schema, name), both in lower case.
    """
    with unfollowed():
        tree: Any = sqlglot.parse_one(sql.strip().rstrip(";"), read=dialect)
        for table in tree.find_all(exp.Table):
            table.set("catalog", None)
        return Follower(relations).query(qualified(tree, dialect, relations), {}, ())
    return None


def qualified(tree: Any, dialect: str, relations: Relations) -> Any:
    """The query with a table for each column, and the columns of each star."""
    schema: dict[str, Any] = {}
    for (place, name), reads in relations.items():
        schema.setdefault(place, {})[name] = dict.fromkeys(reads.columns, "varchar")
    return qualify(
        tree,
        dialect=dialect,
        schema=schema,
        validate_qualify_columns=False,
        identify=False,
    )


class Follower:
    """Walks the queries in a query; what is asked of an expression is `value`, of a select `selected`."""

    def __init__(self, relations: Relations) -> None:
        self._relations = relations

    def query(
        self,
        node: exp.Expression,
        ctes: Mapping[str, Reads],
        around: tuple[Mapping[str, Reads], ...],
    ) -> Reads:
        """Of a query in which `ctes` are known; `around` has the sources of the queries around it."""
        clause = node.args.get("with_") or node.args.get("with")
        if clause is not None:
            known = dict(ctes)
            for cte in clause.expressions:
                names = [column.name.lower() for column in cte.args["alias"].columns]
                name, body = cte.alias.lower(), cte.this
                if clause.args.get("recursive") and isinstance(body, exp.SetOperation):
                    # Each step may hand a value on to another column.
                    reads = _renamed(self.query(body.this, known, around), names)
                    for _ in reads.columns:
                        known[name] = reads
                        reads = _renamed(self.query(body, known, around), names)
                known[name] = _renamed(self.query(body, known, around), names)
            ctes = known
        if isinstance(node, exp.Subquery):
            return self.query(node.this, ctes, around)
        if isinstance(node, exp.SetOperation):
            first = self.query(node.this, ctes, around)
            second = self.query(node.expression, ctes, around)
            united = _united(first, second)
            # Without `all` equal rows count once, and `except` compares them.
            plain = isinstance(node, exp.Union) and not node.args.get("distinct")
            return united if plain else Reads(united.columns, united.whole)
        if isinstance(node, exp.Select):
            return self._select(node, ctes, around)
        raise NotFollowedError

    def _select(
        self, node: exp.Select, ctes: Mapping[str, Reads], around: tuple[Mapping[str, Reads], ...]
    ) -> Reads:
        sources: dict[str, Reads] = {}
        clause = node.args.get("from_") or node.args.get("from")
        joins = node.args.get("joins") or []
        for source in [*([clause.this] if clause else []), *(join.this for join in joins)]:
            name, reads = self._source(source, ctes, (sources, *around))
            sources[name] = reads
        whole = self.selected(node, sources, ctes, around)
        parts = {
            (expression.alias_or_name.lower(), str(value.this)): whole
            for expression in node.expressions
            if isinstance(value := expression.unalias(), exp.Literal) and value.is_string
        }
        for expression in node.expressions:
            value = expression.unalias()
            if not isinstance(value, exp.Column) or value.table.lower() not in sources:
                continue
            table = value.table.lower()
            for (column, text), part in sources[table].parts.items():
                if column == value.name.lower():
                    key = (expression.alias_or_name.lower(), text)
                    parts[key] = self.selected(node, {**sources, table: part}, ctes, around)
        return replace(whole, parts=parts)

    def selected(
        self,
        node: exp.Select,
        sources: Mapping[str, Reads],
        ctes: Mapping[str, Reads],
        around: tuple[Mapping[str, Reads], ...],
    ) -> Reads:
        """A select whose sources are known."""
        scopes = (sources, *around)
        rows = NOTHING.union(*(reads.rows for reads in sources.values()))
        for join in node.args.get("joins") or []:
            if join.args.get("using"):
                raise NotFollowedError  # qualified away, unless a source is unknown
            rows |= self.value(join.args.get("on"), ctes, scopes)
        columns: dict[str, Raw] = {}
        for expression in node.expressions:
            stars = expression.find_all(exp.Star)
            if any(not isinstance(star.parent, exp.Count) for star in stars):
                raise NotFollowedError  # one that was not expanded
            columns[expression.alias_or_name.lower()] = self.value(expression, ctes, scopes)
        outputs = ({"": Reads(columns, NOTHING)}, *scopes)
        for name in ("where", "group", "having", "qualify", "limit", "offset"):
            rows |= self.value(node.args.get(name), ctes, outputs)
        for expression in node.expressions:
            if _aggregates(expression):  # a number of rows, or of what is in them
                columns[expression.alias_or_name.lower()] |= rows
        if node.args.get("limit"):
            rows |= self.value(node.args.get("order"), ctes, outputs)
        if node.args.get("distinct"):
            rows = rows.union(*columns.values())
        return Reads(columns, rows)

    def _source(
        self,
        node: exp.Expression,
        ctes: Mapping[str, Reads],
        scopes: tuple[Mapping[str, Reads], ...],
    ) -> tuple[str, Reads]:
        name = node.alias_or_name.lower()
        alias = node.args.get("alias")
        names = [column.name.lower() for column in alias.columns] if alias is not None else []
        if isinstance(node, exp.Table) and not isinstance(node.this, exp.Func):
            place = (node.db.lower(), node.name.lower())
            reads = self._relations.get(place) if node.db else ctes.get(node.name.lower())
            if reads is None:
                raise NotFollowedError
            return name, _renamed(reads, names)
        if isinstance(node, exp.Lateral):
            inner = node.this
            return name, _renamed(self.query(inner, ctes, scopes), names)
        if isinstance(node, exp.Subquery):
            return name, _renamed(self.query(node, ctes, scopes), names)
        # A function or a list that makes rows follows from its arguments alone.
        reads_of = self.value(node.this if isinstance(node, exp.Table) else node, ctes, scopes)
        return name, Reads(dict.fromkeys(names or [name], reads_of), reads_of)

    def value(
        self,
        node: exp.Expression | None,
        ctes: Mapping[str, Reads],
        scopes: tuple[Mapping[str, Reads], ...],
    ) -> Raw:
        """What an expression, or a clause of them, follows from."""
        if node is None:
            return NOTHING
        if isinstance(node, exp.Query):
            return self.query(node, ctes, scopes).whole
        if isinstance(node, exp.Column):
            return column_value(node, scopes)
        parts: Iterable[exp.Expression] = node.iter_expressions()
        if isinstance(node, exp.Order) and node.expressions:
            first = self.value(node.expressions[0], ctes, scopes)
            if first and all(column.endswith(POSITION) for column in first):
                return first
        return reduce(lambda raw, part: raw | self.value(part, ctes, scopes), parts, NOTHING)


def _aggregates(expression: exp.Expression) -> bool:
    return any(
        aggregate.find_ancestor(exp.Query) is expression.find_ancestor(exp.Query)
        for aggregate in expression.find_all(exp.AggFunc)
    )


def column_value(node: exp.Column, scopes: tuple[Mapping[str, Reads], ...]) -> Raw:
    """What a column follows from; the innermost query that has it is meant."""
    name, table = node.name.lower(), node.table.lower()
    for sources in scopes:
        if table:
            if table in sources:
                reads = sources[table]
                if name not in reads.columns:
                    raise NotFollowedError
                return reads.columns[name]
            continue
        meanings = [reads.columns[name] for reads in sources.values() if name in reads.columns]
        if meanings:
            return NOTHING.union(*meanings)
    raise NotFollowedError


def _united(first: Reads, second: Reads) -> Reads:
    """By position; the names are those of the first."""
    if len(first.columns) != len(second.columns):
        raise NotFollowedError
    names = list(first.columns)
    second = _renamed(second, names)
    columns = {name: first.columns[name] | second.columns[name] for name in names}
    parts = {**first.parts, **second.parts}
    for key in first.parts.keys() & second.parts.keys():
        parts[key] = _united(replace(first.parts[key], parts={}), second.parts[key])
    return Reads(columns, first.rows | second.rows, parts)


def _renamed(reads: Reads, names: list[str]) -> Reads:
    if not names:
        return reads
    own = list(reads.columns)
    new = dict(zip(own, [*names, *own[len(names) :]], strict=True))
    return Reads(
        {new[name]: raw for name, raw in reads.columns.items()},
        reads.rows,
        {
            (new[column], text): _renamed(replace(part, parts={}), names)
            for (column, text), part in reads.parts.items()
        },
    )
