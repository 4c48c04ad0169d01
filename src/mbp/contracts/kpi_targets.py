"""Hooks and KPIs as tables, for `mbp hooks show` and for docs/reference/hooks.md."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mbp.contracts.hook_policy import HookPolicy
from mbp.contracts.sheet import Kpi
from mbp.core.templates import templates
from mbp.core.verdict import COMPARISONS

if TYPE_CHECKING:
    from mbp.contracts.exercises import Exercise


def on_target(kpi: Kpi, value: float | None) -> bool:
    """False for a missed target and for no value."""
    return value is not None and COMPARISONS[kpi.operator](value, kpi.bound)


def rows(policy: HookPolicy) -> list[dict[str, str]]:
    """Every valid hook with all its facts, in the order of the file."""
    return [
        {
            "hook": hook.id,
            "kpi": hook.kpi.id,
            "threshold": hook.kpi.target,
            "window": hook.kpi.window,
            "entities": hook.entities,
            "for_windows": str(hook.for_windows),
            "watcher": hook.kpi.watcher,
            "action": hook.action,
            "owner": hook.kpi.owner,
            "route": hook.receiver,
            "severity": hook.severity,
            "must_have": "yes" if hook.must_have else "no",
            "rollback": hook.rollback,
            "runbook": hook.runbook,
            "evidence": ", ".join(hook.evidence),
        }
        for hook in policy.hooks.values()
    ]


def markdown(policy: HookPolicy, exercises: Sequence[Exercise]) -> str:
    """docs/reference/hooks.md: the sheet, the hooks and the exercises, each as a table."""
    template = templates("mbp.contracts").get_template("hooks.md.j2")
    return template.render(policy=policy, kpis=policy.sheet.kpis.values(), exercises=exercises)
