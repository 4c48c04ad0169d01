"""What the warehouse says when the site is made: rules with their history, tables, anomalies, KPIs, calibration.

What columns, KPIs and metrics are computed from, and who reads a column, follows from compiled SQL alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

from mbp.contracts import load_contracts
from mbp.core.errors import MbpError
from mbp.core.verdict import Verdict
from mbp.operate.hooks.watch import look as evaluated
from mbp.operate.semantic.calibration import Bin, calibration
from mbp.operate.semantic.query import Question, open_layer, request_of
from mbp.quality.column_readers import ColumnReaders
from mbp.quality.compiled_tests import read_tests
from mbp.quality.measurable import WINDOWS, project_reads
from mbp.quality.monitor.record import TABLE
from mbp.quality.read_sets import Raw, followed
from mbp.release.report import report_project
from mbp.release.report.report_collect import watch_facts
from mbp.release.report.report_facts import WatchFacts
from mbp.runs.artifacts import read_artifact
from mbp.runs.dbt_process import target_name, target_path
from mbp.warehouse import Warehouse, connect
from mbp.warehouse.connection import engine_of
from mbp.warehouse.relations import exists, query

Column = tuple[str, str]
KPI_METRIC = "kpi_"
# Runs of a rule that its page shows.
RUNS = 30
SIGNS = {Verdict.PASS: "●", Verdict.WARN: "◐", Verdict.FAIL: "✕"}
UNKNOWN = "○"


@dataclass(frozen=True)
class Lineage:
    """What was followed; of what is not in it nothing is known.

    Attributes:
        columns: (dataset, column) -> columns of raw tables.
        readers: (dataset, column) -> `model ...`, `metric ...`, `exposure ...`; rules name their columns themselves.
        kpis, metrics: id -> columns of raw tables.
        queries: rule id -> SQL of its failing rows.
    """

    columns: Mapping[Column, Raw] = field(default_factory=dict)
    readers: Mapping[Column, Sequence[str]] = field(default_factory=dict)
    kpis: Mapping[str, Raw] = field(default_factory=dict)
    metrics: Mapping[str, Raw] = field(default_factory=dict)
    queries: Mapping[str, str] = field(default_factory=dict)


def lineage(root: Path, target: str) -> Lineage:
    """Follows the SQL of the project, and of dbt's last artifacts that are beside dbt docs.

    Raises:
        MbpError: dbt cannot compile the project, or its manifest cannot be read.
    """
    relations = project_reads(root).relations
    manifest = read_artifact(target_path(root), "manifest.json", root)
    by_name = {name: reads for (_, name), reads in relations.items()}
    readers = ColumnReaders(manifest)
    named = [
        (contract.dataset, column.name)
        for contract in load_contracts(root)
        for column in contract.columns
        if contract.dataset in by_name
    ]
    windows = relations[WINDOWS].parts if WINDOWS in relations else {}
    kpis = {kpi: part.columns["value"] for (name, kpi), part in windows.items() if name == "kpi_id"}
    layer, metrics = open_layer(root, target), {}
    for metric in sorted(layer.metric_names):
        # The windows of all KPIs are one relation; what one of them follows from is known of its rows.
        if (kpi := metric.removeprefix(KPI_METRIC)) in kpis:
            metrics[metric] = kpis[kpi]
            continue
        sql = layer.sql(request_of(Question((metric,)), layer))
        if reads := followed(sql, engine_of(root, target), relations):
            metrics[metric] = reads.columns[metric]
    return Lineage(
        {(of, name): by_name[of].columns.get(name.lower(), frozenset()) for of, name in named},
        {(of, name): _readers(readers, of, name) for of, name in named},
        kpis,
        metrics,
        {test.rule_id: test.sql for test in read_tests(manifest)},
    )


def _readers(readers: ColumnReaders, dataset: str, column: str) -> Sequence[str]:
    every = readers.readers(dataset, frozenset({column}))
    return [reader for reader in every if not reader.startswith("rule ")]


def by_table(raw: Raw) -> list[str]:
    """`shop.orders (amount, day)` for each raw table; a table alone where only its rows count."""
    columns = sorted(name.rpartition(".")[::2] for name in raw if name.count(".") > 1)
    texts = [
        f"{table} ({', '.join(column for _, column in group)})"
        for table, group in groupby(columns, key=lambda column: column[0])
    ]
    tables = {table for table, _ in columns}
    return texts + sorted(name for name in raw if name.count(".") == 1 and name not in tables)


@dataclass(frozen=True)
class RecordedState:
    """What the pages show of a warehouse; every part may be absent, and says why.

    Attributes:
        rules: by rule id, a row of `report_project.rules` for each engine, with `runs` (a sign per run, oldest first)
            and the `seconds` of its last run; empty with `rules_absent`.
    """

    read_at: datetime
    target: str
    rules: Mapping[str, Sequence[Mapping[str, Any]]]
    rules_absent: str
    anomalies: Sequence[Mapping[str, Any]]
    watch: WatchFacts | None
    watch_absent: str
    calibration: Sequence[Bin]
    lineage: Lineage = field(default_factory=Lineage)


def absent(why: str) -> RecordedState:
    """Nothing was read."""
    return RecordedState(datetime.now(UTC), "", {}, why, (), None, why, ())


def look(root: Path, target: str | None) -> RecordedState:
    """Reads the warehouse of a target; what cannot be read is absent with its reason.

    Raises:
        MbpError: unknown target.
    """
    chosen, why = target_name(root, target), ""
    rules: Mapping[str, Sequence[Mapping[str, Any]]] = {}
    anomalies: Sequence[Mapping[str, Any]] = ()
    bins: Sequence[Bin] = ()
    try:
        states = report_project.rules(root, chosen)
        with connect(root, chosen, read_only=True) as warehouse:
            rules = _rules(states, _runs(warehouse))
            anomalies = _anomalies(warehouse)
            bins = calibration(warehouse)
    except MbpError as error:
        why = f"{error.what}. Fix: {error.fix or 'run `mbp build`, then `mbp quality record`'}"
    watch, watch_why = None, ""
    try:
        watch = watch_facts(evaluated(root, chosen))
    except MbpError as error:
        watch_why = f"{error.what}. Fix: {error.fix or 'run `mbp build`'}"
    return RecordedState(datetime.now(UTC), chosen, rules, why, anomalies, watch, watch_why, bins)


def _rules(
    states: Sequence[Mapping[str, Any]], runs: Mapping[tuple[str, str], Sequence[Any]]
) -> Mapping[str, Sequence[Mapping[str, Any]]]:
    by_rule: dict[str, list[Mapping[str, Any]]] = {}
    for state in states:
        past = runs.get((str(state["rule_id"]), str(state["engine"] or "")), ())
        signs = "".join(SIGNS.get(verdict, UNKNOWN) for verdict, _ in past)
        seconds = float(past[-1][1]) if past else None
        row = {**state, "runs": signs, "seconds": seconds}
        by_rule.setdefault(str(state["rule_id"]), []).append(row)
    return by_rule


def _runs(warehouse: Warehouse) -> Mapping[tuple[str, str], Sequence[Any]]:
    """(rule, engine) -> (verdict, seconds) of its last runs, oldest first."""
    _, rows = query(
        warehouse,
        "select rule_id, engine, verdict, duration_seconds from ("
        " select *, row_number() over (partition by rule_id, engine order by executed_at desc) as place"
        f" from {TABLE}) as numbered where place <= {RUNS} order by executed_at",
        TABLE,
    )
    found: dict[tuple[str, str], list[Any]] = {}
    for rule_id, engine, verdict, seconds in rows:
        found.setdefault((rule_id, engine), []).append((verdict, seconds))
    return found


def _anomalies(warehouse: Warehouse) -> Sequence[Mapping[str, Any]]:
    name = "reliability.dq_anomalies"
    if not exists(warehouse, *name.split(".")):
        return ()
    columns, rows = query(
        warehouse,
        f"select dataset, measure, arrival_date, measured_value, median_value, verdict, owner from {name}"
        f" where arrival_date = (select max(arrival_date) from {name}) order by dataset, measure",
        name,
    )
    return [dict(zip(columns, row, strict=True)) for row in rows]
