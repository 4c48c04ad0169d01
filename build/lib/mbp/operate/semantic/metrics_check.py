"""Do A87 and the semantic layer, as dbt parsed it, say the same?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mbp.contracts import load_contracts
from mbp.contracts.policy import load_policy
from mbp.contracts.rendering.semantic import SemanticMetric, semantic_metrics
from mbp.contracts.semantics import load_semantics
from mbp.contracts.sheet import load_sheet
from mbp.core.paths import shown
from mbp.core.reporting import CodeMeaning, Finding, Suite
from mbp.operate.semantic.semantic_manifest import MANIFEST, read_manifest
from mbp.runs.dbt_process import target_path

RENDER = "run `mbp contracts render`, then `dbt parse`"
RULES = {
    rule.code: rule
    for rule in (
        CodeMeaning(
            "SEM-001",
            "Every metric of A87 is a metric of the semantic layer",
            "Analysts would compute it by hand, each in another way.",
            RENDER,
        ),
        CodeMeaning(
            "SEM-002",
            "Every metric of the semantic layer is one of A87, or a part of one",
            "A number would have no definition and no owner.",
            "define it in contracts/a87, or remove it",
        ),
        CodeMeaning(
            "SEM-003",
            "Definition, unit, grain and owner are those of A87",
            "Two texts about one number: one of them is wrong.",
            RENDER,
        ),
        CodeMeaning(
            "SEM-004",
            "A metric is computed by the measure that A87 names",
            "The number would be another one under the same name.",
            RENDER,
        ),
        CodeMeaning(
            "SEM-005",
            "A saved query has a description",
            "Its purpose would be unknown.",
            "describe it",
        ),
    )
}


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
