"""Stubs of the project's macros that return lists: a macro of Jinja gives text, so stubs.sql cannot hold them."""

from __future__ import annotations


def datasets() -> list[str]:
    """As macros/logs/datasets.gen.sql, with one dataset."""
    return ["mbp_quotes"]


def incremental_datasets() -> list[str]:
    """As macros/daily/rows_to_check.sql, with one dataset."""
    return ["mbp_quotes"]


def change_logs() -> list[dict[str, str]]:
    """As macros/logs/datasets.gen.sql, with one change log."""
    names = {"dataset": "mbp_quotes", "table": "quotes", "key": "quote_id"}
    return [{**names, "staging": "stg_mbp__quotes", "latest": "int_mbp__quotes_latest"}]


class AnyKpi(dict[str, dict[str, int]]):
    """Every KPI, measured every hour over one hour."""

    def __missing__(self, kpi_id: str) -> dict[str, int]:
        return {"window": 60, "every": 60}


def kpi_minutes() -> AnyKpi:
    """As macros/measures/sheet.gen.sql, with the same minutes for every KPI."""
    return AnyKpi()


def measured_windows(kpi_id: str) -> int:
    """As macros/measures/measure.sql."""
    minutes = kpi_minutes()[kpi_id]
    return minutes["window"] // minutes["every"]
