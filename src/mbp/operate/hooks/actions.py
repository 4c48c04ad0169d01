"""The executors: what each action of a decision really does. All of them may be repeated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment

from mbp.contracts.hook_policy import Hook, HookPolicy
from mbp.contracts.policy import load_policy
from mbp.contracts.waiver import APPROVERS, WAIVER_DAYS
from mbp.core.errors import MbpError
from mbp.core.files import write_text
from mbp.core.paths import StateFolder
from mbp.core.wording import few, inline
from mbp.operate.degrade.switch import Switch, as_of, copies, degrade, in_force, recover
from mbp.operate.hooks.hook_state import OpenBlock
from mbp.operate.hooks.incidents import causes
from mbp.operate.hooks.measurements import Decision
from mbp.operate.hooks.outbox import ALERTMANAGER, CHAT, WEBHOOK, Endpoints, put
from mbp.warehouse import Warehouse

# What the webhook sends to an operator's system. Of these, `degrade` is carried out here as well.
REMOTE = ("degrade", "rollback", "rollback_fe", "freeze", "moderate")
CDC_LAG = "cdc_lag_p95"
DEGRADE, BREACH = "degrade", "breach"
BLOCKS = {"block_merge": "merge", "block_deploy": "deploy"}
TEMPLATE = "incident.md.j2"


@dataclass(frozen=True)
class Notice:
    """One message that a decision sends, before it is sent."""

    channel: str
    key: str
    body: Any


def notices(
    policy: HookPolicy, decision: Decision, *, recovered_at: datetime | None, cause: str = ""
) -> list[Notice]:
    """The messages of a decision that opens, or that recovered.

    Args:
        cause: what the run found, in one sentence.
    """
    hook = policy.hooks.get(decision.hook_id)
    event = "opened" if recovered_at is None else "recovered"
    facts = _facts(decision, hook, event, recovered_at, cause)
    calls = [
        Notice(WEBHOOK, f"{decision.decision_id}.{action}.{event}", {**facts, "action": action})
        for action in decision.actions
        if action in REMOTE
    ]
    alert = {
        "labels": {
            "alertname": decision.hook_id,
            "kpi": decision.kpi_id,
            "entity": decision.entity,
            "owner": decision.owner.split("/")[0],
            "severity": hook.severity if hook else "ticket",
            "decision_id": decision.decision_id,
        },
        "annotations": {name: str(value) for name, value in facts.items()},
        "startsAt": decision.breached_at.isoformat(),
    }
    if recovered_at is not None:
        alert["endsAt"] = recovered_at.isoformat()
    calls.append(Notice(ALERTMANAGER, f"{decision.decision_id}.alert.{event}", [alert]))
    chat = {**facts, "action": decision.action}
    calls.append(Notice(CHAT, f"{decision.decision_id}.chat.{event}", chat))
    return calls


def execute(
    root: Path,
    folder: StateFolder,
    policy: HookPolicy,
    decision: Decision,
    to: Endpoints,
    warehouse: Warehouse,
) -> str:
    """Carries out a decision that opens; what was done, in a few words.

    Args:
        to: where messages go; those of a channel without an endpoint would only pile up.
        warehouse: where the readers are that are degraded.
    """
    done = ["incident written"]
    found = [cause.sentence for cause in causes(root, decision.kpi_id)]
    text = incident(root, policy, decision, found)
    write_text(folder.incidents / f"{decision.decision_id}.md", text)
    cause = few(found) if found else ""
    for notice in notices(policy, decision, recovered_at=None, cause=cause):
        if notice.channel == WEBHOOK:
            done.append(f"{notice.body['action']} queued")
        elif not to.takes(notice.channel, decision.owner):
            continue
        put(folder, notice.channel, notice.key, notice.body)
    if DEGRADE in decision.actions:
        done.append(_degrade(warehouse, decision))
    done += [f"{BLOCKS[action]} blocked" for action in decision.actions if action in BLOCKS]
    if "waiver" in decision.actions:
        done.append(f"waiver asked for, at most {WAIVER_DAYS} days")
    seconds = (decision.opened_at - decision.breached_at).total_seconds()
    limit = rollback_limit(policy, decision.hook_id, decision.reason)
    if limit is not None and seconds > limit:
        done.append(f"LATE: {seconds:.0f} s after the breach, limit {limit} s")
    return "; ".join(done)


def rollback_limit(policy: HookPolicy, hook_id: str, reason: str) -> int | None:
    """Seconds from the breach to the decision; None for one that rolls nothing back."""
    if reason != BREACH or not policy.hooks[hook_id].rolls_back:
        return None
    return policy.limits["rollback_start_seconds"]


def recovery_limit(policy: HookPolicy, kpi_id: str) -> int | None:
    """Seconds from the decision to the recovery; None without a limit."""
    return policy.limits["cdc_recovery_seconds"] if kpi_id == CDC_LAG else None


def take_back(
    folder: StateFolder,
    policy: HookPolicy,
    decision: Decision,
    now: datetime,
    to: Endpoints,
    warehouse: Warehouse,
) -> str:
    """Brings readers back that the decision degraded, and notifies every receiver of the decision."""
    readers = ""
    if DEGRADE in decision.actions:
        readers = f"; {_bring_back(warehouse, decision, now)}"
    messages = []
    for notice in notices(policy, decision, recovered_at=now):
        if to.takes(notice.channel, decision.owner):
            put(folder, notice.channel, notice.key, notice.body)
            messages.append(notice.channel)
    path = folder.incidents / f"{decision.decision_id}.md"
    text = path.read_text(encoding="utf-8") if path.is_file() else f"# {decision.hook_id}\n"
    closing = f"\nRecovered at {now.isoformat()}.\n"
    if closing not in text:
        write_text(path, text + closing)
    seconds = (now - decision.opened_at).total_seconds()
    limit = recovery_limit(policy, decision.kpi_id)
    late = f"; LATE, limit {limit} s" if limit is not None and seconds > limit else ""
    return (
        f"{'recovery reported' if messages else 'recovered'} after {seconds:.0f} s{readers}{late}"
    )


def blocks(policy: HookPolicy, still_open: Sequence[Decision]) -> list[OpenBlock]:
    """What must not be merged or deployed. A wrong hook policy blocks deployments by itself."""
    open_blocks = [
        OpenBlock(
            BLOCKS[action],
            open_decision.hook_id,
            open_decision.decision_id,
            open_decision.owner,
            f"{open_decision.kpi_id}: {open_decision.reason}",
        )
        for open_decision in still_open
        for action in open_decision.actions
        if action in BLOCKS
    ]
    open_blocks += [
        OpenBlock("deploy", finding.subject, "", "PLAT", f"{finding.place}: {finding.message}")
        for finding in policy.findings
    ]
    return sorted(open_blocks, key=lambda block: (block.kind, block.hook_id, block.decision_id))


def incident(root: Path, policy: HookPolicy, decision: Decision, found: Sequence[str] = ()) -> str:
    """The record for people, in Markdown, from the template beside this module.

    Args:
        found: the causes, a sentence each.
    """
    hook = policy.hooks[decision.hook_id]
    names = {team: owner.name for team, owner in load_policy(root).owners.items()}
    measured = "no value"
    if decision.value is not None:
        measured = f"{decision.value.normalize():f} {hook.kpi.unit}"
    # Entities come out of the warehouse, the rest out of contracts: every value is shown as plain words.
    shown = Environment(keep_trailing_newline=True, finalize=inline, autoescape=False)  # noqa: S701 - Markdown
    template = shown.from_string((Path(__file__).parent / TEMPLATE).read_text(encoding="utf-8"))
    return template.render(
        decision=decision,
        hook=hook,
        kpi=hook.kpi,
        measured=measured,
        causes=found,
        owners=", ".join(f"{owner} ({names[owner]})" for owner in decision.owner.split("/")),
        policy_hash=policy.hash,
        waiver_days=WAIVER_DAYS,
        approvers=", ".join(APPROVERS),
    )


def _degrade(warehouse: Warehouse, decision: Decision) -> str:
    """Readers on the snapshot. What keeps them on the live rows is reported, and stops nothing else."""
    reason = f"{decision.hook_id}: {decision.kpi_id} off its target"
    try:
        switch = degrade(
            warehouse,
            reason=reason,
            decision_id=decision.decision_id,
            now=decision.opened_at,
        )
        reached = as_of(copies(warehouse))
    except MbpError as error:
        return f"degrade NOT done: {error}"
    by = "" if switch.decision_id == decision.decision_id else f", {_whose(switch)}"
    return f"readers see the snapshot as of {reached}{by}"


def _bring_back(warehouse: Warehouse, decision: Decision, now: datetime) -> str:
    try:
        switch = recover(
            warehouse,
            reason=f"{decision.hook_id} recovered",
            decision_id=decision.decision_id,
            now=now,
        )
        if switch is None:
            standing = in_force(warehouse)
            why = _whose(standing) if standing.mode == "snapshot" else "they are live"
            return f"readers left as they are: {why}"
    except MbpError as error:
        return f"readers NOT brought back: {error}"
    return "readers see the live rows"


def _whose(switch: Switch) -> str:
    return f"degraded before by {switch.decision_id or 'a person'}"


def _facts(
    decision: Decision, hook: Hook | None, event: str, recovered_at: datetime | None, cause: str
) -> dict[str, Any]:
    return {
        "event": event,
        "decision_id": decision.decision_id,
        "hook": decision.hook_id,
        "kpi": decision.kpi_id,
        "entity": decision.entity,
        "reason": decision.reason,
        "value": None if decision.value is None else str(decision.value),
        "samples": decision.samples,
        "cause": cause,
        "target": hook.kpi.target if hook else decision.target,
        "owner": decision.owner,
        "breached_at": decision.breached_at.isoformat(),
        "decided_at": decision.opened_at.isoformat(),
        "recovered_at": None if recovered_at is None else recovered_at.isoformat(),
        "rollback": hook.rollback if hook and decision.reason == BREACH else "",
        "runbook_url": hook.runbook_url if hook else "",
    }
