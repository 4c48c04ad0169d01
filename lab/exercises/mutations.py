"""Weakened hooks: each exercise must notice that its hook was removed or ignores the fault."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from typing import Any

from lab.exercises import judge
from lab.exercises.project_copy import ProjectCopy
from mbp.contracts.exercises import ExpectedDecision
from mbp.contracts.hook_policy import HookPolicy

PATIENCE = 1000


def mutated(
    faulted: ProjectCopy,
    policy: HookPolicy,
    expect: Sequence[ExpectedDecision],
    also: Sequence[str],
    detect_within_seconds: int | None,
) -> dict[str, bool]:
    """Mutant -> True when the exercise failed with it.

    Args:
        faulted: the world after the fault, before anybody watched it.
    """
    results: dict[str, bool] = {}
    for wanted in expect:
        for name in ("removed", "loosened"):
            world = faulted.copy(faulted.root.with_name(f"{faulted.root.name}-mutant"))
            judge.change_hooks(world.root, lambda hooks: _weaken(hooks, wanted, name))  # noqa: B023
            watched = world.watch()
            judged = judge.judge(world, policy, watched, expect, also, detect_within_seconds)
            results[f"{wanted.hook} {name}"] = bool(judged.problems)
            shutil.rmtree(world.root)
    return results


def _weaken(hooks: list[Any], wanted: ExpectedDecision, how: str) -> list[Any]:
    if how == "removed":
        return [hook for hook in hooks if hook["id"] != wanted.hook]
    for hook in hooks:
        if hook["id"] == wanted.hook and wanted.reason == "unknown":
            hook["must_have"] = False
        elif hook["id"] == wanted.hook:
            hook["for_windows"] = PATIENCE
    return hooks
