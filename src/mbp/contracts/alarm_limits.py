"""contracts/a110/cdc_alarms.yaml: from where on what is watched of the change data capture is an alarm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mbp.contracts.policy import load_policy
from mbp.core.dbt_project import read_project
from mbp.core.errors import MbpError
from mbp.core.paths import ROOT_MARK, is_file_inside
from mbp.core.schema_check import TEXT, closed, read_form, wrong_at
from mbp.core.site_pages import page_url, site_address
from mbp.core.yaml_io import line_of

FILE = "contracts/a110/cdc_alarms.yaml"
SLOT_FILLING, SLOT_NEARLY_FULL, SLOT_LOST = (
    "cdc_slot_filling",
    "cdc_slot_nearly_full",
    "cdc_slot_lost",
)
DEAD_LETTERS, STREAM_STOPPED = "cdc_dead_letters", "cdc_stream_stopped"
READER_SILENT, CLOCK_SKEW, UNSEEN = "cdc_reader_silent", "cdc_clock_skew", "cdc_unseen"
SKEW_VARIABLE = "mbp_clock_skew_seconds"
PERCENT = {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 100}
# Alarm -> the key of its threshold and its allowed values; None: it has no threshold, or not here.
THRESHOLDS: dict[str, tuple[str, Mapping[str, Any]] | None] = {
    SLOT_FILLING: ("above_percent", PERCENT),
    SLOT_NEARLY_FULL: ("above_percent", PERCENT),
    SLOT_LOST: None,
    DEAD_LETTERS: ("above_changes", {"type": "integer", "minimum": 0}),
    STREAM_STOPPED: None,
    READER_SILENT: ("above_seconds", {"type": "number", "exclusiveMinimum": 0}),
    CLOCK_SKEW: None,
    UNSEEN: None,
}


def _entry(threshold: tuple[str, Mapping[str, Any]] | None) -> dict[str, Any]:
    own = {} if threshold is None else {threshold[0]: threshold[1]}
    return closed({**own, "severity": {"enum": ["page", "ticket"]}, "why": TEXT})


SCHEMA = closed(
    {
        "version": {"const": 1},
        "owner": TEXT,
        "runbook": TEXT,
        "alarms": closed({name: _entry(threshold) for name, threshold in THRESHOLDS.items()}),
    }
)


@dataclass(frozen=True)
class Limits:
    """When what is watched is an alarm, and who answers.

    Attributes:
        owner: the team; hooks.yaml has its route.
        severity: alarm -> 'page' or 'ticket'.
        why: alarm -> the reason for its threshold and severity.
        filling_share, full_share: of what the source may keep for the slot, between 0 and 1.
        dead_letters: changes of one table that may be in quarantine.
        silence_seconds: without a sign of life of the reader.
        skew_seconds: between the clocks of source and reader, either way.
    """

    owner: str
    runbook: str
    runbook_url: str
    severity: Mapping[str, str]
    why: Mapping[str, str]
    filling_share: float
    full_share: float
    dead_letters: int
    silence_seconds: float
    skew_seconds: float


def load_limits(root: Path) -> Limits:
    """Reads the alarms, and the limit of the clocks from dbt_project.yml.

    Raises:
        MbpError: missing or wrong, an owner that is not in the policy, no such runbook, or a page before its ticket.
    """
    document, value = read_form(root, FILE, SCHEMA)
    alarms = value["alarms"]
    load_policy(root).check_owner(value["owner"], FILE, line_of(document, "owner"))
    if not is_file_inside(root, value["runbook"]):
        what = f"the runbook {value['runbook']} does not exist"
        raise wrong_at(document, "runbook", FILE, what, "write it, or correct the path")
    filling, full = (alarms[name]["above_percent"] for name in (SLOT_FILLING, SLOT_NEARLY_FULL))
    if filling >= full:
        node = document["alarms"][SLOT_NEARLY_FULL]
        what = (
            f"{SLOT_NEARLY_FULL} is raised at {full} %, no later than {SLOT_FILLING} at {filling} %"
        )
        raise wrong_at(node, "above_percent", FILE, what, "give it the higher number")
    return Limits(
        owner=value["owner"],
        runbook=value["runbook"],
        runbook_url=page_url(site_address(root), value["runbook"]),
        severity={name: entry["severity"] for name, entry in alarms.items()},
        why={name: entry["why"].strip() for name, entry in alarms.items()},
        filling_share=filling / 100,
        full_share=full / 100,
        dead_letters=alarms[DEAD_LETTERS]["above_changes"],
        silence_seconds=float(alarms[READER_SILENT]["above_seconds"]),
        skew_seconds=_skew_seconds(root),
    )


def _skew_seconds(root: Path) -> float:
    """What dbt judges the clocks by."""
    skew = read_project(root).get("vars", {}).get(SKEW_VARIABLE)
    if isinstance(skew, bool) or not isinstance(skew, int | float) or skew <= 0:
        fix = "give it seconds above zero"
        raise MbpError(f"the variable {SKEW_VARIABLE} is {skew!r}", path=ROOT_MARK, fix=fix)
    return float(skew)
