"""`mbp quality failures`: what the last run found, with rows read again from the warehouse."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mbp.building.dbt_process import target_name, target_path
from mbp.building.preflight import SAMPLE, raw_origin
from mbp.building.project import source_facts
from mbp.contracts import Contract, all_rules, load_contracts
from mbp.errors import MbpError
from mbp.paths import shown
from mbp.quality.classes import Classes
from mbp.quality.findings import Finding, collect
from mbp.quality.freshness import stale_reasons
from mbp.quality.measurable import NOTHING_ABSENT, not_measurable
from mbp.quality.samples import Sample, columns_of, sample_query, take_sample
from mbp.warehouse import connect


@dataclass(frozen=True)
class Failures:
    """What was found: findings with their rows (in order), how many held, remarks on staleness."""

    findings: Sequence[tuple[Finding, Sample]]
    passed: int
    notes: Sequence[str]

    @property
    def found(self) -> bool:
        """True when anything was measured and does not hold, or was not run."""
        return any(not finding.holds and not finding.is_unmeasured for finding, _ in self.findings)

    @property
    def unmeasured(self) -> list[str]:
        """Ids of the rules of severity error that the loaded source cannot show."""
        return [one.rule_id for one, _ in self.findings if one.blocks and one.is_unmeasured]


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
    wrong = wrong_shape(name, document)
    if wrong:
        raise MbpError(wrong, path=place, cure="run `mbp build` again with dbt 1.11")
    for group in ("nodes", "unit_tests"):
        for unique_id, node in document.get(group, {}).items():
            node.setdefault("unique_id", unique_id)
    return document


def wrong_shape(name: str, document: Mapping[str, Any]) -> str | None:
    """The first thing in the artifact that is not where dbt puts it; None when all is.

    Only what is read here and elsewhere in the package is looked at.
    """
    if name == "run_results.json":
        results = document.get("results")
        if not isinstance(results, list):
            return f"results: expected a list, found {type(results).__name__}"
        for index, result in enumerate(results):
            for key in ("unique_id", "status"):
                if not isinstance(result, dict) or not isinstance(result.get(key), str):
                    return f"results[{index}].{key}: expected a text"
    if name == "manifest.json":
        for group in ("nodes", "unit_tests", "groups", "sources"):
            entries = document.get(group, None if group == "nodes" else {})
            needed = ("name", "resource_type") if group in ("nodes", "unit_tests") else ("name",)
            if not isinstance(entries, dict):
                return f"{group}: expected entries by id, found {type(entries).__name__}"
            for unique_id, entry in entries.items():
                for key in needed:
                    if not isinstance(entry, dict) or not isinstance(entry.get(key), str):
                        return f"{group}.{unique_id}.{key}: expected a text"
    return None


@dataclass(frozen=True)
class LastRun:
    """The last run of dbt: its artifacts, the verdict on every test and rule, remarks on staleness."""

    manifest: Mapping[str, Any]
    run_results: Mapping[str, Any]
    contracts: Sequence[Contract]
    findings: Sequence[Finding]
    notes: Sequence[str]


def demand_current(notes: Sequence[str]) -> None:
    """Nothing, when the results are of the project as it is: a verdict on another one is none.

    Args:
        notes: why they may not be, as in `LastRun`.

    Raises:
        MbpError: the first reason.
    """
    if notes:
        raise MbpError(
            f"the last run is not of the project as it is: {notes[0]}",
            cure="run `mbp build` (or `dbt build`, `dbt test`), then ask again",
        )


def findings_of_last_run(root: Path, target: str) -> LastRun:
    """Reads the artifacts of the last run.

    Raises:
        MbpError: no readable artifacts, no test in them, or no warehouse to ask what is loaded.
    """
    folder = target_path(root)
    manifest = read_artifact(folder, "manifest.json", root)
    run_results = read_artifact(folder, "run_results.json", root)
    contracts = load_contracts(root)
    rules = all_rules(contracts)
    facts = NOTHING_ABSENT
    if raw_origin() != SAMPLE:
        with connect(root, target, read_only=True) as warehouse:
            facts = source_facts(root, warehouse)
    found = collect(manifest, run_results, rules, not_measurable=not_measurable(rules, facts))
    notes = stale_reasons(root, manifest, run_results, target=target)
    return LastRun(manifest, run_results, contracts, found, notes)


def look_at_last_run(root: Path, *, target: str | None = None, limit: int = 5) -> Failures:
    """Reads the last run and samples failing rows.

    Args:
        root: the dbt project.
        target: dbt target whose tables are read; `DBT_TARGET` or duckdb without it.
        limit: most rows shown of one finding.

    Raises:
        MbpError: no readable artifacts, no test in them, or no warehouse to read rows from.
    """
    target = target_name(target)
    run = findings_of_last_run(root, target)
    compiled = {
        result["unique_id"]: str(result.get("compiled_code") or "")
        for result in run.run_results["results"]
    }
    told = [finding for finding in run.findings if finding.verdict != "pass"]
    queries = {finding.rule_id: sample_query(finding, run.manifest, compiled) for finding in told}
    samples: dict[str, Sample] = {}
    if limit > 0 and any(queries.values()):
        with connect(root, target, read_only=True) as warehouse:
            classes = Classes(
                run.contracts,
                run.manifest,
                dialect=warehouse.engine,
                columns_of=columns_of(warehouse),
            )
            for finding in told:
                samples[finding.rule_id] = take_sample(
                    queries[finding.rule_id],
                    warehouse,
                    dialect=warehouse.engine,
                    limit=limit,
                    classes=classes,
                )
    return Failures(
        findings=[(finding, samples.get(finding.rule_id, Sample())) for finding in told],
        passed=len(run.findings) - len(told),
        notes=run.notes,
    )
