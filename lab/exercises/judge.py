"""What an exercise demands of the world after its fault: the decision, the action, the owner, and no more."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from lab.exercises.project_copy import TARGET, ProjectCopy
from mbp.contracts.exercises import ExpectedDecision
from mbp.contracts.hook_policy import HOOKS, Hook, HookPolicy, on_target
from mbp.core.errors import MbpError
from mbp.core.paths import state_folder
from mbp.operate.degrade.switch import status
from mbp.operate.hooks.actions import BLOCKS, DEGRADE, REMOTE, recovery_limit, rollback_limit
from mbp.operate.hooks.decide import SAFE_WHEN_UNKNOWN
from mbp.operate.hooks.hook_state import LockOf, read_lock
from mbp.operate.hooks.measurements import Decision
from mbp.operate.hooks.outbox import pending
from mbp.operate.hooks.watch import HookEvaluationRecord
from mbp.runs import envelope
from mbp.runs import exercise_report as exercises
from mbp.runs.claims import UNSAID
from mbp.runs.run_control import warehouse_id


@dataclass(frozen=True)
class ExerciseJudgement:
    """What was wrong, and the expected decisions that were made."""

    problems: Sequence[str]
    decisions: Sequence[Mapping[str, Any]]


def control_problems(watched: HookEvaluationRecord) -> list[str]:
    """The world without the fault: nothing may be red, nothing decided, no hook be wrong."""
    messages = [f"{state.hook_id} on {state.entity} is {state.colour}: {state.why}"
            for state in watched.outcome.states if state.counts_as_red]  # fmt: skip
    messages += [
        f"{decision.hook_id} on {decision.entity} was decided"
        for decision in watched.outcome.opened
    ]
    messages += [finding.sentence for finding in watched.policy.findings]
    return messages


def judge(
    world: ProjectCopy,
    policy: HookPolicy,
    watched: HookEvaluationRecord,
    expect: Sequence[ExpectedDecision],
    also: Sequence[str],
    detect_within_seconds: int | None,
) -> ExerciseJudgement:
    """Compares what happened with what was expected; reads ledger, incident, outbox and lock."""
    problems: list[str] = []
    decisions: list[Mapping[str, Any]] = []
    made = {
        (decision.hook_id, decision.entity, decision.reason): decision
        for decision in watched.outcome.opened
    }
    for wanted in expect:
        decision = made.pop((wanted.hook, wanted.entity, wanted.reason), None)
        if decision is None:
            problems.append(f"{wanted.hook} on {wanted.entity} decided nothing ({wanted.reason})")
            continue
        hook = policy.hooks[wanted.hook]
        problems += _wrong_decision(hook, decision)
        problems += _wrong_effects(world, policy, decision)
        detected = (decision.opened_at - decision.breached_at).total_seconds()
        # What the exercise says about its fault comes before the limit of every rollback.
        limit = detect_within_seconds or rollback_limit(policy, hook.id, decision.reason)
        if limit is None or detected > limit:
            problems.append(f"{hook.id} took {detected:.0f} s, over {limit} s")
        decisions.append(
            {
                "decision_id": decision.decision_id,
                "hook": hook.id,
                "entity": decision.entity,
                "reason": decision.reason,
                "action": decision.action,
                "owner": decision.owner,
                "value": None if decision.value is None else str(decision.value),
                "detect_seconds": detected,
            }
        )
    problems += [
        f"{hook_id} on {entity} was decided too ({reason})"
        for hook_id, entity, reason in made
        if hook_id not in also
    ]
    if watched.passed:
        problems.append("the watcher says that all is well")
    again = world.watch()
    problems += [f"{decision.hook_id} was decided twice" for decision in again.outcome.opened]
    return ExerciseJudgement(problems, decisions)


def _wrong_decision(hook: Hook, decision: Decision) -> list[str]:
    problems = []
    actions = hook.kpi.actions
    if decision.reason == "unknown":
        actions = tuple(action for action in actions if action in SAFE_WHEN_UNKNOWN) or (
            "open_incident",
        )
    if decision.actions != actions:
        problems.append(f"{hook.id} did {decision.action}, not {'+'.join(actions)}")
    if decision.owner != hook.kpi.owner:
        problems.append(f"{hook.id} is owned by {decision.owner}, not by {hook.kpi.owner}")
    return problems


def _wrong_effects(world: ProjectCopy, policy: HookPolicy, decision: Decision) -> list[str]:
    """The traces that the actions must have left."""
    with world.inside():
        folder = state_folder(world.root)
    problems = []
    incident = folder.incidents / f"{decision.decision_id}.md"
    if not incident.is_file() or decision.owner.split("/")[0] not in incident.read_text("utf-8"):
        problems.append(f"{decision.hook_id} left no incident with its owner")
    waiting = pending(folder)
    problems += [
        f"{decision.hook_id}: {action} is not in the outbox"
        for action in decision.actions
        if action in REMOTE and f"{decision.decision_id}.{action}.opened" not in waiting
    ]
    try:
        hours = policy.limits["lock_max_age_hours"]
        with world.open() as warehouse:
            of = LockOf(TARGET, warehouse_id(warehouse), UNSAID)
        blocks = read_lock(world.root, folder, hours, datetime.now(UTC), of=of)
    except MbpError as error:
        return [*problems, str(error)]
    kinds = {block.kind for block in blocks if block.decision_id == decision.decision_id}
    problems += [
        f"{decision.hook_id}: release.lock does not block the {BLOCKS[action]}"
        for action in decision.actions
        if action in BLOCKS and BLOCKS[action] not in kinds
    ]
    with world.open() as warehouse:
        _, rows = warehouse.query(
            "select owner from reliability.hook_decisions where decision_id = ?",
            [decision.decision_id],
        )
    if rows != [(decision.owner,)]:
        problems.append(f"{decision.hook_id} is not in the ledger with its owner")
    if DEGRADE in decision.actions:
        problems += readers_problems(world, decision.decision_id)
    return problems


def readers_problems(world: ProjectCopy, degraded_by: str | None) -> list[str]:
    """What readers see must be the snapshot, marked with its as-of time and the decision; None: live rows."""
    with world.open() as warehouse:
        seen = status(warehouse)
        _, rows = warehouse.query(
            "select distinct mode, case when mode = 'snapshot' then decision_id end, as_of is null"
            " from published.data_as_of"
        )
    messages = list(seen.problems)
    wanted = ("live" if degraded_by is None else "snapshot", degraded_by, False)
    if rows != [wanted]:
        messages.append(f"readers get {rows}, not {wanted}")
    return messages


def recovery(
    after: HookEvaluationRecord, decisions: Sequence[Mapping[str, Any]], within_seconds: int | None
) -> tuple[float | None, list[str]]:
    """(time from the decision to the recovery, what is wrong with it)."""
    closed = {decision.decision_id: decision for decision in after.outcome.recovered}
    states = {(state.hook_id, state.entity): state for state in after.outcome.states}
    problems, seconds = [], []
    for decision in decisions:
        open_decision = closed.get(decision["decision_id"])
        if open_decision is None:
            problems.append(f"{decision['hook']} has not recovered")
            continue
        state = states[decision["hook"], decision["entity"]]
        kpi = after.policy.sheet.kpis[state.kpi_id]
        if state.value is None or not on_target(kpi, float(state.value)):
            problems.append(f"{decision['hook']} is closed at {state.value}, off its target")
        seconds.append((after.outcome.now - open_decision.opened_at).total_seconds())
        limit = within_seconds or recovery_limit(after.policy, state.kpi_id)
        if limit is not None and seconds[-1] > limit:
            problems.append(
                f"{decision['hook']} recovered after {seconds[-1]:.0f} s, over {limit} s"
            )
    return max(seconds, default=None), problems


def change_hooks(root: Path, change: Callable[[list[Any]], list[Any]]) -> None:
    """Rewrites the hooks of a copy."""
    yaml = YAML(typ="rt")
    path = root / HOOKS
    document = yaml.load(path.read_text(encoding="utf-8"))
    document["hooks"] = change(document["hooks"])
    with path.open("w", encoding="utf-8") as file:
        yaml.dump(document, file)


def pretend_exercised(root: Path, policy: HookPolicy) -> None:
    """The world takes every hook as exercised: whether it is, is what the run finds out."""
    hooks = {hook.id: hook.definition_hash for hook in policy.hooks.values()}
    envelope.write(
        envelope.begin(root),
        exercises.NAME,
        summary="taken for granted",
        content=exercises.content(
            [
                {
                    "id": "taken for granted",
                    "passed": True,
                    "hooks": hooks,
                    "ran_at": datetime.now(UTC).isoformat(timespec="seconds"),
                }
            ],
            ["taken for granted"],
        ),
    )


def write_report(
    begun: envelope.Begun, policy: HookPolicy, every: Sequence[Any], results: Sequence[Any]
) -> None:
    """target/evidence/exercises.json: each exercise as it last ran; only what is in the file of today.

    Args:
        begun: taken before the first exercise.
    """
    root = begun.root
    try:
        old = dict(exercises.runs(envelope.read(root, exercises.NAME)))
    except MbpError:
        old = {}  # what cannot be read proves nothing, and is written again
    source = begun.source.digest if begun.source else None
    if source != envelope.source_digest(root):
        source = None  # it changed meanwhile: their source is not known
    hooks = {exercise.id: {wanted.hook for wanted in exercise.expect} for exercise in every}
    for result in results:
        proved = {name: policy.hooks[name].definition_hash for name in sorted(hooks[result.id])}
        old[result.id] = {
            "id": result.id,
            "what": result.what,
            "passed": result.passed,
            "hooks": proved,
            "problems": list(result.problems),
            "decisions": list(result.decisions),
            "injection_to_decision_seconds": result.decision_seconds,
            "detect_seconds": result.detect_seconds,
            "recover_seconds": result.recover_seconds,
            "mutants_killed": dict(result.mutants),
            "policy_hash": policy.hash,
            "source": source,
            "ran_at": datetime.now(UTC).isoformat(timespec="seconds"),
        }
    kept = [old[exercise.id] for exercise in every if exercise.id in old]
    passed = sum(bool(result["passed"]) for result in kept)
    envelope.write(
        begun,
        exercises.NAME,
        summary=f"{passed} of {len(every)} exercises passed, each as it last ran",
        content=exercises.content(kept, [exercise.id for exercise in every]),
    )
