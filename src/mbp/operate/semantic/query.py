"""Asks the warehouse for metrics, by plain names and conditions. MetricFlow compiles, the guard checks; only reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import psycopg2
import sqlglot
from metricflow.engine.metricflow_engine import MetricFlowQueryRequest
from sqlglot import exp

from mbp.contracts.rendering.semantic import SemanticMetric
from mbp.core.errors import MbpError
from mbp.core.schema_check import did_you_mean
from mbp.core.sql_guard import demand_expression
from mbp.ingest.loading.source_facts import NOTHING_ABSENT, source_facts
from mbp.operate.semantic.calibration import HORIZON, RELATION, Bin, calibration
from mbp.operate.semantic.metricflow import SemanticLayer
from mbp.operate.semantic.metrics_check import fresh_manifest, metrics_of
from mbp.quality.measurable import unmeasured_columns
from mbp.runs.dbt_process import target_name
from mbp.warehouse import Warehouse, connect
from mbp.warehouse.called_functions import demand_query_on
from mbp.warehouse.connection import engine_of

SNAPSHOT = "select dataset from published.data_as_of where mode = 'snapshot' order by dataset"
METRIC_TIME = "metric_time"
GRAINS = ("minute", "hour", "day", "week", "month", "quarter", "year")
TEMPLATE_MARKS = ("{{", "{%", "{#")
DIALECT = "postgres"
# What a reader may type -> MetricFlow's name, and its template in a condition.
References = Mapping[str, tuple[str, str]]


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


@dataclass(frozen=True)
class Answer:
    """The rows, in the order of the dimensions, and what they are.

    Attributes:
        metrics: names of the columns that are metrics, the last ones.
        units: metric -> unit, of A87.
        notes: what a reader must know beside the rows.
        nothing_anywhere: no row, and there is none without conditions either.
        bins: of a metric of forecasts against outcomes, as a whole or by horizon.
    """

    columns: tuple[str, ...]
    metrics: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    units: Mapping[str, str]
    notes: tuple[str, ...] = ()
    nothing_anywhere: bool = False
    bins: Sequence[Bin] = ()

    @property
    def empty(self) -> bool:
        """Nothing was measured: no row, or none with a value."""
        width = len(self.metrics)
        return all(value is None for row in self.rows for value in row[-width:])


def open_layer(root: Path, target: str) -> SemanticLayer:
    """The semantic layer of the current project, for the engine of a target."""
    return SemanticLayer(fresh_manifest(root, target), engine_of(root, target))


def ask(root: Path, target: str | None, question: Question) -> Answer:
    """The answer to a question.

    Raises:
        MbpError: an unknown name, a condition that may not run, or a warehouse that is not built.
    """
    target = target_name(root, target)
    layer = open_layer(root, target)
    request_of(
        question, layer
    )  # what is wrong with the question comes before what is wrong with the warehouse
    with connect(root, target, read_only=True) as warehouse:
        demand_measured(root, layer, warehouse, question)
        return answer(layer, warehouse, question, metrics_of(root))


def demand_measured(
    root: Path, layer: SemanticLayer, warehouse: Warehouse, question: Question
) -> None:
    """Returns when the loaded data can show every metric that is asked for.

    Raises:
        MbpError: a metric reads what no source has: its value would be that of a placeholder.
    """
    facts = source_facts(root, warehouse)
    if facts == NOTHING_ABSENT:
        return
    sql = layer.sql(request_of(question, layer))
    asked = metrics_asked(question, layer)
    for metric, reason in unmeasured_columns(root, facts, sql, warehouse.engine, asked).items():
        raise MbpError(
            f"{metric} is not measured on the loaded data: {reason}",
            fix="ask for other metrics, or load a source that has it",
        )


def metrics_asked(question: Question, layer: SemanticLayer) -> tuple[str, ...]:
    """The metrics of a question.

    Raises:
        MbpError: an unknown metric or saved query, or both or neither of them.
    """
    if bool(question.metrics) == bool(question.saved):
        raise MbpError("name metrics, or one --saved query", fix="see `mbp metrics list`")
    if question.saved is None:
        return tuple(known_name(name, layer.metric_names, "metric") for name in question.metrics)
    if question.by:
        fix = "leave --by, or name the metrics"
        raise MbpError("a saved query has its own dimensions", fix=fix)
    known_name(question.saved, layer.saved_queries, "saved query")
    return tuple(layer.saved_queries[question.saved].query_params.metrics)


def request_of(question: Question, layer: SemanticLayer) -> MetricFlowQueryRequest:
    """The question as MetricFlow takes it.

    Raises:
        MbpError: an unknown metric, saved query or dimension, or a wrong condition.
    """
    metrics = metrics_asked(question, layer)
    known = references(layer.dimensions(metrics))
    by = list(dict.fromkeys(known[known_name(word, known, "dimension")][0] for word in question.by))
    return MetricFlowQueryRequest.create(
        saved_query_name=question.saved,
        metric_names=None if question.saved else metrics,
        group_by_names=by or None,
        where_constraints=conditions(question.where, question.start, question.end, known) or None,
        order_by_names=by or None,
        limit=question.limit,
    )


def answer(
    layer: SemanticLayer, warehouse: Warehouse, question: Question, known: Sequence[SemanticMetric]
) -> Answer:
    """Answers a question on an open warehouse.

    Raises:
        MbpError: as `ask`.
    """
    metrics, request = metrics_asked(question, layer), request_of(question, layer)
    sql = layer.sql(request)
    columns, rows = _run(warehouse, sql)
    keys = request.group_by_names or [name for name in columns if name not in metrics]
    order = [_place(columns, name) for name in (*keys, *metrics)]
    rows = [tuple(row[place] for place in order) for row in rows]
    if not request.limit:
        rows.sort(key=lambda row: [(value is None, value or 0) for value in row[: len(keys)]])
    result = Answer(
        columns=tuple(columns[place] for place in order),
        metrics=metrics,
        rows=rows,
        units={metric.name: metric.unit for metric in known},
        notes=_notes(warehouse),
    )
    conditions_given = bool(question.where or question.start or question.end)
    if not result.empty:
        of_forecasts = RELATION.partition(".")[2] in sql and len(metrics) == 1
        if of_forecasts and not conditions_given and all(key.endswith(HORIZON) for key in keys):
            return replace(result, bins=calibration(warehouse))
        return result
    anywhere = result
    if conditions_given:
        whole = request_of(Question(metrics), layer)
        anywhere = Answer(metrics, metrics, _run(warehouse, layer.sql(whole))[1], {})
    return replace(result, rows=[], nothing_anywhere=anywhere.empty)


def _place(columns: Sequence[str], name: str) -> int:
    """The place of a column. A time that was asked for without a grain comes with its finest one."""
    if name in columns:
        return columns.index(name)
    return next(place for place, column in enumerate(columns) if column.rpartition("__")[0] == name)


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


def references(dimensions: Mapping[str, str]) -> References:
    """Every dimension and entity; a time also in each coarser grain, and `day` alone as `metric_time__day`."""
    results: dict[str, tuple[str, str]] = {}
    for name, kind in dimensions.items():
        if kind != "time":
            results[name] = name, f"{{{{ {kind.capitalize()}('{name}') }}}}"
            continue
        base, _, last = name.rpartition("__")
        base, finest = (base, GRAINS.index(last)) if last in GRAINS else (name, 0)
        results[base] = base, f"{{{{ TimeDimension('{base}') }}}}"
        for grain in GRAINS[finest:]:
            full = f"{base}__{grain}"
            results[full] = full, f"{{{{ TimeDimension('{base}', '{grain}') }}}}"
            if base == METRIC_TIME:
                results[grain] = results[full]
    return results


def known_name(word: str, known: Mapping[str, object] | Sequence[str], kind: str) -> str:
    """`word`, when it is one of `known`.

    Raises:
        MbpError: it is unknown; names the nearest one, or all.
    """
    if word not in known:
        fix = f"{did_you_mean(word, known)} (see `mbp metrics list`)"
        raise MbpError(f"there is no {kind} {word!r}", fix=fix)
    return word


def conditions(
    where: Sequence[str], start: str | None, end: str | None, known: References
) -> list[str]:
    """Conditions as MetricFlow's templates. `start` counts, `end` does not.

    Raises:
        MbpError: a condition is no expression over the dimensions, or an instant does not parse.
    """
    results = [_condition(text, known) for text in where]
    finest = next((name for name in GRAINS if name in known), METRIC_TIME)
    for option, sign, text in (("--from", ">=", start), ("--to", "<", end)):
        if text is not None:
            results.append(f"{known[finest][1]} {sign} timestamp '{_instant(text, option)}'")
    return results


def _condition(text: str, known: References) -> str:
    fix = "write a condition over the dimensions: \"market__category = 'sports'\""
    if any(mark in text for mark in TEMPLATE_MARKS):
        raise MbpError(f"refused: a template in --where {text!r}", fix=fix)
    demand_expression(text, fix=fix)
    whole = exp.Paren(this=sqlglot.parse_one(text, read=DIALECT))
    for column in list(whole.find_all(exp.Column)):
        name = known_name(".".join(part.name for part in column.parts), known, "dimension")
        column.replace(exp.Var(this=known[name][1]))
    return whole.sql(dialect=DIALECT)


def _instant(text: str, option: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise MbpError(
            f"{option}: {text!r} is not an instant",
            fix="write a day like 2026-01-05, or an instant like 2026-01-05T12:00 (UTC)",
        ) from error
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    return moment.isoformat(sep=" ")
