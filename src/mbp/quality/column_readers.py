"""Who reads a column: models, rules, metrics and exposures, followed through compiled SQL column by column.

A query whose columns cannot be followed counts as a reader of everything before it, and all its columns as changed:
no reader is left out because the SQL was not understood.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from mbp.quality.compiled_tests import parents_of, upstream_closure
from mbp.quality.read_sets import Reads, read_sets

Entry = Mapping[str, Any]


class ColumnReaders:
    """The readers of columns in one manifest of dbt."""

    def __init__(self, manifest: Entry) -> None:
        self._manifest = manifest
        groups = ("sources", "nodes", "semantic_models", "metrics", "exposures")
        self._nodes: dict[str, Entry] = {
            key: node for group in groups for key, node in (manifest.get(group) or {}).items()
        }
        self._parents = parents_of(self._nodes)
        self._order = tuple(upstream_closure(self._nodes))
        self._reads: dict[str, Mapping[str, Reads]] = {}

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
        if start not in self._reads:
            self._reads[start] = read_sets(self._manifest, leaf=start)[0]
        reads = self._reads[start]
        wanted = frozenset(f"{dataset}.{column}" for column in columns or ())
        # None: everything of it may be changed.
        changed: dict[str, frozenset[str] | None] = {start: columns}
        for key in self._order:
            before = {parent: changed[parent] for parent in self._parents[key] if parent in changed}
            if before and key != start:
                after = self._changed(key, before, reads, wanted)
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
        reads: Mapping[str, Reads],
        wanted: frozenset[str],
    ) -> frozenset[str] | None:
        """The columns (of a semantic model: the measures) that a change before it reaches; empty for none.

        Args:
            before: what changed of its parents.
            wanted: the changed columns of the dataset.
        """
        node, kind = self._nodes[key], key.partition(".")[0]
        if kind == "semantic_model":
            return _measures(node, before)
        if kind == "metric":
            return _metric(node, before)
        if kind == "exposure" or key not in reads or None in before.values():
            return None
        if reads[key].rows & wanted:
            return None
        # A test shows whole rows: it reads what decides which.
        shown = {} if kind == "test" and reads[key].rows else reads[key].columns
        return frozenset(name for name, raw in shown.items() if raw & wanted)


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
        str(dimension["name"])
        for dimension in (*node.get("dimensions", ()), *node.get("entities", ()))
        if _mentions(dimension.get("expr") or dimension["name"], names)
    }
    default = (node.get("defaults") or {}).get("agg_time_dimension")
    measures = {
        str(measure["name"])
        for measure in node.get("measures", ())
        if _mentions(str(measure.get("expr") or measure["name"]), names)
        or (measure.get("agg_time_dimension") or default) in dimensions
    }
    return frozenset(dimensions | measures)


def _metric(node: Entry, before: Mapping[str, frozenset[str] | None]) -> frozenset[str] | None:
    """Not empty when the metric is made of a changed measure, or filters by a changed dimension."""
    if None in before.values():
        return None
    names = frozenset[str]().union(*(columns or () for columns in before.values()))
    parameters = node.get("type_params") or {}
    inputs = {str(measure["name"]) for measure in parameters.get("input_measures") or ()}
    inputs |= {str(metric["name"]) for metric in parameters.get("metrics") or ()}
    filters = str(node.get("filter") or "") + str(parameters.get("input_measures") or "")
    used = inputs & names or any(f"__{name}" in filters for name in names)
    return frozenset({str(node["name"])}) if used else frozenset()
