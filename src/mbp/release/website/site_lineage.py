"""What columns, KPIs and metrics are computed from, who reads a column, and the query of the failing rows of a rule.

All of it follows from compiled SQL: nothing is declared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from mbp.contracts import load_contracts
from mbp.operate.semantic.query import Question, open_layer, request_of
from mbp.quality.column_readers import ColumnReaders
from mbp.quality.compiled_tests import read_tests
from mbp.quality.measurable import WINDOWS
from mbp.quality.project_reads import project_reads
from mbp.quality.read_sets import Raw, followed
from mbp.runs.artifacts import read_artifact
from mbp.runs.dbt_process import target_path
from mbp.warehouse.connection import engine_of

Column = tuple[str, str]
KPI_METRIC = "kpi_"


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
