"""Data Docs of Great Expectations: readable without a network, and without a value of a classified column."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mbp.contracts.model import Contract
from mbp.core.masking import mask
from mbp.quality.attribution import safe_message
from mbp.quality.classes import Classes
from mbp.quality.known_columns import Trust

SITE = "contracts"
# Data Docs load styles and scripts from the network; the pages must be readable without.
EXTERNAL = re.compile(
    r"<(link|script|img)\b[^>]*\b(?:href|src)=[\"']?https?://[^>]*>(?:\s*</script>)?", re.IGNORECASE
)
STYLE = (
    "<style>body{font-family:sans-serif;margin:2rem;max-width:75rem}table{border-collapse:collapse}"
    "td,th{border:1px solid #ccc;padding:.25rem .5rem;text-align:left}.navbar img{display:none}</style>"
)
# Numbers of rows in a result of GX. Everything else in it may be a value.
NUMBERS = re.compile(r"(element|missing|unexpected)_(count|percent(_\w+)?)|count")


class Shown:
    """What may be shown: columns of a dataset by its contract, columns of a rule's rows by lineage."""

    def __init__(
        self, contracts: Sequence[Contract], queries: Mapping[str, str], classes: Classes | None
    ) -> None:
        """
        Args:
            queries: rule id -> query of its failing rows.
            classes: of the tables that the queries read; without them no row of a query is shown.
        """
        self._columns = {
            (contract.dataset, column.name): column.open
            for contract in contracts
            for column in contract.columns
        }
        self._queries, self._classes = queries, classes

    def column(self, dataset: str, column: str) -> bool:
        """Whether the values of a column of a dataset may be shown."""
        return self._columns.get((dataset, column), False)

    def of_rows(self, rule_id: str) -> frozenset[str]:
        """The columns of a rule's failing rows whose values may be shown."""
        if self._classes is None or rule_id not in self._queries:
            return frozenset()
        columns = self._classes.follow(self._queries[rule_id]).columns
        closed = {name for name, trust in columns if trust is not Trust.OPEN}
        return frozenset(name for name, _ in columns) - closed


def veil(result: Any, shown: Shown) -> None:
    """Masks, in the result of a suite, every value of a column that may not be shown."""
    for result_of_check in result.results:
        config = result_of_check.expectation_config
        column = config.kwargs.get("column")
        if column is None:
            columns = shown.of_rows(str((config.meta or {}).get("rule_id") or ""))
            # What is observed of a table is a number of rows.
            result_of_check.result = {
                key: value if key == "observed_value" else _masked(key, value, columns)
                for key, value in (result_of_check.result or {}).items()
            }
        elif not shown.column(result.suite_name, str(column)):
            result_of_check.result = {
                key: _masked(key, value, frozenset())
                for key, value in (result_of_check.result or {}).items()
            }
        result_of_check.exception_info = _without_values(result_of_check.exception_info)


def _masked(name: str, value: Any, shown: frozenset[str]) -> Any:
    """`value` with everything in it masked, except numbers of rows and values under a name in `shown`."""
    if isinstance(value, Mapping):
        return {key: _masked(str(key), inner, shown) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_masked("", inner, shown) for inner in value]
    return value if NUMBERS.fullmatch(name) or name.lower() in shown else mask(value)


def _without_values(value: Any) -> Any:
    """What was raised, without the values that engines quote in their errors."""
    if isinstance(value, Mapping):
        return {key: _without_values(inner) for key, inner in value.items()}
    return safe_message(value) if isinstance(value, str) and value else value


def write_docs(context: Any, folder: Path, shown: Shown) -> None:
    """Data Docs of the validations that the context has stored, masked first."""
    store = context.validation_results_store
    for key in store.list_keys():
        result = store.get(key)
        veil(result, shown)
        store.set(key, result)
    folder.mkdir(parents=True, exist_ok=True)
    context.add_data_docs_site(
        SITE,
        {
            "class_name": "SiteBuilder",
            "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
            "store_backend": {
                "class_name": "TupleFilesystemStoreBackend",
                "base_directory": str(folder.resolve()),
            },
        },
    )
    context.build_data_docs(site_names=[SITE])
    for page in folder.rglob("*.html"):
        text = EXTERNAL.sub("", page.read_text(encoding="utf-8"))
        page.write_text(text.replace("</head>", f"{STYLE}</head>", 1), encoding="utf-8")
