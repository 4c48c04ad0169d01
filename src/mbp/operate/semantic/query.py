"""Asks the warehouse for metrics. Only reads: MetricFlow compiles, the guard checks, a read-only session runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import psycopg2

from mbp.contracts.rendering.semantic import SemanticMetric
from mbp.core.errors import MbpError
from mbp.operate.semantic.metricflow import MetricRequest, SemanticLayer
from mbp.operate.semantic.metrics_check import metrics_of
from mbp.operate.semantic.semantic_manifest import fresh_manifest
from mbp.operate.semantic.words import conditions, dimension_name, known_name
from mbp.runs.dbt_process import target_name
from mbp.warehouse import Warehouse, connect
from mbp.warehouse.called_functions import demand_query_on
from mbp.warehouse.connection import engine_of

LISTING = "`mbp metrics list` shows more"
SNAPSHOT = "select dataset from published.data_as_of where mode = 'snapshot' order by dataset"


@dataclass(frozen=True)
class Question:
    """What a reader asks, in the words of the command line."""

    metrics: tuple[str, ...] = ()
    saved: str | None = None
    by: tuple[str, ...] = ()
    where: tuple[str, ...] = ()
    start: str | None = None
    end: str | None = None
    limit: int | None = None

    @property
    def narrowed(self) -> bool:
        """Whether it covers less than there is."""
        return bool(self.where or self.start or self.end)


@dataclass(frozen=True)
class Answer:
    """The rows, in the order of the dimensions, and what they are.

    Attributes:
        metrics: names of the columns that are metrics, the last ones.
        units: metric -> unit, of A87.
        notes: what a reader must know beside the rows.
        nothing_anywhere: no row, and there is none without conditions either.
    """

    columns: tuple[str, ...]
    metrics: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    units: Mapping[str, str]
    notes: tuple[str, ...] = ()
    nothing_anywhere: bool = False

    @property
    def empty(self) -> bool:
        """Nothing was measured: no row, or none with a value."""
        width = len(self.metrics)
        return all(value is None for row in self.rows for value in row[-width:])


def open_layer(root: Path, target: str, tell: Callable[[str], None]) -> SemanticLayer:
    """The semantic layer of the current project, for the engine of a target."""
    return SemanticLayer(fresh_manifest(root, target, tell), engine_of(root, target))


def ask(root: Path, target: str | None, question: Question, tell: Callable[[str], None]) -> Answer:
    """The answer to a question.

    Raises:
        MbpError: an unknown name, a condition that may not run, or a warehouse that is not built.
    """
    target = target_name(target)
    layer = open_layer(root, target, tell)
    request = request_of(question, layer)
    with connect(root, target, read_only=True) as warehouse:
        return answer(layer, warehouse, question, request, metrics_of(root))


def request_of(question: Question, layer: SemanticLayer) -> MetricRequest:
    """The question in MetricFlow's names.

    Raises:
        MbpError: an unknown metric, saved query or dimension, or a wrong condition.
    """
    if bool(question.metrics) == bool(question.saved):
        raise MbpError("name metrics, or one --saved query", fix=LISTING)
    metrics = question.metrics
    if question.saved:
        if question.by:
            raise MbpError(
                "a saved query has its own dimensions", fix="leave --by, or name the metrics"
            )
        known_name(question.saved, layer.saved_queries, "saved query", LISTING)
        metrics = layer.saved_queries[question.saved].metrics
    for name in metrics:
        known_name(name, layer.metric_names, "metric", LISTING)
    dimensions = layer.dimensions(metrics)
    return MetricRequest(
        metrics=() if question.saved else metrics,
        saved=question.saved,
        by=tuple(dict.fromkeys(dimension_name(word, dimensions) for word in question.by)),
        where=conditions(question.where, question.start, question.end, dimensions),
        limit=question.limit,
    )


def answer(
    layer: SemanticLayer,
    warehouse: Warehouse,
    question: Question,
    request: MetricRequest,
    known: Sequence[SemanticMetric],
) -> Answer:
    """Runs a request on an open warehouse."""
    metrics = request.metrics
    if request.saved:
        metrics = layer.saved_queries[request.saved].metrics
    columns, rows = _run(warehouse, layer.sql(request))
    keys = [name for name in columns if name not in metrics]
    order = [_place(columns, name) for name in (*(request.by or keys), *metrics)]
    rows = [tuple(row[place] for place in order) for row in rows]
    if not request.limit:
        width = len(order) - len(metrics)
        rows.sort(key=lambda row: [(value is None, value or 0) for value in row[:width]])
    found = Answer(
        columns=tuple(columns[place] for place in order),
        metrics=tuple(metrics),
        rows=rows,
        units={semantic_metric.name: semantic_metric.unit for semantic_metric in known},
        notes=_notes(warehouse),
    )
    if not found.empty:
        return found
    whole = MetricRequest(metrics=metrics)
    anywhere = found if not question.narrowed else None
    if anywhere is None:
        _, all_rows = _run(warehouse, layer.sql(whole))
        anywhere = Answer(tuple(metrics), tuple(metrics), all_rows, {})
    return Answer(**{**vars(found), "rows": [], "nothing_anywhere": anywhere.empty})


def _place(columns: Sequence[str], name: str) -> int:
    """The place of a column. A time that was asked for without a grain comes with its finest one."""
    if name in columns:
        return columns.index(name)
    return next(place for place, one in enumerate(columns) if one.rpartition("__")[0] == name)


def _run(warehouse: Warehouse, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    demand_query_on(warehouse, sql, fix="name dimensions and plain values only")
    try:
        return warehouse.query(sql)
    except (duckdb.CatalogException, psycopg2.errors.UndefinedTable) as error:
        raise MbpError(
            f"the warehouse lacks a relation of the semantic layer: {_first_line(error)}",
            fix="run `mbp build`",
        ) from error
    except (duckdb.Error, psycopg2.Error) as error:
        raise MbpError(
            f"the warehouse refuses the query: {_first_line(error)}",
            fix="compare dimensions with values of their kind",
        ) from error


def _notes(warehouse: Warehouse) -> tuple[str, ...]:
    """Metrics are computed from the rows that were built last, whatever readers are shown."""
    _, rows = _run(warehouse, SNAPSHOT)
    if not rows:
        return ()
    datasets = ", ".join(str(row[0]) for row in rows)
    return (f"readers see the last complete snapshot of {datasets}; this is of the live rows",)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
