"""What hooks and KPI windows say, for the page: short enough to draw, and nothing that was missed is lost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mbp.contracts.kpi_targets import COMPARISONS, on_target
from mbp.contracts.sheet import WHOLE, Kpi
from mbp.operate.hooks import hook_status as screen
from mbp.operate.hooks.actions import CDC_LAG
from mbp.operate.hooks.measurements import KpiWindow
from mbp.operate.hooks.watch import look
from mbp.release.report.report_facts import (
    AlarmFacts,
    KpiFacts,
    LagFacts,
    OpenFacts,
    Trend,
    WatcherFacts,
    WatchFacts,
)

if TYPE_CHECKING:
    from mbp.operate.hooks.hook_status import Row
    from mbp.operate.hooks.watch import PolicyAndWindows

# Points of a chart, and windows that the table beside it lists one by one.
DRAWN = 96
TOLD = 12


def watch_facts(root: Path, target: str | None) -> WatchFacts:
    """One evaluation of all hooks.

    Raises:
        MbpError: policy, alarms or warehouse cannot be used.
    """
    seen = look(root, target)
    shown = screen.status(seen.policy, seen.picture, seen.outcome, seen.alarms)
    lag = seen.policy.sheet.kpis.get(CDC_LAG)
    return WatchFacts(
        now=seen.picture.now,
        kpis=tuple(_kpi(seen, row) for row in shown.rows),
        watchers=tuple(_watchers(seen)),
        open=tuple(
            OpenFacts(
                open_decision.decision_id,
                open_decision.hook_id,
                open_decision.entity,
                open_decision.reason,
                open_decision.action,
                open_decision.owner,
                open_decision.opened_at,
            )
            for open_decision in shown.open
        ),
        alarms=tuple(
            AlarmFacts(alarm.id, alarm.severity, alarm.subject, alarm.message, alarm.fix)
            for alarm in shown.alarms
        ),
        findings=tuple(shown.findings),
        lag=tuple(_lag(seen, lag)) if lag else (),
        lag_target=f"{lag.target} {lag.unit}" if lag else "",
        lag_bound=lag.bound if lag else None,
    )


def drawn(kpi: Kpi, windows: Sequence[KpiWindow], most: int = DRAWN) -> list[Trend]:
    """At most `most` points, oldest first: of neighbouring windows the worst one, so that no miss is smoothed away."""
    oldest_first = list(windows)[::-1]
    size = -(-len(oldest_first) // most) or 1
    return [
        _worst(kpi, oldest_first[start : start + size])
        for start in range(0, len(oldest_first), size)
    ]


def _worst(kpi: Kpi, windows: Sequence[KpiWindow]) -> Trend:
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


def _trend(kpi: Kpi, kpi_window: KpiWindow) -> Trend:
    if kpi_window.value is None:
        return Trend(kpi_window.window_end, None, False)
    value = float(kpi_window.value)
    return Trend(kpi_window.window_end, value, not COMPARISONS[kpi.operator](value, kpi.bound))


def _kpi(seen: PolicyAndWindows, row: Row) -> KpiFacts:
    kpi = seen.policy.sheet.kpis[row.kpi]
    windows = seen.picture.windows.get((row.kpi, row.entity), ())
    every = [_trend(kpi, window) for window in windows]
    return KpiFacts(
        id=row.kpi,
        name=row.name,
        value=row.value,
        unit=row.unit,
        target=row.target,
        bound=kpi.bound,
        window=row.window,
        state=row.state,
        counts_as_red=row.counts_as_red,
        entity=row.entity,
        owner=row.owner,
        why=row.why,
        definition=kpi.definition,
        windows=len(every),
        missed=sum(trend.missed for trend in every),
        empty=sum(trend.value is None for trend in every),
        trend=tuple(drawn(kpi, windows)),
        newest=tuple(every[:TOLD]),
    )


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
