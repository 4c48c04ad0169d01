"""`mbp quality failures`: what the last run found, with rows read again from the warehouse."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from mbp.contracts import Contract, all_rules, load_contracts
from mbp.core.errors import MbpError
from mbp.core.paths import shown
from mbp.operate.project import source_facts
from mbp.quality.classes import Classes
from mbp.quality.findings import Finding, collect
from mbp.quality.measurable import not_measurable
from mbp.quality.samples import Sample, columns_of, sample_query, take_sample
from mbp.runs.artifacts import claim_of_run
from mbp.runs.claims import Asked, Claim, Objection, Way, objections, whole_text
from mbp.runs.control import read_control
from mbp.runs.dbt_process import target_name, target_path
from mbp.warehouse import connect

NOT_RUN = "not run"


@dataclass(frozen=True)
class Failures:
    """What was found.

    Attributes:
        findings: with their rows, in order.
        passed: how many tests and rules held.
        notes: why the results do not count at all; empty when they do.
        partial: why they speak of a part of the project alone; empty when they speak of all.
    """

    findings: Sequence[tuple[Finding, Sample]]
    passed: int
    notes: Sequence[str]
    partial: Sequence[str] = ()

    @property
    def found(self) -> bool:
        """True when anything that the run covered and measured does not hold."""
        return any(
            not finding.holds
            and not finding.is_unmeasured
            and not (self.partial and finding.verdict == NOT_RUN)
            for finding, _ in self.findings
        )

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
    """The last run of dbt: its artifacts and the verdict on every test and rule.

    Attributes:
        claim: of which warehouse, nodes and time the run is.
        objections: why it does not count for the whole project, as it is now and in this warehouse.
    """

    manifest: Mapping[str, Any]
    run_results: Mapping[str, Any]
    contracts: Sequence[Contract]
    findings: Sequence[Finding]
    claim: Claim
    objections: Sequence[Objection]

    @property
    def notes(self) -> list[str]:
        """Why no result of the run counts."""
        return [one.text for one in self.objections if one.way is not Way.PARTIAL]

    @property
    def partial(self) -> list[str]:
        """Why the results speak of a part of the project alone."""
        return [one.text for one in self.objections if one.way is Way.PARTIAL]

    def demand_whole(self) -> None:
        """Raises:
        MbpError: the run does not count for the whole project.
        """
        if self.objections:
            raise MbpError(
                f"the last run of dbt does not count: {whole_text(self.objections)}",
                cure="run `mbp build`",
            )


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


def findings_of_last_run(root: Path, target: str, *, max_age: timedelta | None = None) -> LastRun:
    """Reads the artifacts of the last run, and asks the warehouse whether it was made there.

    Args:
        max_age: an older run does not count.

    Raises:
        MbpError: no readable artifacts, no test in them, or no warehouse to ask.
    """
    folder = target_path(root)
    manifest = read_artifact(folder, "manifest.json", root)
    run_results = read_artifact(folder, "run_results.json", root)
    contracts = load_contracts(root)
    rules = all_rules(contracts)
    with connect(root, target, read_only=True) as warehouse:
        control = read_control(warehouse)
        facts = source_facts(root, warehouse)
    reasons = not_measurable(rules, facts)
    found = collect(manifest, run_results, rules, not_measurable=reasons)
    claim = claim_of_run(root, manifest, run_results, target=target, unmeasurable=reasons)
    asked = Asked(datetime.now(UTC), target, control=control, max_age=max_age)
    return LastRun(manifest, run_results, contracts, found, claim, objections(claim, asked))


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
        partial=run.partial,
    )
