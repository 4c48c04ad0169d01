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
