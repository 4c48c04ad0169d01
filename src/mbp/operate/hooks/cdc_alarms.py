"""What is watched of the change data capture beside its lag: the metrics of its alarms.

The lag is a KPI with a hook. These say why it will soon miss its target, or that a change is missing although the lag
is fine; they decide nothing and need a person. contracts/a110/cdc_alarms.yaml says when they are raised.
"""

from __future__ import annotations

from collections.abc import Mapping

from mbp.contracts.alarm_limits import FILE, Limits
from mbp.contracts.hook_policy import HOOKS
from mbp.core.errors import MbpError
from mbp.ingest.cdc.watched import WatchedCapture, age_seconds

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
