"""What the files of the project and its warehouse say, for the page: one function a section."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mbp.contracts.compatibility.diff import diff
from mbp.contracts.exercises import load_exercises
from mbp.contracts.hook_policy import load_hooks
from mbp.contracts.published_versions import datasets, newest, published
from mbp.contracts.registry.life import stages
from mbp.contracts.registry.odcs_documents import working
from mbp.contracts.registry.registry_view import record
from mbp.core.errors import MbpError
from mbp.core.paths import shown
from mbp.quality.monitor import monitor_view
from mbp.release.report.report_facts import (
    NOT_MEASURED,
    OTHER_FORM,
    UNREADABLE,
    MeasurementFacts,
    VersionFacts,
    WaiversFacts,
)
from mbp.release.waivers.waiver_check import record as waiver_record
from mbp.release.waivers.waiver_check import valid_waivers
from mbp.runs import envelope
from mbp.runs import exercise_report as evidence
from mbp.runs.claims import Objection, whole_text
from mbp.runs.derive_runs import has_passed

Judge = Callable[[envelope.Evidence], Sequence[Objection]]
NEVER_RUN = "never run"
SECONDS = ("injection_to_decision_seconds", "detect_seconds", "recover_seconds")
# The table of rules has one line for each; the recorded runs behind them are not shown.
RUNS = 1


def registry(root: Path) -> tuple[VersionFacts, ...]:
    """Every published version, newest first, and before them what the working copy changes.

    Raises:
        MbpError: a file of the registry or a contract cannot be read, or nothing is published.
    """
    versions: list[VersionFacts] = []
    ahead: list[VersionFacts] = []
    contracts = working(root)
    for dataset in sorted({*datasets(root), *contracts}):
        heads, by_version = published(root, dataset), stages(root, dataset)
        for version in heads:
            document, now = version.document, by_version[str(version.version)]
            facts = VersionFacts(
                dataset,
                str(version.version),
                str((document["parent"] or {}).get("version") or ""),
                tuple(_change(change) for change in document.get("changes", ())),
                version.subject,
                str(document["published_on"]),
                str(document["publisher"]),
                str(now["status"]),
                str(now.get("sunset") or ""),
                version.sha256,
            )
            versions.append(facts)
        head, contract = newest(heads), contracts.get(dataset)
        changes = diff(head.contract, contract) if head and contract else []
        if contract and (changes or head is None):
            parent = str(head.version) if head else ""
            records = tuple(_change(record(change)) for change in changes)
            ahead.append(VersionFacts(dataset, str(contract.get("version")), parent, records))
    if not versions:
        raise MbpError(
            "nothing is published", path="contracts/registry", fix="run `mbp registry publish`"
        )
    versions.sort(key=lambda version: version.dataset)
    versions.sort(key=lambda version: version.published_on, reverse=True)
    return (*ahead, *versions)


def _change(change: Any) -> dict[str, str]:
    try:
        return {key: str(change[key]) for key in ("code", "path", "backward", "forward")}
    except (KeyError, TypeError) as error:
        raise MbpError(
            f"a published change has no {error}", fix="restore the registry from git"
        ) from error


def rules(root: Path, target: str) -> tuple[dict[str, Any], ...]:
    """Where every rule is, as the recorded runs say.

    Raises:
        MbpError: nothing was recorded, or no warehouse.
    """
    try:
        rows = monitor_view.history(root, target, None, RUNS)
    except MbpError as error:
        if error.what == monitor_view.NOTHING:
            raise envelope.NoEvidenceError(error.what, fix=error.fix) from error
        raise
    return tuple({**row, "verdict": str(row["last_verdict"] or NEVER_RUN)} for row in rows)


def exercises(root: Path, source: str | None) -> tuple[dict[str, Any], ...]:
    """Every exercise of the file, each as it last ran.

    Raises:
        MbpError: none ever ran, or the file of exercises or the evidence cannot be read.
    """
    report = envelope.read(root, evidence.NAME)
    try:
        ran = {name: _ran(run, source) for name, run in evidence.runs(report).items()}
    except (KeyError, TypeError, ValueError) as error:
        raise evidence.no_report(report, error) from error
    never = {**dict.fromkeys((*SECONDS, "passed", "ran_at")), "current": False, "problems": ()}
    return tuple(
        ran.get(exercise.id) or {**never, "id": exercise.id, "what": exercise.what}
        for exercise in load_exercises(root, load_hooks(root))
    )


def _ran(run: Any, source: str | None) -> dict[str, Any]:
    of_source = source is not None and run["source"] == source
    return {
        **{key: str(run[key]) for key in ("id", "what")},
        **{key: None if run[key] is None else float(run[key]) for key in SECONDS},
        "passed": has_passed(run),
        "current": of_source and not evidence.time_problem(run, datetime.now(UTC)),
        "ran_at": datetime.fromisoformat(run["ran_at"]),
        "problems": tuple(str(problem) for problem in run["problems"]),
    }


def waivers(root: Path, now: datetime) -> WaiversFacts:
    """Every waiver, judged.

    Raises:
        MbpError: what they are judged by cannot be read.
    """
    valid = valid_waivers(root, now)
    findings = {finding for judged_waiver in valid.judged for finding in judged_waiver.findings}
    return WaiversFacts(
        tuple(waiver_record(judged_waiver, now) for judged_waiver in valid.judged),
        tuple(
            f"{problem.path}: {problem.message}"
            for problem in valid.problems
            if problem not in findings
        ),
    )


def measurements(
    root: Path, demanded: Mapping[str, str], judge: Judge
) -> tuple[MeasurementFacts, ...]:
    """Every measurement that the gate demands or that is in target/evidence, by name: a missing one is shown.

    Args:
        demanded: measurement -> the command that makes it.
    """
    names = sorted({*demanded, *envelope.names(root)})
    return tuple(measurement(root, name, judge, demanded.get(name, "")) for name in names)


def measurement(root: Path, name: str, judge: Judge, fix: str) -> MeasurementFacts:
    """One measurement, or why there is none. What is of something else is not measured.

    Args:
        judge: why a measurement does not count.
        fix: what makes it pass.
    """
    place = shown(envelope.evidence_path(root, name), root)
    try:
        measured = envelope.read(root, name)
    except envelope.NoEvidenceError:
        return MeasurementFacts(name, NOT_MEASURED, "not measured yet", "", None, False, fix)
    except MbpError as error:
        if _of_other_form(root, name):
            message = "the report of a command that has its own form; it is not judged here"
            return MeasurementFacts(name, OTHER_FORM, message, place, None, False, "")
        return MeasurementFacts(name, UNREADABLE, error.what, place, None, False, error.fix or "")
    reasons = judge(measured)
    verdict = NOT_MEASURED if reasons else measured.verdict
    summary = f"{whole_text(reasons)}; it said: {measured.summary}" if reasons else measured.summary
    return MeasurementFacts(
        name,
        verdict,
        summary,
        place,
        measured.ended_at,
        not reasons,
        "" if verdict == "pass" else fix,
    )


def _of_other_form(root: Path, name: str) -> bool:
    """A whole JSON object that does not even claim to be a measurement."""
    try:
        document = json.loads(envelope.evidence_path(root, name).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(document, dict) and not {"verdict", "summary"} & document.keys()
