"""`mbp quality failures`: what the last run found, with rows read again from the warehouse."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mbp.errors import MbpError
from mbp.paths import shown
from mbp.quality.findings import Finding, collect
from mbp.quality.freshness import stale_reasons
from mbp.quality.masking import Classification
from mbp.quality.samples import Sample, sample_query, take_sample

# Columns that the models add to every change log; they describe the change, not a person.
CHANGE_COLUMNS = frozenset(
    {"change_operation", "is_deleted", "committed_at", "log_position", "loaded_at"}
)
OPEN_CLASSES = frozenset({"public", "internal"})


@dataclass(frozen=True)
class Failures:
    """What was found: findings with their rows (in order), how many held, remarks on staleness."""

    findings: Sequence[tuple[Finding, Sample]]
    passed: int
    notes: Sequence[str]

    @property
    def found(self) -> bool:
        """True when anything does not hold."""
        return any(not finding.holds for finding, _ in self.findings)


def read_artifact(folder: Path, name: str, root: Path) -> dict[str, Any]:
    """One of dbt's JSON artifacts.

    Raises:
        MbpError: missing, or not a JSON object with `metadata`.
    """
    path = folder / name
    place = shown(path, root)
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise MbpError("is not there: no run to look at", path=place, cure="run `mbp build`") from (
            error
        )
    except (OSError, ValueError) as error:
        raise MbpError(f"cannot be read: {error}", path=place, cure="run `mbp build` again") from (
            error
        )
    if not isinstance(document, dict) or not isinstance(document.get("metadata"), dict):
        raise MbpError("is not a dbt artifact", path=place, cure="run `mbp build` again")
    return document


def classify(contracts: Sequence[Any], manifest: Mapping[str, Any]) -> Classification:
    """Personal and open column names of the project.

    A class that is neither public nor internal counts as personal: an unknown word must not open a
    column. Models outside the contracts may mark a column with `meta: {classification: personal}`.
    """
    personal: set[str] = set()
    known: set[str] = set(CHANGE_COLUMNS)
    for contract in contracts:
        for column in contract.columns:
            known.add(column.name.lower())
            if str(column.classification or "").lower() not in OPEN_CLASSES:
                personal.add(column.name.lower())
    for node in manifest["nodes"].values():
        for name, column in (node.get("columns") or {}).items():
            meta = column.get("meta") or (column.get("config") or {}).get("meta") or {}
            word = str(meta.get("classification") or "").lower()
            if word and word not in OPEN_CLASSES:
                personal.add(name.lower())
    return Classification(personal=frozenset(personal), open=frozenset(known - personal))


def look(
    root: Path,
    *,
    target: str,
    artifacts: Path,
    contracts: Sequence[Any],
    rules: Sequence[Any],
    not_measurable: Mapping[str, str],
    connect: Any,
    limit: int,
) -> Failures:
    """Reads the last run and samples failing rows.

    Args:
        root: the dbt project.
        target: dbt target whose tables are read.
        artifacts: folder of manifest.json and run_results.json.
        contracts, rules: of `mbp.contracts`.
        not_measurable: rule id -> reason.
        connect: `mbp.warehouse.connect`; called only when there are rows to show.
        limit: most rows shown of one finding.

    Raises:
        MbpError: no readable artifacts, no test in them, or no warehouse to read rows from.
    """
    manifest = read_artifact(artifacts, "manifest.json", root)
    run_results = read_artifact(artifacts, "run_results.json", root)
    collected = collect(manifest, run_results, rules, not_measurable=not_measurable)
    notes = stale_reasons(root, manifest, run_results, target=target)
    compiled = {
        result["unique_id"]: str(result.get("compiled_code") or "")
        for result in run_results["results"]
    }
    told = [finding for finding in collected if finding.verdict != "pass"]
    queries = {finding.rule_id: sample_query(finding, manifest, compiled) for finding in told}
    samples: dict[str, Sample] = {}
    if limit > 0 and any(queries.values()):
        classification = classify(contracts, manifest)
        with connect(root, target) as warehouse:
            for finding in told:
                samples[finding.rule_id] = take_sample(
                    finding,
                    queries[finding.rule_id],
                    warehouse,
                    dialect=warehouse.engine,
                    limit=limit,
                    classification=classification,
                )
    return Failures(
        findings=[(finding, samples.get(finding.rule_id, Sample())) for finding in told],
        passed=len(collected) - len(told),
        notes=notes,
    )
