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
    KpiFacts,
    LagFacts,
    Trend,
    WatcherFacts,
    WatchFacts,
)

if TYPE_CHECKING:
    from mbp.operate.hooks.hook_status import Row
    from mbp.operate.hooks.watch import PolicyAndWindows

# Points of a chart.
DRAWN = 96


def watch_facts(root: Path, target: str | None) -> WatchFacts:
    """One evaluation of all hooks.

    Raises:
        MbpError: policy, alarms or warehouse cannot be used.
    """
    seen = look(root, target)
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
