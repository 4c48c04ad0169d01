"""`mbp quality failures`: what the last run found, with rows read again, for a person or for a program."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from mbp.contracts import Contract, all_rules, load_contracts
from mbp.core.errors import MbpError
from mbp.core.masking import as_text, plain_row
from mbp.core.reporting import Finding, Suite
from mbp.core.verdict import Verdict
from mbp.core.wording import many
from mbp.ingest.loading.source_facts import source_facts
from mbp.quality.measurable import not_measurable
from mbp.quality.rule_findings import RuleVerdict, collect
from mbp.quality.samples import FailingRows, classes_of, sample_query, take_sample
from mbp.runs.artifacts import claim_of_run, read_artifact
from mbp.runs.claims import Asked, Claim, Objection, Way, objections, whole_text
from mbp.runs.dbt_process import target_name, target_path
from mbp.runs.run_control import read_control
from mbp.warehouse import connect

WIDEST = 60
WIDTH = 100


@dataclass(frozen=True)
class Failures:
    """What was found.

    Attributes:
        findings: with their rows, in order.
        passed: how many tests and rules held.
        notes: why the results do not count at all; empty when they do.
        partial: why they speak of a part of the project alone; empty when they speak of all.
    """

    findings: Sequence[tuple[RuleVerdict, FailingRows]]
    passed: int
    notes: Sequence[str]
    partial: Sequence[str] = ()

    @property
    def inside(self) -> Sequence[tuple[RuleVerdict, FailingRows]]:
        """Those of the part that the run was of."""
        return [pair for pair in self.findings if not (self.partial and pair[0].is_not_run)]

    @property
    def has_findings(self) -> bool:
        """True when anything that the run covered and measured does not hold."""
        return any(not found.holds and not found.is_unmeasured for found, _ in self.inside)

    @property
    def unmeasured(self) -> list[str]:
        """Ids of the rules of severity error that the loaded source cannot show."""
        return [
            rule_verdict.rule_id
            for rule_verdict, _ in self.findings
            if rule_verdict.blocks and rule_verdict.is_unmeasured
        ]


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
    findings: Sequence[RuleVerdict]
    claim: Claim
    objections: Sequence[Objection]

    @property
    def notes(self) -> list[str]:
        """Why no result of the run counts."""
        return [objection.text for objection in self.objections if objection.way is not Way.PARTIAL]

    @property
    def partial(self) -> list[str]:
        """Why the results speak of a part of the project alone."""
        return [objection.text for objection in self.objections if objection.way is Way.PARTIAL]

    def demand_whole(self) -> None:
        """Raises:
        MbpError: the run does not count for the whole project.
        """
        if self.objections:
            raise MbpError(
                f"the last run of dbt does not count: {whole_text(self.objections)}",
                fix="run `mbp build`",
            )


def demand_current(notes: Sequence[str]) -> None:
    """Returns when the results belong to the current project: a verdict on another version is not valid.

    Args:
        notes: why they may not be, as in `LastRun`.

    Raises:
        MbpError: the first reason.
    """
    if notes:
        raise MbpError(
            f"the last run is not of the project as it is: {notes[0]}",
            fix="run `mbp build` (or `dbt build`, `dbt test`), then ask again",
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
    reasons = not_measurable(root, rules, facts)
    rule_verdicts = collect(manifest, run_results, rules, not_measurable=reasons)
    claim = claim_of_run(root, manifest, run_results, target=target, unmeasurable=reasons)
    asked = Asked(datetime.now(UTC), target, control=control, max_age=max_age)
    return LastRun(manifest, run_results, contracts, rule_verdicts, claim, objections(claim, asked))


def look_at_last_run(root: Path, *, target: str | None = None, limit: int = 5) -> Failures:
    """Reads the last run and samples failing rows.

    Args:
        root: the dbt project.
        target: dbt target whose tables are read; `DBT_TARGET` or duckdb without it.
        limit: most rows shown of one finding.

    Raises:
        MbpError: no readable artifacts, no test in them, or no warehouse to read rows from.
    """
    target = target_name(root, target)
    run = findings_of_last_run(root, target)
    compiled = {
        result["unique_id"]: str(result.get("compiled_code") or "")
        for result in run.run_results["results"]
    }
    rule_verdicts = [finding for finding in run.findings if not finding.holds]
    queries = {
        finding.rule_id: sample_query(finding, run.manifest, compiled) for finding in rule_verdicts
    }
    samples: dict[str, FailingRows] = {}
    if limit > 0 and any(queries.values()):
        with connect(root, target, read_only=True) as warehouse:
            classes = classes_of(run.contracts, run.manifest, warehouse)
            for finding in rule_verdicts:
                query = queries[finding.rule_id]
                samples[finding.rule_id] = take_sample(
                    query, warehouse, limit=limit, classes=classes
                )
    return Failures(
        findings=[
            (finding, samples.get(finding.rule_id, FailingRows())) for finding in rule_verdicts
        ],
        passed=len(run.findings) - len(rule_verdicts),
        notes=run.notes,
        partial=run.partial,
    )


def suite(failures: Failures) -> Suite:
    """What does not hold and what is not measured; meanings and rows as the table.

    Rules outside of the part that the run was of are counted only.
    """
    bad = [pair for pair in failures.inside if not pair[0].holds]
    lines = [f"note: {note}" for note in failures.notes]
    lines += [f"partial: {note}" for note in failures.partial]
    if failures.partial:
        outside = len(failures.findings) - len(failures.inside)
        lines.append(f"partial: this run did not check {many(outside, 'rule')}")
    for rule_verdict, sample in bad:
        if rule_verdict.is_broken or rule_verdict.verdict == Verdict.ERROR:
            lines += _meaning_and_rows(rule_verdict, sample)
    unmeasured = sum(finding.is_unmeasured for finding, _ in failures.findings)
    lines.append(
        f"{failures.passed} passed" + (f", {unmeasured} NOT MEASURED" if unmeasured else "")
    )
    return Suite(
        "mbp quality failures",
        ["run_results.json"],
        [_finding(*pair) for pair in bad],
        table="\n".join(lines),
    )


def _finding(rule_verdict: RuleVerdict, sample: FailingRows) -> Finding:
    rows = rule_verdict.failing_rows if sample.failing_rows is None else sample.failing_rows
    finding = rule_verdict.finding
    if rows is None or finding.not_measured or "failing row" in finding.message:
        return finding
    return replace(
        finding, message=f"{finding.message}; {rows} failing row{'' if rows == 1 else 's'}"
    )


def _meaning_and_rows(rule_verdict: RuleVerdict, sample: FailingRows) -> list[str]:
    lines = [f"{rule_verdict.rule_id}: {' '.join(rule_verdict.description.split())}".rstrip()]
    if sample.rows:
        shown = f"showing {len(sample.rows)}"
        hidden = f", masked: {', '.join(sample.hidden)}" if sample.hidden else ""
        lines.append(f"  rows ({shown}{hidden})")
        lines += [f"    {_row(row)}" for row in sample.rows]
    elif sample.note and rule_verdict.is_broken:
        lines.append(f"  {sample.note}")
    return lines


def _row(row: Mapping[str, Any]) -> str:
    """One row as name=value, one line, long values cut."""
    parts = []
    for name, value in row.items():
        text = "null" if value is None else " ".join(as_text(value).split())
        parts.append(f"{name}={text if len(text) <= WIDEST else text[: WIDEST - 1] + '…'}")
    return "  ".join(parts)


def listed(names: Sequence[str]) -> list[str]:
    """Names, sorted, on as many indented lines as they need."""
    indent = " " * 6
    return textwrap.wrap(
        ", ".join(sorted(names)), WIDTH, initial_indent=indent, subsequent_indent=indent
    )


def as_json(failures: Failures) -> dict[str, Any]:
    """All findings for machines; `sample.rows` hold text for what JSON has no type for."""
    return {
        "passed": failures.passed,
        "stale": list(failures.notes),
        "partial": list(failures.partial),
        "findings": [
            {
                **asdict(finding),
                "failing_rows": finding.failing_rows
                if sample.failing_rows is None
                else sample.failing_rows,
                "sample": {
                    "rows": [plain_row(row) for row in sample.rows],
                    "masked": list(sample.hidden),
                    "note": sample.note,
                },
            }
            for finding, sample in failures.findings
        ],
    }
