"""The ledger and the evaluations: rows that are only ever added."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mbp.contracts.hook_policy import HookPolicy
from mbp.operate.hooks.decide import HookOutcome, State, by_hook, worst
from mbp.operate.hooks.measurements import Decision
from mbp.warehouse import Warehouse

Row = dict[str, Any]


def decision_rows(
    policy: HookPolicy, outcome: HookOutcome, outcomes: Mapping[str, str]
) -> list[Row]:
    """Rows of `hook_events` for what opens, and for what has recovered with what was measured then.

    Args:
        outcomes: by decision id.
    """
    seen = {(state.hook_id, state.entity): state for state in outcome.states}
    rows = [
        _row(policy, decision, "opened", decision, decision.target, outcomes)
        for decision in outcome.opened
    ]
    for decision in outcome.recovered:
        kpi = policy.sheet.kpis.get(decision.kpi_id)
        state = seen.get((decision.hook_id, decision.entity))
        target = kpi.target if kpi else ""
        row = _row(policy, decision, "recovered", state, target, outcomes)
        rows.append({**row, "happened_at": outcome.now})
    return rows


def _row(
    policy: HookPolicy,
    decision: Decision,
    event: str,
    measured: Decision | State | None,
    target: str,
    outcomes: Mapping[str, str],
) -> Row:
    copied = (
        "decision_id",
        "hook_id",
        "kpi_id",
        "entity",
        "reason",
        "breached_at",
        "action",
        "owner",
    )
    return {
        "event_id": f"{decision.decision_id}/{event}",
        "event": event,
        **{name: getattr(decision, name) for name in copied},
        "policy_hash": policy.hash,
        "value": measured.value if measured else None,
        "target": target,
        "window_end": measured.window_end if measured else None,
        "outcome": outcomes[decision.decision_id],
        "happened_at": decision.opened_at,
    }


def evaluation_rows(policy: HookPolicy, outcome: HookOutcome) -> list[Row]:
    """Rows of `hook_evaluations`: one per hook that was evaluated."""
    return [
        {
            "evaluation_id": f"{hook_id}/{outcome.now.isoformat()}",
            "hook_id": hook_id,
            "definition_hash": policy.hooks[hook_id].definition_hash,
            "state": worst([state.colour for state in states]),
            "evaluated_at": outcome.now,
        }
        for hook_id, states in sorted(by_hook(outcome.states).items())
    ]


def write(warehouse: Warehouse, table: str, key: str, rows: Sequence[Row]) -> None:
    """Adds rows, each in place of an earlier one with the same key. Call it inside a transaction."""
    mark = warehouse.mark
    for row in rows:
        warehouse.execute(f"delete from {table} where {key} = {mark}", [row[key]])
        marks = ", ".join([mark] * len(row))
        warehouse.execute(
            f"insert into {table} ({', '.join(row)}) values ({marks})", list(row.values())
        )
