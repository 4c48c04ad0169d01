"""Alarms of the change data capture on their way to Alertmanager, and the end of each.

Which alarms are open is remembered in the state folder, because an alarm is not measured by dbt and decides nothing:
the ledger of decisions stays what the hooks decided.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from mbp.contracts.alarm_limits import FILE, Limits
from mbp.contracts.hook_policy import HOOKS
from mbp.core.canonical_json import digest
from mbp.core.errors import MbpError
from mbp.core.files import write_text
from mbp.core.moments import is_future
from mbp.core.paths import StateFolder, shown
from mbp.ingest.cdc.watched import Alarm, WatchedCapture, age_seconds
from mbp.operate.hooks.outbox import ALERTMANAGER, put

OPEN = "alarms.json"
# Alertmanager forgets what is not repeated, and all of it when it restarts: sent every hour, valid for two.
AGAIN = timedelta(hours=1)


@dataclass(frozen=True)
class OpenAlarm:
    """An alarm that was sent, and since when it is open."""

    alarm: Alarm
    since: datetime

    @property
    def key(self) -> str:
        """The same alarm, raised at the same instant: the same key."""
        facts = [self.alarm.id, self.alarm.subject, self.alarm.severity, self.since.isoformat()]
        return f"{self.alarm.id}.{digest(facts)[:16]}"


def follow(
    root: Path,
    folder: StateFolder,
    alarms: Sequence[Alarm],
    limits: Limits,
    now: datetime,
    *,
    endpoint: bool,
) -> None:
    """Remembers what is open, and queues what has to be sent: what is raised, what goes on, what has ended.

    After an interruption it is done again under the same keys, and sends nothing twice.

    Args:
        endpoint: an Alertmanager is configured; without one its messages would only pile up.

    Raises:
        MbpError: the file of open alarms cannot be read.
    """
    before = read_open(root, folder)
    open_alarms = {_identity(earlier.alarm): earlier for earlier in before}
    still = [OpenAlarm(alarm, _since(open_alarms, alarm, now)) for alarm in alarms]
    ended = [
        earlier
        for earlier in before
        if _identity(earlier.alarm) not in {_identity(new) for new in alarms}
    ]
    if before or still:
        _write(folder, [*still, *ended])
    if endpoint:
        for open_alarm in still:
            times = max(0, (now - open_alarm.since) // AGAIN)
            until = open_alarm.since + (times + 2) * AGAIN
            key = f"{open_alarm.key}.raised.{times:05d}"
            put(folder, ALERTMANAGER, key, _body(open_alarm, limits, until))
        for open_alarm in ended:
            # Open for the receivers only if it was sent.
            body = _body(open_alarm, limits, now)
            put(folder, ALERTMANAGER, f"{open_alarm.key}.recovered", body)
    if ended:
        _write(folder, still)


def read_open(root: Path, folder: StateFolder) -> list[OpenAlarm]:
    """The alarms that were open at the last watch; none without a file.

    Raises:
        MbpError: the file cannot be read.
    """
    path = folder.path / OPEN
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return [
            OpenAlarm(Alarm(**entry["alarm"]), datetime.fromisoformat(entry["since"]))
            for entry in document["open"]
        ]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError) as error:
        what = f"is not a list of open alarms ({type(error).__name__}: {error})"
        fix = "remove it: what is open is raised again"
        raise MbpError(what, path=shown(path, root), fix=fix) from error


def _identity(alarm: Alarm) -> tuple[str, str, str]:
    """A changed severity is another alarm: it goes elsewhere."""
    return alarm.id, alarm.subject, alarm.severity


def _since(
    open_alarms: Mapping[tuple[str, str, str], OpenAlarm], alarm: Alarm, now: datetime
) -> datetime:
    before = open_alarms.get(_identity(alarm))
    # After a clock was set back: it would not be repeated until the clock has caught up.
    return before.since if before and not is_future(before.since, now) else now


def _body(open_alarm: OpenAlarm, limits: Limits, until: datetime) -> list[dict[str, Any]]:
    slot, _, table = open_alarm.alarm.subject.partition("/")
    labels = {
        "alertname": open_alarm.alarm.id,
        "entity": table or slot,
        "slot": slot,
        "owner": limits.owner,
        "severity": open_alarm.alarm.severity,
    }
    return [
        {
            "labels": labels,
            "annotations": {
                "summary": f"{open_alarm.alarm.subject}: {open_alarm.alarm.message}",
                "fix": open_alarm.alarm.fix,
                "runbook_url": limits.runbook_url,
            },
            "startsAt": open_alarm.since.isoformat(),
            "endsAt": until.isoformat(),
        }
    ]


def _write(folder: StateFolder, alarms: Sequence[OpenAlarm]) -> None:
    document = {
        "version": 1,
        "open": [
            {"alarm": vars(alarm.alarm), "since": alarm.since.isoformat()} for alarm in alarms
        ],
    }
    write_text(folder.path / OPEN, json.dumps(document, indent=2, sort_keys=True) + "\n")


GAUGES = {
    "mbp_cdc_dead_letters": "Changes that are not in the change log of a table, parked ones among them.",
    "mbp_cdc_stream_stopped": "1 while a table is stopped at its position, else 0.",
    "mbp_cdc_slot_retained_bytes": "Log that the source kept for the slot when the reader last checked.",
    "mbp_cdc_slot_limit_bytes": "Log that the source may keep for it.",
    "mbp_cdc_clock_skew_seconds": "Clock of the source minus clock of the reader.",
    "mbp_cdc_reader_age_seconds": "Since the reader last wrote down that it lives, at the time of reading.",
    "mbp_cdc_unseen": "Control tables that the role of the exporter may not read.",
}
Sample = tuple[str, Mapping[str, str], float]


def samples(watched: WatchedCapture) -> list[Sample]:
    """What the control tables of a warehouse say; nothing where no reader ever wrote into it."""
    pairs: list[Sample] = []
    if watched.unseen:
        pairs.append(("mbp_cdc_unseen", {}, len(watched.unseen)))
    for slot in watched.slots:
        for table in watched.tables:
            labels, key = {"slot": slot, "table": table}, (slot, table)
            pairs.append(("mbp_cdc_dead_letters", labels, watched.dead_letters.get(key, 0)))
            pairs.append(("mbp_cdc_stream_stopped", labels, int(key in watched.stopped)))
    for reader in watched.readers:
        measured = {
            "mbp_cdc_slot_retained_bytes": reader.retained_bytes,
            "mbp_cdc_slot_limit_bytes": reader.limit_bytes,
            "mbp_cdc_clock_skew_seconds": reader.skew_seconds,
            "mbp_cdc_reader_age_seconds": age_seconds(reader, watched.read_at),
        }
        pairs += [
            (name, {"slot": reader.slot}, value)
            for name, value in measured.items()
            if value is not None
        ]
    return pairs


def demand_route(limits: Limits, receivers: Mapping[str, str]) -> None:
    """Refuses alarms that would reach no one.

    Raises:
        MbpError: their owner has no route.
    """
    if limits.owner not in receivers:
        raise MbpError(
            f"the owner {limits.owner} has no route: an alarm would reach no one",
            path=FILE,
            fix=f"add {limits.owner} to `routes` in {HOOKS}",
        )
