"""Seeds of reference: what the contracts say, as rows that models can join."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from mbp.contracts.model import Rule
from mbp.contracts.policy import Policy
from mbp.contracts.semantics import Semantics
from mbp.contracts.sheet import Sheet

SHEET_COLUMNS = (
    "id",
    "name",
    "unit",
    "source",
    "window",
    "target",
    "watcher",
    "hook",
    "owner",
    "query_id",
    "dashboard",
    "minimum_samples",
    "window_minutes",
    "every_minutes",
    "operator",
    "bound",
)
RULE_COLUMNS = ("dataset", "family", "severity", "owner", "description")


def rules_csv(rules: Sequence[Rule]) -> str:
    """seeds/reference/quality_rules.csv: one row per rule of the contracts, by id."""
    ordered = sorted(rules, key=lambda rule: rule.id)
    return csv_text(
        ("rule_id", *RULE_COLUMNS),
        ([rule.id, *(getattr(rule, name) for name in RULE_COLUMNS)] for rule in ordered),
    )


def monitor_csv(policy: Policy) -> str:
    """seeds/reference/quality_monitor.csv: one row, a column per parameter of the monitor."""
    return csv_text(tuple(policy.monitor), [list(policy.monitor.values())])


def sheet_csv(sheet: Sheet) -> str:
    """seeds/reference/measurement_sheet.csv: one row per KPI, in the order of the sheet."""
    rows = ([getattr(kpi, name) for name in SHEET_COLUMNS] for kpi in sheet.kpis.values())
    return csv_text(("kpi_id", *SHEET_COLUMNS[1:]), rows)


def parameters_csv(sheet: Sheet) -> str:
    """seeds/reference/measurement_parameters.csv: one row, a column per parameter."""
    return csv_text(tuple(sheet.parameters), [list(sheet.parameters.values())])


def horizons_csv(semantics: Semantics) -> str:
    """seeds/reference/calibration_horizons.csv: one row per horizon."""
    return csv_text(("horizon_hours",), [[hours] for hours in semantics.calibration_horizons_hours])


def csv_text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """RFC 4180 with unix line ends, as git keeps it."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return stream.getvalue()
