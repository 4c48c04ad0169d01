"""Hand-made manifests and catalogs for the tests of this package."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mbp.quality.coverage.coverage_measure import CoverageReport, measure_coverage

GOOD = "Price of the YES share."
SCHEMAS = {
    "manifest": "https://schemas.getdbt.com/dbt/manifest/v12.json",
    "catalog": "https://schemas.getdbt.com/dbt/catalog/v1.json",
}
Document = dict[str, Any]


def node(name: str, columns: dict[str, str | None], **more: Any) -> Document:
    """A model of the project `mbp` in models/marts, described unless told otherwise."""
    return {
        "name": name,
        "resource_type": "model",
        "package_name": "mbp",
        "original_file_path": "models/marts/x.sql",
        "description": "One row per quote.",
        "columns": {key: {"name": key, "description": text} for key, text in columns.items()},
        "config": {"materialized": "table"},
        **more,
    }


def artifacts(nodes: dict[str, Document], there: dict[str, list[str]]) -> tuple[Document, Document]:
    """Manifest with `nodes`, catalog with the columns `there`, both by unique id."""
    described = {key: {"columns": {name: {} for name in names}} for key, names in there.items()}

    def document(kind: str, entries: dict[str, Document]) -> Document:
        sources = {key: one for key, one in entries.items() if key.startswith("source.")}
        return {
            "metadata": {"dbt_schema_version": SCHEMAS[kind], "project_name": "mbp"},
            "nodes": {key: one for key, one in entries.items() if key not in sources},
            "sources": sources,
        }

    return document("manifest", nodes), document("catalog", described)


def measured(nodes: dict[str, Document], there: dict[str, list[str]]) -> CoverageReport:
    return measure_coverage(*artifacts(nodes, there))


def written(folder: Path, nodes: dict[str, Document], there: dict[str, list[str]]) -> Path:
    """`folder` with the two artifacts as dbt would leave them there."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, part in zip(("manifest.json", "catalog.json"), artifacts(nodes, there), strict=True):
        (folder / name).write_text(json.dumps(part), encoding="utf-8")
    return folder
