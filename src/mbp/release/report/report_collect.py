"""Collects the facts of the page. Each section by itself: a section without facts says so, and hides no other."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import TypeVar

import duckdb
import psycopg2

from mbp.contracts.contract_status import matrix
from mbp.contracts.gates import load_gate
from mbp.contracts.hook_policy import on_target
from mbp.contracts.sheet import WHOLE, Kpi
from mbp.core.errors import MbpError
from mbp.core.paths import shown
from mbp.core.reporting.chart import Point
from mbp.core.verdict import COMPARISONS
from mbp.operate.hooks import hook_status as screen
from mbp.operate.hooks.actions import CDC_LAG
from mbp.operate.hooks.hook_status import Row
from mbp.operate.hooks.measurements import KpiWindow
from mbp.operate.hooks.watch import PolicyAndWindows, look
from mbp.quality.coverage import documentation_coverage
from mbp.release.gate.context import Context
from mbp.release.gate.gate_report import GateReport
from mbp.release.report import report_project
from mbp.release.report.report_facts import (
    NOT_MEASURED,
    UNREADABLE,
    Absence,
    Facts,
    KpiFacts,
    LagFacts,
    WatcherFacts,
    WatchFacts,
)
from mbp.runs import envelope
from mbp.runs.claims import Objection, Way, objections
from mbp.runs.dbt_process import target_name

T = TypeVar("T")


def collect(
    root: Path, gate: str, target: str | None, page: Path, run: Callable[[], GateReport]
) -> Facts:
    """All facts.

    Args:
        page: where the page will lie; links are relative to it.
        run: runs the gate.

    Raises:
        MbpError: unknown target.
    """
    chosen = target_name(root, target)
    now = datetime.now(UTC).replace(microsecond=0)
    source = envelope.source_digest(root)
    report = _facts_or_absence(run, f"run `mbp gate {gate}`")
    judge = _judge(root, chosen, now)
    collected = Facts(
        gate_name=gate,
        looked_at=now,
        target=chosen,
        gate=report,
        watch=_facts_or_absence(lambda: watch_facts(look(root, chosen)), "run `mbp build`"),
        packs=_facts_or_absence(lambda: matrix(root), "see `mbp contracts status`"),
        registry=_facts_or_absence(
            lambda: report_project.registry(root), "see `mbp registry verify`"
        ),
        rules=_facts_or_absence(
            lambda: report_project.rules(root, chosen), "run `mbp quality record`"
        ),
        coverage=_facts_or_absence(
            lambda: documentation_coverage.judge(
                root, documentation_coverage.measure_project(root)
            ),
            "run `mbp build`",
        ),
        exercises=_facts_or_absence(
            lambda: report_project.exercises(root, source), "run `mbp exercise --all`"
        ),
        waivers=_facts_or_absence(
            lambda: report_project.waivers(root, now), "see `mbp waiver check`"
        ),
        measurements=report_project.measurements(root, _demanded(root, gate), judge),
        files=frozenset(),
        folder_to_root=Path(os.path.relpath(root.resolve(), page.resolve().parent)).as_posix(),
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


def _places(facts: Facts) -> Iterator[str]:
    """What the page would like to link to."""
    if not isinstance(facts.gate, Absence):
        yield from (place for result in facts.gate.results for place in result.evidence)
    if not isinstance(facts.watch, Absence):
        yield from (watcher.runbook for watcher in facts.watch.watchers)
    if not isinstance(facts.waivers, Absence):
        yield from (str(waiver["path"]) for waiver in facts.waivers.waivers)
    yield from (measurement.path for measurement in facts.measurements if measurement.path)


def _readable(root: Path, places: Iterable[str]) -> Iterator[str]:
    """Those that a reader can open: in the project, and there."""
    for place in places:
        path = root / place
        # A path that leads out of the project is shown back as it is, which is not relative.
        if path.exists() and not PurePosixPath(shown(path, root)).is_absolute():
            yield place


# Points of a chart.
DRAWN = 96


def watch_facts(seen: PolicyAndWindows) -> WatchFacts:
    """What people are shown of one evaluation of all hooks."""
    shown = screen.status(seen.policy, seen.picture, seen.outcome, seen.alarms, seen.loads)
    lag = seen.policy.sheet.kpis.get(CDC_LAG)
    return WatchFacts(
        now=seen.picture.now,
        kpis=tuple(_kpi(seen, row) for row in shown.rows),
        watchers=tuple(_watchers(seen)),
        open=tuple(shown.open),
        alarms=tuple(shown.alarms),
        findings=tuple(shown.findings),
        rejects=tuple(shown.rejects),
        lag=tuple(_lag(seen, lag)) if lag else (),
        lag_target=f"{lag.target} {lag.unit}" if lag else "",
        lag_bound=lag.bound if lag else None,
    )


def drawn(kpi: Kpi, windows: Sequence[KpiWindow]) -> list[Point]:
    """At most `DRAWN` points, oldest first: of neighbouring windows the worst one, so that no miss is smoothed away."""
    oldest_first = list(windows)[::-1]
    size = -(-len(oldest_first) // DRAWN) or 1
    return [
        _worst(kpi, oldest_first[start : start + size])
        for start in range(0, len(oldest_first), size)
    ]


def _worst(kpi: Kpi, windows: Sequence[KpiWindow]) -> Point:
    known = [
        trend for trend in (_trend(kpi, window) for window in windows) if trend.value is not None
    ]
    if not known:
        return _trend(kpi, windows[-1])
    return max(known, key=lambda trend: (trend.missed, _badness(kpi, trend.value or 0.0)))


def _badness(kpi: Kpi, value: float) -> float:
    if kpi.operator == "==":
        return abs(value - kpi.bound)
    return value if kpi.operator in ("<=", "<") else -value


def _trend(kpi: Kpi, kpi_window: KpiWindow) -> Point:
    if kpi_window.value is None:
        return Point(kpi_window.window_end, None, False)
    value = float(kpi_window.value)
    return Point(kpi_window.window_end, value, not COMPARISONS[kpi.operator](value, kpi.bound))


def _kpi(seen: PolicyAndWindows, row: Row) -> KpiFacts:
    kpi = seen.policy.sheet.kpis[row.kpi]
    windows = seen.picture.windows.get((row.kpi, row.entity), ())
    every = tuple(_trend(kpi, window) for window in windows)
    return KpiFacts(row, kpi.bound, kpi.definition, every, tuple(drawn(kpi, windows)))


def _watchers(seen: PolicyAndWindows) -> Iterator[WatcherFacts]:
    for state in seen.outcome.states:
        hook = seen.policy.hooks[state.hook_id]
        yield WatcherFacts(
            hook=hook.id,
            kpi=hook.kpi.name,
            entity=state.entity,
            state=state.colour,
            counts_as_red=state.counts_as_red,
            must_have=hook.must_have,
            why=state.why,
            action=hook.action,
            owner=hook.kpi.owner,
            runbook=hook.runbook,
        )


def _lag(seen: PolicyAndWindows, kpi: Kpi) -> Iterator[LagFacts]:
    for (kpi_id, entity), windows in sorted(seen.picture.windows.items()):
        if kpi_id != kpi.id or entity == WHOLE:
            continue
        newest = windows[0]
        value = None if newest.value is None else float(newest.value)
        yield LagFacts(
            table=entity,
            value=value,
            missed=not on_target(kpi, value),
            samples=newest.samples,
            window_end=newest.window_end,
            trend=tuple(drawn(kpi, windows)),
        )
