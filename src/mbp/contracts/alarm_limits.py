"""contracts/a110/cdc_alarms.yaml: from where on what is watched of the change data capture is an alarm."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from mbp.contracts.policy import load_policy
from mbp.core.dbt_project import read_project
from mbp.core.errors import MbpError
from mbp.core.forms import Above0, Beside, Count, PartPercent, Version, read_as
from mbp.core.paths import ROOT_MARK, is_file_inside
from mbp.core.schema_check import wrong_at
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


@dataclass(frozen=True)
class AlarmEntry:
    """An alarm without a threshold, or whose threshold is not here."""

    severity: Literal["page", "ticket"]
    why: str


@dataclass(frozen=True)
class SlotAlarm(AlarmEntry):
    """Raised above a share of what the source may keep for the slot."""

    above_percent: PartPercent

    @property
    def share(self) -> float:
        """Between 0 and 1."""
        return self.above_percent / 100


@dataclass(frozen=True)
class LettersAlarm(AlarmEntry):
    """Raised above so many changes of one table in quarantine."""

    above_changes: Count


@dataclass(frozen=True)
class SilenceAlarm(AlarmEntry):
    """Raised after so many seconds without a sign of life of the reader."""

    above_seconds: Above0


@dataclass(frozen=True)
class AlarmEntries:
    """Each alarm by its id."""

    cdc_slot_filling: SlotAlarm
    cdc_slot_nearly_full: SlotAlarm
    cdc_slot_lost: AlarmEntry
    cdc_dead_letters: LettersAlarm
    cdc_stream_stopped: AlarmEntry
    cdc_reader_silent: SilenceAlarm
    cdc_clock_skew: AlarmEntry
    cdc_unseen: AlarmEntry


@dataclass(frozen=True)
class Limits:
    """When what is watched is an alarm, and who answers.

    Attributes:
        owner: the team; hooks.yaml has its route.
        skew_seconds: between the clocks of source and reader, either way.
    """

    version: Version
    owner: str
    runbook: str
    alarms: AlarmEntries
    runbook_url: Beside[str] = ""
    skew_seconds: Beside[float] = 0.0


def load_limits(root: Path) -> Limits:
    """Reads the alarms, and the limit of the clocks from dbt_project.yml.

    Raises:
        MbpError: missing or wrong, an owner that is not in the policy, no such runbook, or a page before its ticket.
    """
    document, limits = read_as(Limits, root, FILE)
    load_policy(root).check_owner(limits.owner, FILE, line_of(document, "owner"))
    if not is_file_inside(root, limits.runbook):
        what = f"the runbook {limits.runbook} does not exist"
        raise wrong_at(document, "runbook", FILE, what, "write it, or correct the path")
    filling = limits.alarms.cdc_slot_filling.above_percent
    full = limits.alarms.cdc_slot_nearly_full.above_percent
    if filling >= full:
        node = document["alarms"][SLOT_NEARLY_FULL]
        what = (
            f"{SLOT_NEARLY_FULL} is raised at {full} %, no later than {SLOT_FILLING} at {filling} %"
        )
        raise wrong_at(node, "above_percent", FILE, what, "give it the higher number")
    url = page_url(site_address(root), limits.runbook)
    return replace(limits, runbook_url=url, skew_seconds=_skew_seconds(root))


def _skew_seconds(root: Path) -> float:
    """What dbt judges the clocks by."""
    skew = read_project(root).get("vars", {}).get(SKEW_VARIABLE)
    if isinstance(skew, bool) or not isinstance(skew, int | float) or skew <= 0:
        fix = "give it seconds above zero"
        raise MbpError(f"the variable {SKEW_VARIABLE} is {skew!r}", path=ROOT_MARK, fix=fix)
    return float(skew)
