"""What the files of the project and its warehouse say, for the page: one function a section."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mbp.contracts.compatibility.diff import diff
from mbp.contracts.contract_status import matrix
from mbp.contracts.exercises import load_exercises
from mbp.contracts.hook_policy import load_hooks
from mbp.contracts.registry.life import stage
from mbp.contracts.registry.odcs_documents import working
from mbp.contracts.registry.store import datasets, newest, published
from mbp.core.errors import MbpError
from mbp.core.paths import shown
from mbp.quality.coverage.coverage_measure import Count
from mbp.quality.coverage.documentation_coverage import judge, measure_project
from mbp.quality.monitor import monitor_view
from mbp.release.report.report_facts import (
    NOT_MEASURED,
    OTHER_FORM,
    UNREADABLE,
    ChangeFacts,
    CoverageFacts,
    CoveragePart,
    ExerciseFacts,
    MeasurementFacts,
    PackFacts,
    RuleFacts,
    VersionFacts,
    WaiverFacts,
    WaiversFacts,
)
from mbp.release.waivers.waiver_check import valid_waivers
from mbp.runs import envelope
from mbp.runs import exercise_report as evidence
from mbp.runs.claims import Objection, whole_text
from mbp.runs.derive_runs import has_passed

Judge = Callable[[envelope.Evidence], Sequence[Objection]]
NEVER_RUN = "never run"
WORKING = "working copy"
# The table of rules has one line for each; the recorded runs behind them are not shown.
RUNS = 1


def packs(root: Path) -> tuple[PackFacts, ...]:
    """Contracts x packs.

    Raises:
        MbpError: contracts cannot be read, or there is none.
    """
    return tuple(PackFacts(cell.dataset, cell.pack, cell.missing) for cell in matrix(root))


def registry(root: Path) -> tuple[VersionFacts, ...]:
    """Every published version, newest first, and before them what the working copy changes.

    Raises:
        MbpError: a file of the registry or a contract cannot be read, or nothing is published.
    """
    names = datasets(root)
    version_factses: list[VersionFacts] = []
    ahead: list[VersionFacts] = []
    contracts = working(root)
    for dataset in sorted({*names, *contracts}):
        versions = published(root, dataset)
        for version in versions:
            now = stage(root, dataset, str(version.version))
            parent = version.document["parent"] or {}
            version_factses.append(
                VersionFacts(
                    dataset,
                    str(version.version),
                    version.subject,
                    str(version.document["published_on"]),
                    str(version.document["publisher"]),
                    str(now["status"]),
                    str(now.get("sunset") or ""),
                    version.sha256,
                    version.path,
                    str(parent.get("version") or ""),
                    tuple(_change(change) for change in version.document.get("changes", ())),
                )
            )
        head = newest(versions)
        contract = contracts.get(dataset)
        changed = diff(head.contract, contract) if head and contract else []
        if contract and (changed or head is None):
            ahead.append(
                VersionFacts(
                    dataset,
                    str(contract.get("version")),
                    "",
                    "",
                    "",
                    WORKING,
                    "",
                    "",
                    f"contracts/a106/{dataset}.odcs.yaml",
                    str(head.version) if head else "",
                    tuple(
                        ChangeFacts(
                            change.code, change.path, change.backward.value, change.forward.value
                        )
                        for change in changed
                    ),
                )
            )
    if not version_factses:
        raise MbpError(
            "nothing is published", path="contracts/registry", fix="run `mbp registry publish`"
        )
    version_factses.sort(key=lambda version_facts: version_facts.dataset)
    version_factses.sort(key=lambda version_facts: version_facts.published_on, reverse=True)
    return (*ahead, *version_factses)


def _change(change: Any) -> ChangeFacts:
    try:
        return ChangeFacts(*(str(change[key]) for key in ("code", "path", "backward", "forward")))
    except (KeyError, TypeError) as error:
        raise MbpError(
            f"a published change has no {error}", fix="restore the registry from git"
        ) from error


def rules(root: Path, target: str) -> tuple[RuleFacts, ...]:
    """The state of every rule in the recorded runs.

    Raises:
        MbpError: nothing was recorded, or no warehouse.
    """
    try:
        results = monitor_view.history(root, target, None, RUNS)
    except MbpError as error:
        if error.what == monitor_view.NOTHING:
            raise envelope.NoEvidenceError(error.what, fix=error.fix) from error
        raise
    return tuple(
        RuleFacts(
            id=str(row["rule_id"]),
            dataset=str(row["dataset"]),
            severity=str(row["severity"]),
            owner=str(row["owner"]),
            engine=str(row["engine"] or ""),
            verdict=str(row["last_verdict"] or NEVER_RUN),
            failing_rows=row["last_failing_rows"],
            pass_rate=None if row["pass_rate"] is None else float(row["pass_rate"]),
            recent_runs=int(row["recent_runs"]),
            last_run_at=row["last_run_at"],
        )
        for row in results
    )


def coverage(root: Path) -> CoverageFacts:
    """Documentation coverage of the last build.

    Raises:
        MbpError: no artifacts, or older ones than the build.
    """

    def part(name: str, count: Count) -> CoveragePart:
        return CoveragePart(
            name, count.described, count.missing, count.not_there, count.shown_percent
        )

    report = measure_project(root)
    judgement = judge(root, report)
    return CoverageFacts(
        part("all", report.count),
        f"{judgement.threshold_percent:g}",
        judgement.objections,
        tuple(part(name, count) for name, count in report.by("dataset").items()),
        tuple(part(name, count) for name, count in report.by("folder").items()),
    )


def exercises(root: Path, source: str | None) -> tuple[ExerciseFacts, ...]:
    """Every exercise of the file, each as it last ran.

    Raises:
        MbpError: none ever ran, or the file of exercises or the evidence cannot be read.
    """
    found = envelope.read(root, evidence.NAME)
    try:
        ran = {name: _ran(one, source) for name, one in evidence.runs(found).items()}
    except (KeyError, TypeError, ValueError) as error:
        raise evidence.no_report(found, error) from error
    return tuple(
        ran.get(exercise.id)
        or ExerciseFacts(exercise.id, exercise.what, None, False, None, None, None, None, ())
        for exercise in load_exercises(root, load_hooks(root))
    )


def _ran(one: Any, source: str | None) -> ExerciseFacts:
    def seconds(key: str) -> float | None:
        return None if one[key] is None else float(one[key])

    return ExerciseFacts(
        id=str(one["id"]),
        what=str(one["what"]),
        passed=has_passed(one),
        current=source is not None
        and one["source"] == source
        and not evidence.time_problem(one, datetime.now(UTC)),
        ran_at=datetime.fromisoformat(one["ran_at"]),
        decision_seconds=seconds("injection_to_decision_seconds"),
        detect_seconds=seconds("detect_seconds"),
        recover_seconds=seconds("recover_seconds"),
        problems=tuple(str(problem) for problem in one["problems"]),
    )


def waivers(root: Path, now: datetime) -> WaiversFacts:
    """Every waiver, judged.

    Raises:
        MbpError: what they are judged by cannot be read.
    """
    found = valid_waivers(root, now)
    findings = {finding for judged_waiver in found.judged for finding in judged_waiver.findings}
    return WaiversFacts(
        tuple(
            WaiverFacts(
                id=judged_waiver.waiver.id,
                covers=f"{judged_waiver.waiver.code.replace('_', ' ')} {judged_waiver.waiver.object}",
                reason=judged_waiver.waiver.reason,
                owner=judged_waiver.waiver.owner,
                risk="{level}: {text}".format(**judged_waiver.waiver.more["risk"]),
                opened=judged_waiver.waiver.opened,
                expires=judged_waiver.waiver.until,
                days_left=judged_waiver.waiver.days_left(now),
                rollback=judged_waiver.waiver.more["rollback"]["plan"],
                exercise=judged_waiver.waiver.more["rollback"]["exercise"],
                approvals=tuple(
                    role for role, signed in judged_waiver.approvals.items() if signed.valid
                ),
                problems=tuple(finding.message for finding in judged_waiver.findings),
                path=judged_waiver.waiver.path,
            )
            for judged_waiver in found.judged
        ),
        tuple(
            f"{problem.path}: {problem.message}"
            for problem in found.problems
            if problem not in findings
        ),
    )


def measurements(root: Path, judge: Judge) -> tuple[MeasurementFacts, ...]:
    """Every report in target/evidence, by name.

    Raises:
        MbpError: there is none.
    """
    names = envelope.names(root)
    if not names:
        raise envelope.NoEvidenceError("no evidence yet", fix="run `mbp build`")
    return tuple(measurement(root, name, judge, "") for name in names)


def measurement(root: Path, name: str, judge: Judge, fix: str) -> MeasurementFacts:
    """One measurement, or why there is none. What is of something else is not measured.

    Args:
        judge: why a measurement does not count.
        fix: what makes it pass.
    """
    place = shown(envelope.evidence_path(root, name), root)
    try:
        one = envelope.read(root, name)
    except envelope.NoEvidenceError:
        return MeasurementFacts(name, NOT_MEASURED, "not measured yet", "", None, False, fix)
    except MbpError as error:
        if _of_other_form(root, name):
            message = "the report of a command that has its own form; it is not judged here"
            return MeasurementFacts(name, OTHER_FORM, message, place, None, False, "")
        return MeasurementFacts(name, UNREADABLE, error.what, place, None, False, error.fix or "")
    reasons = judge(one)
    verdict = NOT_MEASURED if reasons else one.verdict
    summary = f"{whole_text(reasons)}; it said: {one.summary}" if reasons else one.summary
    return MeasurementFacts(
        name,
        verdict,
        summary,
        place,
        one.ended_at,
        not reasons,
        "" if verdict == "pass" else fix,
    )


def _of_other_form(root: Path, name: str) -> bool:
    """A whole JSON object that does not even claim to be a measurement."""
    try:
        found = json.loads(envelope.evidence_path(root, name).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and not {"verdict", "summary"} & found.keys()
