"""The decision itself: a pure function of the policy and of what was measured.

The same policy hash and the same picture give the same outcome, byte for byte: nothing here reads a clock,
a file or an environment variable.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from mbp.contracts.hook_policy import Hook, HookPolicy
from mbp.contracts.sheet import WHOLE
from mbp.core.canonical_json import digest
from mbp.core.moments import is_future, objection
from mbp.core.wording import many
from mbp.operate.hooks.measurements import Decision, KpiWindow, WarehouseFacts

Colour = Literal["green", "pending", "red", "unknown"]
# Worst last.
COLOURS: tuple[Colour, ...] = ("green", "pending", "unknown", "red")
# A watcher without data must stop a release and notify its owner. It does not roll back or freeze: nothing
# shows that there is anything wrong with what runs.
SAFE_WHEN_UNKNOWN = ("block_merge", "block_deploy")
STALE_AFTER_WINDOWS = 3


@dataclass(frozen=True)
class State:
    """The state of one hook on one entity.

    Attributes:
        counts_as_red: red, or unknown for a must-have.
        why: in a few words, for people.
        since: begin of the breach as far as it can be known; None while there is none.
    """

    hook_id: str
    kpi_id: str
    entity: str
    colour: Colour
    counts_as_red: bool
    value: Decimal | None
    samples: int | None
    window_end: datetime | None
    since: datetime | None
    why: str


@dataclass(frozen=True)
class HookOutcome:
    """Every state, what opens and what has recovered."""

    policy_hash: str
    now: datetime
    states: Sequence[State]
    opened: Sequence[Decision]
    recovered: Sequence[Decision]

    @property
    def passed(self) -> bool:
        """No hook is red, and no must-have lacks data."""
        return bool(self.states) and not any(state.counts_as_red for state in self.states)

    def kept(self, before: Sequence[Decision]) -> list[Decision]:
        """Those that have not recovered."""
        closed = {decision.decision_id for decision in self.recovered}
        return [decision for decision in before if decision.decision_id not in closed]

    def as_json(self) -> str:
        """Canonical text: the same outcome is the same bytes."""
        document = asdict(self)
        for entry, decision in zip(document["opened"], self.opened, strict=True):
            entry |= {"actions": decision.actions, "decided_at": decision.opened_at}
        return json.dumps(document, sort_keys=True, indent=2, default=_told) + "\n"


def decide(policy: HookPolicy, picture: WarehouseFacts) -> HookOutcome:
    """What the hooks say about the picture."""
    still_open = {
        (decision.hook_id, decision.entity, decision.reason): decision for decision in picture.open
    }
    states: list[State] = []
    opened: list[Decision] = []
    recovered: list[Decision] = []
    for name in sorted(policy.hooks):
        hook = policy.hooks[name]
        for state in _states(hook, picture):
            states.append(state)
            breach = still_open.get((hook.id, state.entity, "breach"))
            blind = still_open.get((hook.id, state.entity, "unknown"))
            if blind and state.colour != "unknown":
                recovered.append(blind)
            if breach and state.colour == "green":
                recovered.append(breach)
            if state.counts_as_red and not breach and not (blind and state.colour == "unknown"):
                opened.append(_decision(policy, hook, state, picture))
    # Removing a hook must not lift what it blocked; removing its KPI from the sheet does.
    recovered += [decision for decision in picture.open if decision.kpi_id not in policy.sheet.kpis]
    return HookOutcome(policy.hash, picture.now, tuple(states), tuple(opened), tuple(recovered))


def worst(colours: Sequence[Colour]) -> Colour:
    """The worst of several states."""
    return max(colours, key=COLOURS.index)


def _states(hook: Hook, picture: WarehouseFacts) -> Iterator[State]:
    if hook.entities == WHOLE:
        yield _state(hook, WHOLE, picture.windows.get((hook.kpi.id, WHOLE), ()), picture)
        return
    seen_red = False
    for (kpi_id, entity), windows in sorted(picture.windows.items()):
        if kpi_id != hook.kpi.id or entity == WHOLE:
            continue
        state = _state(hook, entity, windows, picture)
        # An entity that went quiet has nothing to tell; a decision on it stays open until it speaks.
        # One that speaks of the future is not quiet.
        ahead = bool(windows) and is_future(windows[0].window_end, picture.now)
        if state.colour != "unknown" or ahead:
            seen_red = True
            yield state
    if not seen_red:
        windows = picture.windows.get((hook.kpi.id, WHOLE), ())
        yield _state(hook, WHOLE, windows, picture)


def _state(hook: Hook, entity: str, windows: Sequence[KpiWindow], picture: WarehouseFacts) -> State:
    if hook.kpi.id in picture.unmeasured and (not windows or windows[0].value is None):
        why = f"not measured: {picture.unmeasured[hook.kpi.id]}"
        return _seen(hook, entity, "unknown", windows[0] if windows else None, None, why)
    if not windows:
        return _seen(hook, entity, "unknown", None, None, "never measured")
    newest, now = windows[0], picture.now
    if picture.clock_problem:
        return _seen(hook, entity, "unknown", newest, None, picture.clock_problem)
    every = timedelta(minutes=hook.kpi.every_minutes)
    is_run = newest.window_start == newest.window_end
    patience = every if is_run else STALE_AFTER_WINDOWS * every
    if is_future(newest.window_end, now):
        why = f"the newest measurement is {objection(newest.window_end, now, None)}"
        return _seen(hook, entity, "unknown", newest, None, why)
    if objection(newest.window_end, now, patience):
        why = f"the newest measurement is older than {patience}"
        return _seen(hook, entity, "unknown", newest, newest.window_end, why)
    if newest.verdict not in ("ok", "breach"):
        return _seen(hook, entity, "unknown", newest, newest.window_end - every, newest.verdict)
    if newest.verdict == "ok":
        return _seen(hook, entity, "green", newest, None, "within target")
    run = _breach_run(windows, every)
    # The window before this run was fine, so the breach is at most one step older than its first window.
    since = run[-1].window_end - (timedelta(0) if is_run else every)
    if len(run) < hook.for_windows:
        why = f"{len(run)} of {hook.for_windows} windows"
        return _seen(hook, entity, "pending", newest, since, why)
    return _seen(hook, entity, "red", newest, since, many(len(run), "window"))


def _breach_run(windows: Sequence[KpiWindow], every: timedelta) -> list[KpiWindow]:
    """The windows in a row, newest first, that are a breach."""
    run: list[KpiWindow] = []
    for window in windows:
        if window.verdict != "breach" or (run and run[-1].window_end - window.window_end > every):
            break
        run.append(window)
    return run


def _seen(
    hook: Hook,
    entity: str,
    colour: Colour,
    newest: KpiWindow | None,
    since: datetime | None,
    why: str,
) -> State:
    blind = colour == "unknown" and hook.must_have
    return State(
        hook.id,
        hook.kpi.id,
        entity,
        colour,
        colour == "red" or blind,
        newest.value if newest else None,
        newest.samples if newest else None,
        newest.window_end if newest else None,
        since,
        why,
    )


def _decision(policy: HookPolicy, hook: Hook, state: State, picture: WarehouseFacts) -> Decision:
    reason = "breach" if state.colour == "red" else "unknown"
    since = None if state.since is None else state.since.isoformat()
    facts = [policy.hash, hook.id, state.entity, reason, since]
    decision_id = digest(facts)[:32]
    # The same breach can return within its window, after a recovery: it is decided again, under its own id.
    while decision_id in picture.seen:
        decision_id = digest([decision_id])[:32]
    actions = hook.kpi.actions
    if reason == "unknown":
        actions = tuple(action for action in actions if action in SAFE_WHEN_UNKNOWN) or (
            "open_incident",
        )
    return Decision(
        decision_id,
        hook.id,
        hook.kpi.id,
        state.entity,
        reason,
        "+".join(actions),
        hook.kpi.owner,
        opened_at=picture.now,
        breached_at=state.since or picture.now,
        value=state.value,
        target=hook.kpi.target,
        window_end=state.window_end,
        samples=state.samples,
    )


def _told(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def by_hook(states: Sequence[State]) -> Mapping[str, Sequence[State]]:
    """Hook id -> its states."""
    grouped: dict[str, list[State]] = {}
    for state in states:
        grouped.setdefault(state.hook_id, []).append(state)
    return grouped
