"""`mbp status`: the state of everything, on one screen of 80 columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from textwrap import wrap
from typing import Any

from mbp.contracts.hook_policy import HookPolicy
from mbp.contracts.sheet import WHOLE
from mbp.core.reporting.terminal import paint
from mbp.ingest.cdc.watched import Alarm
from mbp.ingest.loading.loads import TableLoad
from mbp.operate.hooks.decide import HookOutcome, State, by_hook, worst
from mbp.operate.hooks.measurements import Decision, KpiWindow, WarehouseFacts

BARS = "▁▂▃▄▅▆▇█"
TREND = 8
WIDTH = 80
# Digits of an id that a person types.
SHORT = 8
COLOURS = {"green": "32", "pending": "33", "unknown": "35", "red": "31"}


@dataclass(frozen=True)
class Row:
    """One KPI. `entity` is the one that is worst where every entity is watched by itself."""

    kpi: str
    name: str
    value: str
    unit: str
    target: str
    window: str
    trend: Sequence[float | None]
    state: str
    counts_as_red: bool
    entity: str
    owner: str
    why: str
    open_decisions: int
    samples: int | None = None


@dataclass(frozen=True)
class HookStatus:
    """Everything that the screen shows."""

    now: str
    policy_hash: str
    passed: bool
    rows: Sequence[Row]
    open: Sequence[Decision]
    findings: Sequence[str]
    alarms: Sequence[Alarm]
    rejects: Sequence[str]


def status(
    policy: HookPolicy,
    picture: WarehouseFacts,
    outcome: HookOutcome,
    alarms: Sequence[Alarm],
    loads: Sequence[TableLoad] = (),
) -> HookStatus:
    """Every KPI of the sheet, also one that no hook watches, the alarms of the change data capture, and the loads."""
    states = by_hook(outcome.states)
    by_kpi = {hook.kpi.id: hook for hook in policy.hooks.values()}
    rows = []
    for kpi in policy.sheet.kpis.values():
        hook = by_kpi.get(kpi.id)
        state = _worst_state(states.get(hook.id, ())) if hook else None
        entity = state.entity if state else WHOLE
        windows = picture.windows.get((kpi.id, entity), ())
        value = windows[0].value if windows else None
        rows.append(
            Row(
                kpi.id,
                kpi.name,
                "-" if value is None else _short(float(value)),
                kpi.unit,
                kpi.target,
                kpi.window,
                _trend(windows),
                state.colour if state else "no hook",
                state.counts_as_red if state else True,
                entity,
                kpi.owner,
                state.why if state else "no valid hook watches it",
                sum(decision.kpi_id == kpi.id for decision in picture.open),
                windows[0].samples if windows else None,
            )
        )
    return HookStatus(
        picture.now.isoformat(),
        policy.hash,
        outcome.passed
        and not policy.findings
        and not alarms
        and all(load.rejected <= load.max_rejects for load in loads),
        rows,
        picture.open,
        [f"{finding.place}: {finding.sentence}" for finding in policy.findings],
        alarms,
        [load.rejects for load in loads if load.rejected],
    )


def text(hook_status: HookStatus, *, colour: bool) -> str:
    """The screen. Colours only for a terminal."""
    verdict = "all green" if hook_status.passed else "NOT GREEN"
    lines = [
        f"{hook_status.now[:19]} UTC  {verdict}",
        "",
        f"{'KPI':<20}{'value':>8} {'':<3}{'target':>6} {'over':<4} {'samples':>7} {'trend':<{TREND}} "
        f"{'state':<7} {'owner':<6} open",
    ]
    for row in hook_status.rows:
        unit = row.unit if len(row.unit) <= 3 else ""  # noqa: PLR2004 (the width of its column)
        painted = f"{row.state:<7}"
        if colour:
            painted = paint(painted, COLOURS.get(row.state, "31"))
        samples = "" if row.samples is None else row.samples
        lines.append(
            f"{row.name:<20.20}{row.value:>8} {unit:<3}{row.target:>6} {row.window:<4} {samples:>7} "
            f"{spark(row.trend):<{TREND}} {painted} {row.owner:<6} {row.open_decisions or ''}".rstrip()
        )
    reasons = [row for row in hook_status.rows if row.state != "green"]
    if reasons:
        lines.append("")
        for row in reasons:
            lines += wrap(f"{row.name} ({row.entity}): {row.why}", WIDTH, subsequent_indent="  ")
    lines += ["", f"open decisions: {len(hook_status.open)}"]
    for decision in hook_status.open:
        opened = f"  {decision.opened_at:%Y-%m-%d %H:%M} {decision.hook_id} {decision.entity}:"
        lines.append(f"{opened} {decision.action} ({decision.owner})"[:WIDTH])
        lines.append(f"    next: mbp incident show {decision.decision_id[:SHORT]}")
    lines += [
        f"alarm: {alarm.id} {alarm.subject} ({alarm.severity}): {alarm.message}"[:WIDTH]
        for alarm in hook_status.alarms
    ]
    lines += hook_status.rejects
    lines += [f"finding: {finding}" for finding in hook_status.findings]
    return "\n".join(lines) + "\n"


def as_json(hook_status: HookStatus) -> dict[str, Any]:
    """The same facts for machines."""
    return asdict(hook_status)


def spark(values: Sequence[float | None]) -> str:
    """A bar per value, oldest first; a dot where there was none."""
    known = [value for value in values if value is not None]
    if not known:
        return "." * len(values)
    low, span = min(known), max(known) - min(known)
    return "".join(
        "."
        if value is None
        else BARS[round((value - low) / span * (len(BARS) - 1))]
        if span
        else BARS[0]
        for value in values
    )


def _worst_state(states: Sequence[State]) -> State | None:
    if not states:
        return None
    colour = worst([state.colour for state in states])
    return next(state for state in states if state.colour == colour)


def _trend(windows: Sequence[KpiWindow]) -> list[float | None]:
    newest = list(windows[:TREND])[::-1]
    return [None if kpi_window.value is None else float(kpi_window.value) for kpi_window in newest]


def _short(value: float) -> str:
    """At most eight characters."""
    for digits in (2, 1, 0):
        message = f"{value:.{digits}f}"
        if len(message) <= 8:  # noqa: PLR2004 (the width of the column)
            return message
    return f"{value:.1e}"
