"""What the contracts say: seeds of reference, which models can join; doc blocks of columns; the table of rules."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, field
from typing import get_type_hints

from mbp.contracts.model import Column, Contract, Rule
from mbp.contracts.policy import MonitorParameters, Policy
from mbp.contracts.raw_columns import doc_name
from mbp.contracts.rendering.yaml_text import MARK, properties_text
from mbp.contracts.semantics import Semantics
from mbp.contracts.sheet import Kpi, Sheet, SheetParameters
from mbp.core.templates import templates

FOLDER = "seeds/reference"
SEEDS_FILE = f"{FOLDER}/_reference__seeds.gen.yml"
STAGING_FILE = "models/staging/reference/_reference_staging__models.gen.yml"
# Columns of the seed `measurement_sheet`, fields of a KPI -> name in staging, where it differs.
SHEET_COLUMNS = {
    "id": "kpi_id",
    "name": "kpi_name",
    "unit": "unit",
    "source": "source",
    "window": "kpi_window",
    "target": "target",
    "watcher": "watcher",
    "hook": "hook",
    "owner": "owner",
    "query_id": "query_id",
    "dashboard": "dashboard",
    "minimum_samples": "minimum_samples",
    "window_minutes": "window_minutes",
    "every_minutes": "every_minutes",
    "operator": "target_operator",
    "bound": "target_bound",
}
RULE_COLUMNS = ("dataset", "family", "severity", "owner", "description")
TYPES = {int: "integer", int | None: "integer", float: "double precision"}
CLASSES = {
    "public": "Public: may be shown to anybody.",
    "internal": "Internal: stays inside the organisation.",
    "confidential": "Confidential: only for those who need it.",
    "personal": "Personal: pseudonym of a person; masked in every report.",
}


@dataclass(frozen=True)
class ReferenceTable:
    """One seed, and its staging model.

    Attributes:
        grain: what a row is, without a full stop.
        docs: prefix of the doc blocks of its columns.
        columns: column -> type of the seed.
        staged: column -> name in the staging model, where it differs.
    """

    name: str
    grain: str
    docs: str
    columns: Mapping[str, str]
    rows: Iterable[Sequence[object]]
    staged: Mapping[str, str] = field(default_factory=dict)

    def described(self, names: Mapping[str, str]) -> list[dict[str, str]]:
        """The columns as properties of dbt."""
        return [
            {"name": names.get(name, name), "description": f"{{{{ doc('{self.docs}__{name}') }}}}"}
            for name in self.columns
        ]


def reference_tables(
    rules: Sequence[Rule], policy: Policy, sheet: Sheet, semantics: Semantics
) -> list[ReferenceTable]:
    """Every seed of reference."""
    types = _types(Kpi)
    key = {"id": "kpi_id"}
    return [
        ReferenceTable(
            "quality_rules",
            "One row per rule of the contracts, with its owner and severity",
            "quality",
            dict.fromkeys(("rule_id", *RULE_COLUMNS), "varchar"),
            [
                [rule.id, *(getattr(rule, name) for name in RULE_COLUMNS)]
                for rule in sorted(rules, key=lambda rule: rule.id)
            ],
        ),
        ReferenceTable(
            "quality_monitor",
            "The parameters of the quality monitor, in one row",
            "quality",
            _types(MonitorParameters),
            [astuple(policy.monitor)],
        ),
        ReferenceTable(
            "measurement_sheet",
            "One row per KPI of the measurement sheet (A87)",
            "kpi",
            {key.get(name, name): types[name] for name in SHEET_COLUMNS},
            [[getattr(kpi, name) for name in SHEET_COLUMNS] for kpi in sheet.kpis.values()],
            SHEET_COLUMNS,
        ),
        ReferenceTable(
            "measurement_parameters",
            "The parameters of the KPI definitions, in one row",
            "kpi_parameter",
            _types(SheetParameters),
            [astuple(sheet.parameters)],
        ),
        ReferenceTable(
            "calibration_horizons",
            "One row per horizon of the calibration (A87), in hours before the actual close",
            "calibration",
            {"horizon_hours": "integer"},
            [[hours] for hours in semantics.calibration_horizons_hours],
        ),
    ]


def reference_files(tables: Sequence[ReferenceTable]) -> dict[str, str]:
    """Path -> content: a CSV per table, and the properties of the seeds and of their staging models."""
    seeds = [
        {
            "name": table.name,
            "description": f"{table.grain}; rendered from contracts/.",
            "config": {
                "schema": "reference",
                "tags": ["reference"],
                "column_types": dict(table.columns),
            },
            "columns": table.described({}),
        }
        for table in tables
    ]
    staging = [
        {
            "name": f"stg_reference__{table.name}",
            "description": f"{table.grain}.",
            "columns": table.described(table.staged),
        }
        for table in tables
    ]
    return {
        **{f"{FOLDER}/{table.name}.csv": _csv(table.columns, table.rows) for table in tables},
        SEEDS_FILE: properties_text(seeds=seeds),
        STAGING_FILE: properties_text(models=staging),
    }


def _types(form: type) -> dict[str, str]:
    """Name -> type of the seed, as the form of the file has it."""
    return {name: TYPES.get(hint, "varchar") for name, hint in get_type_hints(form).items()}


def _csv(header: Iterable[str], rows: Iterable[Sequence[object]]) -> str:
    """RFC 4180 with unix line ends, as git keeps it."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return stream.getvalue()


def columns_markdown(contracts: Sequence[Contract]) -> str:
    """docs/dbt/columns.md: one doc block per column, for every layer that has the column."""
    blocks = [
        f"{{% docs {doc_name(contract.dataset, column.name)} %}}\n"
        f"{_column_text(column)}\n"
        "{% enddocs %}\n"
        for contract in contracts
        for column in contract.columns
    ]
    return f"<!-- {MARK} -->\n\n" + "\n".join(blocks)


def _column_text(column: Column) -> str:
    unit = f" Unit: {column.unit}." if column.unit else ""
    return f"{column.description}{unit} {CLASSES[column.classification]}"


def rules_markdown(rules: Sequence[Rule], nightly: Mapping[str, str]) -> str:
    """docs/reference/rules.md: every rule, by dataset and id."""
    datasets: dict[str, list[Rule]] = {}
    for rule in sorted(rules, key=lambda rule: rule.dataset):
        datasets.setdefault(rule.dataset, []).append(rule)
    warnings = sum(rule.severity == "warning" for rule in rules)
    template = templates("mbp.contracts").get_template("rules.md.j2")
    return template.render(
        rules=rules, datasets=datasets, warnings=warnings, nightly=nightly, mark=MARK
    )
