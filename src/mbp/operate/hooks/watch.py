"""`mbp watch`: evaluate once, decide, act, and write down what was done."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mbp.contracts import all_rules, load_contracts
from mbp.contracts.alarm_limits import Limits, load_limits
from mbp.contracts.hook_policy import HookPolicy, load_hooks
from mbp.core.paths import state_folder
from mbp.core.reporting import Finding, Suite
from mbp.core.wording import few, many
from mbp.ingest.cdc.watched import Alarm, alarms, read_watched
from mbp.ingest.cdc.watched import WatchedCapture as Captured
from mbp.ingest.loading.loads import TableLoad, list_loads
from mbp.ingest.loading.source_facts import source_facts
from mbp.operate.hooks import actions, alarming, hook_state, outbox
from mbp.operate.hooks.decide import HookOutcome, State, decide
from mbp.operate.hooks.hook_state import LockOf, write_lock
from mbp.operate.hooks.measurements import Decision, WarehouseFacts, picture_of
from mbp.quality.measurable import not_measurable, unmeasured_kpis
from mbp.runs.dbt_process import target_name
from mbp.runs.envelope import source_digest
from mbp.runs.run_control import warehouse_id
from mbp.warehouse import Warehouse, connect


@dataclass(frozen=True)
class HookEvaluationRecord:
    """One evaluation.

    Attributes:
        done: decision id -> what the executors did.
        problems: messages that could not be delivered; they stay in the outbox.
        still_open: every decision that is open now.
        alarms: of the change data capture; they decide nothing.
        limits: what they were judged by.
        clock: what is wrong with the project's now.
    """

    policy: HookPolicy
    outcome: HookOutcome
    done: dict[str, str]
    problems: Sequence[str]
    still_open: Sequence[Decision]
    alarms: Sequence[Alarm]
    limits: Limits
    clock: Sequence[str] = ()

    @property
    def passed(self) -> bool:
        """Nothing is red, no hook is wrong, no alarm is raised, and every message was delivered."""
        return (
            self.outcome.passed
            and not self.policy.findings
            and not self.problems
            and not self.alarms
        )

    def as_json(self) -> str:
        """The outcome, and the alarms beside it."""
        document = json.loads(self.outcome.as_json())
        document["alarms"] = [vars(alarm) for alarm in self.alarms]
        document["clock"] = list(self.clock)
        return json.dumps(document, sort_keys=True, indent=2) + "\n"


@dataclass(frozen=True)
class PolicyAndWindows:
    """What policy and warehouse say, before anything is done about it.

    Attributes:
        captured: what the control tables of the change data capture say.
        loads: of outside data, the newest first.
    """

    policy: HookPolicy
    picture: WarehouseFacts
    outcome: HookOutcome
    captured: Captured
    limits: Limits
    loads: Sequence[TableLoad] = ()

    @property
    def alarms(self) -> list[Alarm]:
        """By the clock of the warehouse: the project's now is that of the data, and is stopped with it."""
        return alarms(self.captured, self.limits, self.captured.read_at)

    @property
    def clock(self) -> list[str]:
        """What is wrong with the project's now; a clock that was set back is reported, and decides nothing."""
        return [
            problem for problem in (self.picture.clock_problem, self.picture.went_back) if problem
        ]


def look(root: Path, target: str | None) -> PolicyAndWindows:
    """What hooks and alarms say of the warehouse as it is; nothing is written or sent.

    Raises:
        MbpError: policy, alarms or warehouse cannot be used.
    """
    with connect(root, target_name(root, target), read_only=True) as warehouse:
        return look_in(root, warehouse)


def look_in(root: Path, warehouse: Warehouse) -> PolicyAndWindows:
    """The same, of an open warehouse.

    Raises:
        MbpError: policy, alarms or warehouse cannot be used.
    """
    policy, limits = load_hooks(root), load_limits(root)
    facts = source_facts(root, warehouse)
    picture = picture_of(warehouse, unmeasured_kpis(root, facts))
    rules = [rule for rule in all_rules(load_contracts(root)) if rule.severity == "error"]
    if reasons := not_measurable(root, rules, facts):
        why = f"{len(reasons)} of {len(rules)} error rules: {few(sorted(set(reasons.values())))}"
        absent = {**picture.unmeasured, "data_contract_break": why}
        picture = replace(picture, unmeasured=absent)
    return PolicyAndWindows(
        policy,
        picture,
        decide(policy, picture),
        read_watched(warehouse),
        limits,
        list_loads(warehouse),
    )


