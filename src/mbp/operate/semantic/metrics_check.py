"""Do A87 and the semantic layer say the same? The layer is dbt's manifest, parsed again when the project changed.

MetricFlow reads the manifest and never checks its age. It names relations with their database, so there is one
per target.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mbp.contracts import load_contracts
from mbp.contracts.policy import load_policy
from mbp.contracts.rendering.semantic import SemanticMetric, semantic_metrics
from mbp.contracts.semantics import load_semantics
from mbp.contracts.sheet import load_sheet
from mbp.core.errors import MbpError
from mbp.core.files import write_text
from mbp.core.paths import shown
from mbp.core.reporting import Finding, Suite, read_codes
from mbp.quality.measurable import project_state
from mbp.runs.dbt_process import demand, run_dbt, target_path
from mbp.warehouse.profile import read_target

RULES = read_codes("mbp.operate.semantic", "metric_codes.yaml")
MANIFEST = "semantic_manifest.json"
# What the semantic layer is written in.
SOURCES = ("models/semantic", "contracts/a87")
READ_SUFFIXES = (".sql", ".yml", ".yaml")


def metrics_of(root: Path) -> tuple[SemanticMetric, ...]:
    """Every metric of A87.

    Raises:
        MbpError: a contract, the policy or A87 cannot be read.
    """
    policy = load_policy(root)
    semantics = load_semantics(root, load_contracts(root), policy)
    return semantic_metrics(semantics, load_sheet(root, policy))


def check(root: Path) -> Suite:
    """A87 against target/semantic_manifest.json; `extra` holds the counts.

    Raises:
        MbpError: either cannot be read; the manifest is missing, stale, or parsed into nothing.
    """
    folder = target_path(root)
    manifest = read_manifest(folder, root)
    place = shown(folder / MANIFEST, root)
    expected = metrics_of(root)
    results = {str(metric["name"]): metric for metric in manifest["metrics"]}
    findings = [
        *_missing(expected, results),
        *_unknown(expected, results, place),
        *(
            finding
            for metric in expected
            if metric.name in results
            for finding in _differences(metric, results[metric.name])
        ),
        *_undescribed(manifest, place),
    ]
    counts = {
        "a87_metrics": len(expected),
        "metrics": len(results),
        "semantic_models": len(manifest["semantic_models"]),
        "saved_queries": len(manifest.get("saved_queries", ())),
    }
    files = [place, *dict.fromkeys(metric.source for metric in expected)]
    return Suite("mbp metrics check", files, findings, RULES, {"semantic_layer": counts})


def _missing(expected: tuple[SemanticMetric, ...], results: Mapping[str, Any]) -> Iterator[Finding]:
    for metric in expected:
        for name in (metric.name, *metric.parts):
            if name not in results:
                yield _finding("SEM-001", metric.source, name, "is not in the semantic layer")


def _unknown(
    expected: tuple[SemanticMetric, ...], results: Mapping[str, Any], place: str
) -> Iterator[Finding]:
    known = {name for metric in expected for name in (metric.name, *metric.parts)}
    for name in sorted(results.keys() - known):
        yield _finding("SEM-002", place, name, "is not in A87")


def _differences(metric: SemanticMetric, results: Mapping[str, Any]) -> Iterator[Finding]:
    meta = (results.get("config") or {}).get("meta") or {}
    stated = {**meta, "label": results.get("label"), "description": results.get("description")}
    wanted = {**metric.meta, "label": metric.label, "description": metric.description}
    for key, value in wanted.items():
        if stated.get(key) != value:
            yield _finding(
                "SEM-003",
                metric.source,
                metric.name,
                f"the {key} is {value!r}, and {stated.get(key)!r} in the semantic layer",
            )
    computed = _computed(results)
    expected = (metric.parts or metric.measures, metric.row_filter)
    if computed != expected:
        yield _finding(
            "SEM-004",
            metric.source,
            metric.name,
            f"A87 computes it by {_shown(*expected)}, the semantic layer by {_shown(*computed)}",
        )


def _computed(results: Mapping[str, Any]) -> tuple[tuple[str, ...], str | None]:
    parameters = results.get("type_params") or {}
    names = [
        str(part["name"])
        for part in (parameters.get(key) for key in ("measure", "numerator", "denominator"))
        if part
    ]
    filters = [
        str(where_filter["where_sql_template"])
        for where_filter in (results.get("filter") or {}).get("where_filters", ())
    ]
    return tuple(names), " and ".join(filters) or None


def _shown(names: tuple[str, ...], row_filter: str | None) -> str:
    by = " / ".join(names) or "nothing"
    return f"{by} where {row_filter}" if row_filter else by


def _undescribed(manifest: Mapping[str, Any], place: str) -> Iterator[Finding]:
    for saved in manifest.get("saved_queries", ()):
        if not str(saved.get("description") or "").strip():
            yield _finding("SEM-005", place, str(saved["name"]), "has no description")


def _finding(code: str, path: str, subject: str, message: str) -> Finding:
    return Finding(code, message, path, subject=subject, fix=RULES[code].fix)


def fresh_manifest(root: Path, target: str) -> str:
    """Text of the semantic manifest of the current project, for a target.

    Raises:
        MbpError: dbt cannot parse the project, or makes no manifest of it.
    """
    folder = target_path(root) / "metrics" / target
    path, mark = folder / "target" / MANIFEST, folder / "made_of"
    made_of = project_state(root, read_target(root, target)[1])
    if path.is_file() and mark.is_file() and mark.read_text(encoding="utf-8") == made_of:
        return manifest_text(path, root)
    for file in (path, mark):
        file.unlink(missing_ok=True)
    demand(run_dbt(root, ["parse"], target=target, artifacts=folder, quiet=True))
    text = manifest_text(path, root)
    write_text(mark, made_of)
    return text


def manifest_text(path: Path, root: Path) -> str:
    """A semantic manifest with something in it.

    Raises:
        MbpError: it is missing, unreadable, or holds no metric or no semantic model.
    """
    place, fix = shown(path, root), "run `dbt parse`"
    try:
        text = path.read_text(encoding="utf-8")
        document = json.loads(text)
    except FileNotFoundError as error:
        raise MbpError("there is no semantic manifest", path=place, fix=fix) from error
    except (OSError, ValueError) as error:
        raise MbpError(f"cannot be read: {error}", path=place, fix=fix) from error
    for kind in ("semantic_models", "metrics"):
        if not isinstance(document, dict) or not isinstance(document.get(kind), list):
            raise MbpError("is no semantic manifest", path=place, fix=fix)
        if not document[kind]:
            raise MbpError(
                f"the project parsed into no {kind.replace('_', ' ')} at all",
                path=place,
                fix="write models/semantic in the legacy specification: dbt 1.11 reads the newer one into nothing",
            )
    return text


def read_manifest(folder: Path, root: Path) -> dict[str, Any]:
    """The semantic manifest of dbt's last parse, which must be newer than what it is made of.

    Raises:
        MbpError: it is missing, unreadable, empty or older than a file of the semantic layer.
    """
    path = folder / MANIFEST
    document: dict[str, Any] = json.loads(manifest_text(path, root))
    made = path.stat().st_mtime
    newer = sorted(
        shown(file, root)
        for folder in SOURCES
        for file in (root / folder).rglob("*")
        if file.suffix in READ_SUFFIXES and file.stat().st_mtime > made
    )
    if newer:
        raise MbpError(
            f"is older than {newer[0]}: it may say what no longer holds",
            path=shown(path, root),
            fix="run `dbt parse`",
        )
    return document
