"""Who reads a column: models, rules, metrics and exposures, followed through compiled SQL column by column.

A query whose columns cannot be followed counts as a reader of everything before it, and all its columns as changed:
no reader is left out because the SQL was not understood.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import Scope, build_scope

# (schema, table, column), each in lower case.
Source = tuple[str, str, str]
Entry = Mapping[str, Any]
RELATIONS = ("model", "snapshot", "seed", "source")


@dataclass(frozen=True)
class Reads:
    """What a query reads.

    Attributes:
        columns: column of its result -> what the value is made of.
        rows: what decides which rows there are.
    """

    columns: Mapping[str, frozenset[Source]]
    rows: frozenset[Source]


class ColumnReaders:
    """The readers of columns in one manifest of dbt."""

    def __init__(self, manifest: Entry) -> None:
        self._dialect = str(manifest["metadata"].get("adapter_type") or "duckdb")
        groups = ("sources", "nodes", "semantic_models", "metrics", "exposures")
        self._nodes: dict[str, Entry] = {
            key: node for group in groups for key, node in (manifest.get(group) or {}).items()
        }
        parents = {
            key: [
                one for one in (node.get("depends_on") or {}).get("nodes", ()) if one in self._nodes
            ]
            for key, node in self._nodes.items()
        }
        self._parents = parents
        self._order = _ordered(parents)
        self._reads: dict[str, Reads | None] = {}
        self._columns: dict[str, list[str]] = {}

    def readers(self, dataset: str, columns: frozenset[str] | None) -> list[str]:
        """`metric traded_volume` and the like of all that reads one of the columns, sorted.

        Args:
            columns: of the dataset; None means all of it.
        """
        start = next(
            (key for key in self._order if key.startswith("model.") and self._name(key) == dataset),
            None,
        )
        if start is None:
            return []
        # None: everything of it may be changed.
        changed: dict[str, frozenset[str] | None] = {start: columns}
        for key in self._order:
            before = {parent: changed[parent] for parent in self._parents[key] if parent in changed}
            if before and key != start:
                after = self._changed(key, before, changed)
                if after is None or after:
                    changed[key] = after
        return sorted({self._shown(key) for key in changed if key != start} - {""})

    def _shown(self, key: str) -> str:
        node, kind = self._nodes[key], key.partition(".")[0]
        if kind == "test":
            meta = (node.get("config") or {}).get("meta") or node.get("meta") or {}
            return f"rule {meta.get('rule_id') or node['name']}"
        return f"{kind} {node['name']}" if kind in ("model", "metric", "exposure") else ""

    def _name(self, key: str) -> str:
        return str(self._nodes[key].get("name"))

    def _changed(
        self,
        key: str,
        before: Mapping[str, frozenset[str] | None],
        changed: Mapping[str, frozenset[str] | None],
    ) -> frozenset[str] | None:
        """The columns (of a semantic model: the measures) that a change before it reaches; empty for none.

        Args:
            before: what changed of its parents.
            changed: of all: dbt writes an ephemeral parent into the query, which then reads what that one reads.
        """
        node, kind = self._nodes[key], key.partition(".")[0]
        if kind == "semantic_model":
            return _measures(node, before)
        if kind == "metric":
            return _metric(node, before)
        if kind == "exposure":
            return None
        reads = self._read(key)
        if reads is None or None in before.values():
            return None
        sources = {
            (*self._relation(parent), column)
            for parent, columns in changed.items()
            for column in columns or ()
        }
        if reads.rows & sources:
            return None
        # A test shows whole rows: it reads what decides which.
        shown = {} if kind == "test" and reads.rows else reads.columns
        return frozenset(name for name, made_of in shown.items() if made_of & sources)

    def _relation(self, key: str) -> tuple[str, str]:
        node = self._nodes[key]
        name = node.get("alias") or node.get("identifier") or node.get("name")
        return str(node.get("schema")).lower(), str(name).lower()

    def _read(self, key: str) -> Reads | None:
        if key not in self._reads:
            self._reads[key] = None  # a query that reads itself adds nothing
            code = self._nodes[key].get("compiled_code")
            if code:
                parents = [*self._parents[key], key]
                schema: dict[str, dict[str, dict[str, str]]] = {}
                for parent in parents:
                    if parent.partition(".")[0] in RELATIONS and self._columns_of(parent):
                        group, name = self._relation(parent)
                        columns = dict.fromkeys(self._columns_of(parent), "text")
                        schema.setdefault(group, {})[name] = columns
                self._reads[key] = reads_of(str(code), self._dialect, schema)
        return self._reads[key]

    def _columns_of(self, key: str) -> list[str]:
        """Those that its query yields; of what has none, those that the project declares."""
        if key not in self._columns:
            node = self._nodes[key]
            self._columns[key] = [
                *(name.lower() for name in node.get("columns") or {}),
                *((node.get("config") or {}).get("column_types") or {}),
            ]
            reads = self._read(key) if node.get("compiled_code") else None
            if reads is not None:
                self._columns[key] = list(reads.columns)
        return self._columns[key]


def _ordered(parents: Mapping[str, list[str]]) -> list[str]:
    try:
        return list(TopologicalSorter(parents).static_order())
    except CycleError:
        return list(parents)


def _mentions(text: str | None, names: frozenset[str], dialect: str = "duckdb") -> bool:
    """An expression of a measure or a filter names one of the columns; one that cannot be read does."""
    try:
        tree = sqlglot.parse_one(str(text), read=dialect)
    except SqlglotError:
        return True
    return any(column.name.lower() in names for column in tree.find_all(exp.Column))


def _measures(node: Entry, before: Mapping[str, frozenset[str] | None]) -> frozenset[str] | None:
    """The measures and dimensions of a semantic model that are made of the columns."""
    if None in before.values():
        return None
    names = frozenset[str]().union(*(columns or () for columns in before.values()))
    dimensions = {
        str(one["name"])
        for one in (*node.get("dimensions", ()), *node.get("entities", ()))
        if _mentions(one.get("expr") or one["name"], names)
    }
    default = (node.get("defaults") or {}).get("agg_time_dimension")
    measures = {
        str(one["name"])
        for one in node.get("measures", ())
        if _mentions(str(one.get("expr") or one["name"]), names)
        or (one.get("agg_time_dimension") or default) in dimensions
    }
    return frozenset(dimensions | measures)


def _metric(node: Entry, before: Mapping[str, frozenset[str] | None]) -> frozenset[str] | None:
    """Not empty when the metric is made of a changed measure, or filters by a changed dimension."""
    if None in before.values():
        return None
    names = frozenset[str]().union(*(columns or () for columns in before.values()))
    parameters = node.get("type_params") or {}
    inputs = {str(one["name"]) for one in parameters.get("input_measures") or ()}
    inputs |= {str(one["name"]) for one in parameters.get("metrics") or ()}
    filters = str(node.get("filter") or "") + str(parameters.get("input_measures") or "")
    used = inputs & names or any(f"__{name}" in filters for name in names)
    return frozenset({str(node["name"])}) if used else frozenset()


def reads_of(
    sql: str, dialect: str, schema: Mapping[str, Mapping[str, Mapping[str, str]]]
) -> Reads | None:
    """What a query reads, column by column; None where it cannot be followed.

    Args:
        schema: schema -> table -> column -> type, of the tables that it reads.
    """
    log = logging.getLogger("sqlglot")
    level = log.level
    try:
        log.setLevel(logging.CRITICAL)
        tree = sqlglot.parse_one(sql, read=dialect)
        for table in tree.find_all(exp.Table):
            table.set("catalog", None)
        tree = qualify(
            tree,
            dialect=dialect,
            schema={group: dict(tables) for group, tables in schema.items()},
            validate_qualify_columns=False,
            identify=False,
            quote_identifiers=False,
        )
        root = build_scope(tree)
        return None if root is None else _Scopes().reads(root)
    except (SqlglotError, RecursionError, KeyError, AttributeError):
        return None
    finally:
        log.setLevel(level)


class _Scopes:
    """The reads of the queries in one query."""

    def __init__(self) -> None:
        self._known: dict[int, Reads | None] = {}

    def reads(self, scope: Scope) -> Reads | None:
        if id(scope) not in self._known:
            self._known[id(scope)] = None
            if isinstance(scope.expression, exp.SetOperation):
                self._known[id(scope)] = self._union(scope)
            elif isinstance(scope.expression, exp.Select):
                self._known[id(scope)] = self._select(scope, scope.expression)
            elif scope.is_udtf and not scope.expression.find(exp.Column):
                # A series or a list of constants is made of no table.
                self._known[id(scope)] = Reads({}, frozenset())
        return self._known[id(scope)]

    def _union(self, scope: Scope) -> Reads | None:
        parts = [self.reads(part) for part in scope.set_operation_scopes]
        known = [part for part in parts if part is not None]
        if len(known) != len(parts) or len({len(part.columns) for part in known}) != 1:
            return None
        names = list(known[0].columns)
        columns = zip(*(part.columns.values() for part in known), strict=True)
        merged = {
            name: frozenset[Source]().union(*each)
            for name, each in zip(names, columns, strict=True)
        }
        return Reads(merged, frozenset[Source]().union(*(part.rows for part in known)))

    def _select(self, scope: Scope, select: exp.Select) -> Reads | None:
        # A star that was not expanded: its columns are not known.
        stars = (star for value in select.selects for star in value.find_all(exp.Star))
        if select.find(exp.Pivot) or not all(isinstance(star.parent, exp.Count) for star in stars):
            return None
        inner: dict[str, Reads | tuple[str, str]] = {}
        for name, (_, source) in scope.selected_sources.items():
            if isinstance(source, exp.Table):
                inner[name.lower()] = (source.db.lower(), source.name.lower())
            else:
                reads = self.reads(source)
                if reads is None:
                    return None
                inner[name.lower()] = reads
        rows = {one for reads in inner.values() if isinstance(reads, Reads) for one in reads.rows}
        for nested in scope.subquery_scopes:
            reads = self.reads(nested)
            if reads is None:
                return None
            rows |= reads.rows | frozenset[Source]().union(*reads.columns.values())
        columns: dict[str, frozenset[Source]] = {}
        for value in select.selects:
            made_of = {
                one for column in value.find_all(exp.Column) for one in _made_of(column, inner)
            }
            columns[value.alias_or_name.lower()] = frozenset(made_of)
        for part, node in select.args.items():
            if part in ("expressions", "with_", "from_"):
                continue
            for clause in node if isinstance(node, list) else [node]:
                if isinstance(clause, exp.Expression):
                    rows |= {
                        one for column in _own_columns(clause) for one in _made_of(column, inner)
                    }
        return Reads(columns, frozenset(rows))


def _own_columns(clause: exp.Expression) -> Iterator[exp.Column]:
    """The columns of a clause, without those of the queries that it joins: each of them has its scope."""
    for node in clause.walk(prune=lambda one: isinstance(one, exp.Subquery | exp.Query)):
        if isinstance(node, exp.Column):
            yield node


def _made_of(column: exp.Column, inner: Mapping[str, Reads | tuple[str, str]]) -> Iterator[Source]:
    """What a column is made of; a name without its table may be of any of them."""
    name, table = column.name.lower(), column.table.lower()
    for source in [inner[table]] if table in inner else inner.values():
        if isinstance(source, Reads):
            yield from source.columns.get(name, ())
        else:
            yield (*source, name)
