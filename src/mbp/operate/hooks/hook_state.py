"""What a watcher keeps: release.lock and the outbox, on which others act, and the rows that are added to its ledger."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from mbp.contracts.hook_policy import HookPolicy
from mbp.core.errors import MbpError
from mbp.core.files import write_text
from mbp.core.paths import StateFolder, shown
from mbp.operate.hooks.decide import HookOutcome, State, by_hook, worst
from mbp.operate.hooks.measurements import Decision
from mbp.runs.claims import Asked, Claim, Said, objections, whole_text
from mbp.runs.run_control import RunControl
from mbp.warehouse import Warehouse

KINDS = ("deploy", "merge")
LOCK_VERSION = 2
Row = dict[str, Any]


@dataclass(frozen=True)
class OpenBlock:
    """One reason not to merge or deploy."""

    kind: str
    hook_id: str
    decision_id: str
    owner: str
    reason: str


@dataclass(frozen=True)
class LockOf:
    """What a release lock is of.

    Attributes:
        target: dbt target.
        warehouse: the id that is written in the warehouse of that target.
        source: digest of the source whose policy was evaluated; None outside of a git repository. UNSAID: a reader
            does not ask.
    """

    target: str
    warehouse: str
    source: Said


def write_lock(
    folder: StateFolder, blocks: Sequence[OpenBlock], policy_hash: str, *, of: LockOf
) -> None:
    """Writes release.lock as a whole; an empty list says that the watcher ran and nothing blocks."""
    document = {
        "version": LOCK_VERSION,
        "written_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "policy_hash": policy_hash,
        **vars(of),
        "blocks": [vars(block) for block in blocks],
    }
    write_text(folder.lock, json.dumps(document, indent=2, sort_keys=True) + "\n")


def demand_lock(root: Path, folder: StateFolder) -> None:
    """Raises:
    MbpError: there is no lock; nothing else has to be asked then.
    """
    if not folder.lock.is_file():
        raise MbpError(
            "not measured: the file does not exist",
            path=shown(folder.lock, root),
            fix="run `mbp watch --once` first",
        )


def read_lock(
    root: Path, folder: StateFolder, max_age_hours: int, now: datetime, *, of: LockOf
) -> list[OpenBlock]:
    """The blocks in force.

    Args:
        of: target, warehouse and source that are asked about.

    Raises:
        MbpError: no lock file, one that cannot be read, one of something else, or one that is older than
            `max_age_hours` or of the future.
    """
    demand_lock(root, folder)
    name = shown(folder.lock, root)
    fix = "run `mbp watch --once` first"
    try:
        document = json.loads(folder.lock.read_text(encoding="utf-8"))
        if document["version"] != LOCK_VERSION:
            raise ValueError(f"version {document['version']}, expected {LOCK_VERSION}")
        written = datetime.fromisoformat(document["written_at"])
        blocks = [OpenBlock(**entry) for entry in document["blocks"]]
        claim = Claim(
            began_at=written,
            ended_at=written,
            source=document["source"],
            source_after=document["source"],
            target=str(document["target"]),
            warehouse=document["warehouse"],
        )
        age = timedelta(hours=max_age_hours)
        control = RunControl(of.warehouse, {})
        asked = Asked(now, of.target, source=of.source, control=control, max_age=age)
        reasons = objections(claim, asked)
    except (OSError, ValueError, KeyError, TypeError) as error:
        what = f"is not a release lock ({type(error).__name__}: {error})"
        raise MbpError(what, path=name, fix=fix) from error
    wrong = [block.kind for block in blocks if block.kind not in KINDS]
    if wrong:
        raise MbpError(f"unknown kind of block {wrong[0]!r}", path=name, fix=fix)
    if reasons:
        what = f"does not count: {whole_text(reasons)}"
        raise MbpError(what, path=name, fix="run `mbp watch --once` on this source and target")
    return blocks


def read_message(path: Path, root: Path) -> Mapping[str, Any]:
    """A message of the outbox.

    Raises:
        MbpError: it cannot be read.
    """
    try:
        message = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        what = f"is no message of the outbox ({error})"
        raise MbpError(what, path=shown(path, root), fix="restore or remove it by hand") from error
    if not isinstance(message, dict) or {"channel", "key", "body"} - message.keys():
        raise MbpError(
            "is no message of the outbox: expected channel, key and body",
            path=shown(path, root),
            fix="restore or remove it by hand",
        )
    return message


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