def watch_once(root: Path, target: str | None, *, dry_run: bool = False) -> HookEvaluationRecord:
    """Evaluates every hook and carries out what it decides.

    Actions come first and the ledger after them: after an interruption it is decided again, under the same
    id, and changes nothing twice.

    Args:
        dry_run: decide only; nothing is written or sent.

    Raises:
        MbpError: policy, warehouse, state folder or an endpoint cannot be used.
    """
    to = outbox.endpoints()
    # Before the policy is read: what changes afterwards is another source than the one in the lock.
    source = source_digest(root)
    if dry_run:
        seen = look(root, target)
        still_open = _still_open(seen.picture, seen.outcome)
        return HookEvaluationRecord(
            seen.policy, seen.outcome, {}, (), still_open, seen.alarms, seen.limits, seen.clock
        )
    folder = state_folder(root)
    with connect(root, target_name(root, target), create=False) as warehouse:
        of = LockOf(target_name(root, target), warehouse_id(warehouse), source)
        seen = look_in(root, warehouse)
        policy, limits, outcome = seen.policy, seen.limits, seen.outcome
        alerts = to.alertmanager is not None
        done = {
            decision.decision_id: actions.execute(root, folder, policy, decision, to, warehouse)
            for decision in outcome.opened
        }
        done |= {
            decision.decision_id: actions.take_back(
                folder, policy, decision, outcome.now, to, warehouse
            )
            for decision in outcome.recovered
        }
        still_open = _still_open(seen.picture, outcome)
        write_lock(folder, actions.blocks(policy, still_open), policy.hash, of=of)
        with warehouse.transaction():
            rows = hook_state.decision_rows(policy, outcome, done)
            hook_state.write(warehouse, "reliability.hook_events", "event_id", rows)
            hook_state.write(
                warehouse,
                "reliability.hook_evaluations",
                "evaluation_id",
                hook_state.evaluation_rows(policy, outcome),
            )
    raised = seen.alarms
    alarming.follow(root, folder, raised, limits, seen.captured.read_at, endpoint=alerts)
    problems = outbox.deliver(root, folder, to)
    return HookEvaluationRecord(
        policy, outcome, done, problems, still_open, raised, limits, seen.clock
    )


def _still_open(picture: WarehouseFacts, outcome: HookOutcome) -> list[Decision]:
    return [*outcome.kept(picture.open), *outcome.opened]


def suite_of(watched: HookEvaluationRecord) -> Suite:
    """What is red and which alarms are raised, as findings; the text of all of it as their table."""
    findings = list(watched.policy.findings)
    for state in watched.outcome.states:
        if state.counts_as_red:
            hook = watched.policy.hooks[state.hook_id]
            mark = " (counts as red)" if state.colour != "red" else ""
            message = f"{hook.kpi.name} on {state.entity}: {_measured(watched, state)}{mark}"
            fix = f"see {hook.runbook}"
            findings.append(
                Finding(hook.action, message, subject=hook.id, fix=fix, owner=hook.owner)
            )
    owner, runbook = watched.limits.owner, watched.limits.runbook
    for alarm in watched.alarms:
        fix = f"{alarm.fix}; see {runbook}"
        findings.append(
            Finding(
                alarm.id,
                f"{alarm.severity}: {alarm.message}",
                subject=alarm.subject,
                fix=fix,
                owner=owner,
            )
        )
    findings += [Finding("not_delivered", problem) for problem in watched.problems]
    findings += [Finding("clock", problem, severity="warning") for problem in watched.clock]
    return Suite(
        "mbp watch", sorted(watched.policy.hooks), findings, unit="hook", table=text(watched)
    )


def text(watched: HookEvaluationRecord) -> str:
    """What is no finding: hooks that are neither green nor red, decisions, and a line that sums up."""
    states = watched.outcome.states
    lines = [
        f"{state.colour:<8} {state.hook_id:<16} {state.entity:<16} {_measured(watched, state)}"
        for state in states
        if state.colour != "green" and not state.counts_as_red
    ]
    for decision in watched.outcome.opened:
        done = watched.done.get(decision.decision_id, "dry run: nothing was done")
        lines.append(
            f"decided  {decision.hook_id:<16} {decision.entity:<16} {decision.action},"
            f" owner {decision.owner}: {done}"
        )
    lines += [
        f"closed   {decision.hook_id:<16} {decision.entity:<16}"
        f" open since {decision.opened_at:%Y-%m-%d %H:%M:%S}"
        for decision in watched.outcome.recovered
    ]
    red = sum(state.counts_as_red for state in states)
    lines.append(
        f"{many(len(watched.policy.hooks), 'hook')}, {many(len(states), 'state')}, {red} red,"
        f" {many(len(watched.alarms), 'alarm')}, {many(len(watched.still_open), 'open decision')}"
        f" at {watched.outcome.now:%Y-%m-%d %H:%M:%S}"
    )
    return "\n".join(lines) + "\n"


def _measured(watched: HookEvaluationRecord, state: State) -> str:
    """Value, target, and why the state is what it is."""
    kpi = watched.policy.sheet.kpis[state.kpi_id]
    value = "-" if state.value is None else f"{state.value.normalize():f}"
    return f"{value} {kpi.unit} (target {kpi.target}): {state.why}"
