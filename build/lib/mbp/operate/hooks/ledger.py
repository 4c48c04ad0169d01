"""The ledger and the evaluations: rows that are only ever added."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mbp.contracts.hook_policy import HookPolicy
from mbp.operate.hooks.decide import HookOutcome, by_hook, worst
from mbp.warehouse import Warehouse

Row = dict[str, Any]


def opened_rows(policy: HookPolicy, outcome: HookOutcome, outcomes: Mapping[str, str]) -> list[Row]:
    """Rows of `hook_events` for what opens; `outcomes` by decision id."""
    return [
        {
            "event_id": f"{decision.decision_id}/opened",
            "decision_id": decision.decision_id,
            "event": "opened",
            "hook_id": decision.hook_id,
            "kpi_id": decision.kpi_id,
            "entity": decision.entity,
            "policy_hash": policy.hash,
            "reason": decision.reason,
            "value": decision.value,
            "target": decision.target,
            "window_end": decision.window_end,
            "breached_at": decision.breached_at,
            "action": "+".join(decision.actions),
            "owner": decision.owner,
            "outcome": outcomes[decision.decision_id],
            "happened_at": decision.decided_at,
        }
        for decision in outcome.opened
    ]


def recovered_rows(
    policy: HookPolicy, outcome: HookOutcome, outcomes: Mapping[str, str]
) -> list[Row]:
    """Rows of `hook_events` for what has recovered, with what was measured then."""
    seen = {(state.hook_id, state.entity): state for state in outcome.states}
    rows = []
    for open_decision in outcome.recovered:
        state = seen.get((open_decision.hook_id, open_decision.entity))
        kpi = policy.sheet.kpis.get(open_decision.kpi_id)
        rows.append(
            {
                "event_id": f"{open_decision.decision_id}/recovered",
                "decision_id": open_decision.decision_id,
                "event": "recovered",
                "hook_id": open_decision.hook_id,
                "kpi_id": open_decision.kpi_id,
                "entity": open_decision.entity,
                "policy_hash": policy.hash,
                "reason": open_decision.reason,
                "value": state.value if state else None,
                "target": kpi.target if kpi else "",
                "window_end": state.window_end if state else None,
                "breached_at": open_decision.breached_at,
                "action": open_decision.action,
                "owner": open_decision.owner,
                "outcome": outcomes[open_decision.decision_id],
                "happened_at": outcome.now,
            }
        )
    return rows


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
