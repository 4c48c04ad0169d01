"""The change logs of the public datasets, as dbt sources."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mbp.contracts.model import Contract, ServiceLevel
from mbp.contracts.rendering.models import HEADER, doc_name
from mbp.contracts.rendering.yaml_text import yaml_text
from mbp.core.errors import MbpError

PREFIX = "mbp_"
# Column of the change log -> its doc block in docs/dbt/change_log.md.
LOG_COLUMNS = {
    "__op": "change_log__op",
    "__deleted": "change_log__deleted",
    "__source_ts_ms": "change_log__source_ts_ms",
    "__source_lsn": "change_log__source_lsn",
    "_loaded_at": "change_log__loaded_at",
}
PERIODS = (("day", 86400), ("hour", 3600), ("minute", 60))
# The committed sample and loaded data live apart: see macros/engine/raw_log.sql.
SCHEMA = "{{ 'sample_mbp' if env_var('MBP_RAW', 'sample') == 'sample' else 'raw_mbp' }}"


def sources_yaml(contracts: Sequence[Contract]) -> str:
    """models/sources/_raw_mbp__sources.yml."""
    source = {
        "name": "raw_mbp",
        "description": "Append-only change logs of the market's own tables, "
        "in Debezium's flattened shape.",
        "schema": SCHEMA,
        "loader": "CDC, mbp load or the committed sample",
        "config": {
            "loaded_at_field": "_loaded_at",
            "tags": ["raw"],
            "meta": {"owner": "DATA"},
        },
        "tables": [_table(contract) for contract in contracts],
    }
    return HEADER + yaml_text({"version": 2, "sources": [source]})


def _table(contract: Contract) -> dict[str, Any]:
    columns = {column.name: doc_name(contract.dataset, column.name) for column in contract.columns}
    table: dict[str, Any] = {
        "name": contract.dataset.removeprefix(PREFIX),
        "description": f"One row per change of {_with_article(contract.grain)} (or per row of a "
        "snapshot), in the order of arrival.",
    }
    freshness = contract.service_level("freshness")
    if freshness:
        table["config"] = {"freshness": _freshness(freshness, contract)}
    table["columns"] = [
        {"name": name, "description": f"{{{{ doc('{block}') }}}}"}
        for name, block in {**columns, **LOG_COLUMNS}.items()
    ]
    return table


def _with_article(grain: str) -> str:
    """`One row per market` -> `a market`."""
    noun = grain.removeprefix("One row per ")
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def _freshness(promise: ServiceLevel, contract: Contract) -> dict[str, Any]:
    """The promise is the error; half of it is the warning."""
    seconds = promise.seconds or 0
    if seconds % 120:
        raise MbpError(
            f"freshness: {promise.value} {promise.unit} has no half in whole minutes",
            path=contract.path,
            line=promise.line,
            cure="promise an even number of minutes",
        )
    return {"warn_after": _period(seconds // 2), "error_after": _period(seconds)}


def _period(seconds: int) -> dict[str, Any]:
    period, size = next(entry for entry in PERIODS if seconds % entry[1] == 0)
    return {"count": seconds // size, "period": period}
