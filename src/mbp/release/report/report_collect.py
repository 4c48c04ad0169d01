"""Collects the facts of the page. Each section by itself: a section without facts says so, and hides no other."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import TypeVar

import duckdb
import psycopg2

from mbp.contracts.contract_status import matrix
from mbp.contracts.gates import load_gate
from mbp.core.errors import MbpError
from mbp.core.paths import shown
from mbp.release.gate.context import Context
from mbp.release.gate.gate_report import GateReport
from mbp.release.gate.gate_run import run_gate
from mbp.release.report import report_project
from mbp.release.report.report_facts import (
    NOT_MEASURED,
    UNREADABLE,
    Absence,
    Facts,
    MeasurementFacts,
)
from mbp.release.report.trends import watch_facts
from mbp.runs import envelope
from mbp.runs.claims import Objection, Way, objections
from mbp.runs.dbt_process import target_name

T = TypeVar("T")
PRIVACY, SECURITY = "privacy_", "security_"


def collect(root: Path, gate: str, target: str | None, page: Path) -> Facts:
    """All facts, with the gate run again.

    Args:
        page: where the page will lie; links are relative to it.

    Raises:
        MbpError: unknown target.
    """
    return facts(root, gate, target, page, lambda: run_gate(root, gate, target))


def facts(
    root: Path, gate: str, target: str | None, page: Path, run: Callable[[], GateReport]
) -> Facts:
    """All facts.

    Args:
        run: runs the gate.

    Raises:
        MbpError: unknown target.
    """
    chosen = target_name(root, target)
    now = datetime.now(UTC).replace(microsecond=0)
    source = envelope.source_digest(root)
    report = _facts_or_absence(run, f"run `mbp gate {gate}`")
    judge = _judge(root, chosen, now)
    demanded = _demanded(root, gate)
    collected = Facts(
        gate_name=gate,
        looked_at=now,
        target=chosen,
        gate=report,
        watch=_facts_or_absence(lambda: watch_facts(root, chosen), "run `mbp build`"),
        packs=_facts_or_absence(lambda: matrix(root), "see `mbp contracts status`"),
        registry=_facts_or_absence(
            lambda: report_project.registry(root), "see `mbp registry verify`"
        ),
        rules=_facts_or_absence(
            lambda: report_project.rules(root, chosen), "run `mbp quality record`"
        ),
        coverage=_facts_or_absence(lambda: report_project.coverage(root), "run `mbp build`"),
        exercises=_facts_or_absence(
            lambda: report_project.exercises(root, source), "run `mbp exercise --all`"
        ),
        waivers=_facts_or_absence(
            lambda: report_project.waivers(root, now), "see `mbp waiver check`"
        ),
        privacy=tuple(_measured(root, PRIVACY, demanded, judge)),
        security=tuple(_measured(root, SECURITY, demanded, judge)),
        measurements=_facts_or_absence(
            lambda: report_project.measurements(root, judge), "run `mbp build`"
        ),
        files=frozenset(),
        folder_to_root=_way(page.resolve().parent, root.resolve()),
    )
    return replace(collected, files=frozenset(_readable(root, sorted(set(_places(collected))))))


def _facts_or_absence(look: Callable[[], T], fix: str) -> T | Absence:
    """The facts of a section, or their absence. Only what a source can do wrong is taken for that; a mistake of
    ours still ends the command.

    Args:
        fix: where the error names none.
    """
    try:
        return look()
    except envelope.NoEvidenceError as error:
        why = error.what.removeprefix("not measured: ")
        return Absence(NOT_MEASURED, why, error.fix or fix)
    except MbpError as error:
        place = f"{error.path}: " if error.path else ""
        return Absence(UNREADABLE, f"{place}{error.what}", error.fix or fix)
    except (duckdb.Error, psycopg2.Error) as error:
        what = f"the warehouse refused: {str(error).splitlines()[0]}"
        return Absence(UNREADABLE, what, fix)


def _judge(root: Path, target: str, now: datetime) -> report_project.Judge:
    """Why a measurement is not of this source, warehouse, run, data and time; of any age. The gate asks for the age."""
    context = Context(root, target, now, 0, {})

    def judge(evidence: envelope.Evidence) -> Sequence[Objection]:
        try:
            return objections(
                evidence.claim, context.asked(evidence, needs_data=False, max_age=None)
            )
        except MbpError as error:
            return [Objection(Way.WAREHOUSE, f"it cannot be checked of what it is: {error.what}")]

    return judge


def _demanded(root: Path, gate: str) -> dict[str, str]:
    """Measurement -> the command that makes it, of those that the gate asks for."""
    try:
        checks = load_gate(root, gate).checks
    except MbpError:
        return {}  # the gate says so itself, at the top of the page
    return {
        str(check.source["evidence"]): f"`{check.command}`"
        for check in checks
        if "evidence" in check.source
    }


def _measured(
    root: Path, prefix: str, demanded: Mapping[str, str], judge: report_project.Judge
) -> Iterator[MeasurementFacts]:
    """What the gate demands under that prefix, so that missing and additional reports are shown."""
    made = envelope.names(root)
    names = sorted({name for name in (*demanded, *made) if name.startswith(prefix)})
    for name in names:
        yield report_project.measurement(root, name, judge, demanded.get(name, ""))
    if not names:
        subject = prefix.rstrip("_")
        yield MeasurementFacts(
            subject, NOT_MEASURED, "not measured yet", "", None, False, f"`mbp {subject}`"
        )


def _places(facts: Facts) -> Iterator[str]:
    """What the page would like to link to."""
    if not isinstance(facts.gate, Absence):
        yield from (place for result in facts.gate.results for place in result.evidence)
    if not isinstance(facts.watch, Absence):
        yield from (watcher.runbook for watcher in facts.watch.watchers)
    if not isinstance(facts.waivers, Absence):
        yield from (str(waiver["path"]) for waiver in facts.waivers.waivers)
    lists = [facts.privacy, facts.security]
    if not isinstance(facts.measurements, Absence):
        lists.append(facts.measurements)
    yield from (
        measurement_facts.path
        for several in lists
        for measurement_facts in several
        if measurement_facts.path
    )


def _readable(root: Path, places: Iterable[str]) -> Iterator[str]:
    """Those that a reader can open: in the project, and there."""
    for place in places:
        path = root / place
        # A path that leads out of the project is shown back as it is, which is not relative.
        if path.exists() and not PurePosixPath(shown(path, root)).is_absolute():
            yield place


def _way(folder: Path, root: Path) -> str:
    return PurePosixPath(Path(os.path.relpath(root, folder))).as_posix()
