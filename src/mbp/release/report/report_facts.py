"""Everything that the page says, as plain values: the page is a pure function of them.

A section whose source is absent or broken is an `Absence` and not an empty list: what was not checked must be reported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mbp.contracts.contract_status import Cell
from mbp.contracts.gates import SIGN_OFF_AREA
from mbp.core.reporting.chart import Point
from mbp.core.verdict import Verdict
from mbp.ingest.cdc.watched import Alarm
from mbp.operate.hooks.hook_status import Row
from mbp.operate.hooks.measurements import Decision
from mbp.quality.coverage.documentation_coverage import CoverageJudgement
from mbp.release.gate.gate_report import GateReport

NOT_MEASURED, UNREADABLE = Verdict.NOT_MEASURED, "cannot be read"
OTHER_FORM = "not judged here"


@dataclass(frozen=True)
class Absence:
    """A section that has nothing to show.

    Attributes:
        word: one of the constants above.
        fix: the command or the deed that changes it.
    """

    word: str
    why: str
    fix: str


@dataclass(frozen=True)
class KpiFacts:
    """One KPI of the measurement sheet.

    Attributes:
        row: as `mbp status` shows it.
        bound: the number of the target, where the line of the chart runs.
        every: its windows one by one, newest first.
        trend: what is drawn of them, oldest first; a point is one window, or the worst of some neighbouring ones.
    """

    row: Row
    bound: float
    definition: str
    every: Sequence[Point]
    trend: Sequence[Point]


@dataclass(frozen=True)
class WatcherFacts:
    """One hook on one entity."""

    hook: str
    kpi: str
    entity: str
    state: str
    counts_as_red: bool
    must_have: bool
    why: str
    action: str
    owner: str
    runbook: str


@dataclass(frozen=True)
class LagFacts:
    """The lag of change data capture of one table in its newest window."""

    table: str
    value: float | None
    missed: bool
    samples: int
    window_end: datetime
    trend: Sequence[Point]


@dataclass(frozen=True)
class WatchFacts:
    """The result of one evaluation of the hooks.

    Attributes:
        now: the project's, which is the time of the data.
        findings: what is wrong with the definitions, one line each.
        rejects: loads of outside data that rejected rows, one line each.
        lag_target: of the change data capture, with its unit; empty when the sheet has none.
    """

    now: datetime
    kpis: Sequence[KpiFacts]
    watchers: Sequence[WatcherFacts]
    open: Sequence[Decision]
    alarms: Sequence[Alarm]
    findings: Sequence[str]
    lag: Sequence[LagFacts]
    lag_target: str
    lag_bound: float | None
    rejects: Sequence[str] = ()


@dataclass(frozen=True)
class VersionFacts:
    """A published version, or (with `published_on` empty) what is changed since in the working copy.

    Attributes:
        changes: code, path, backward and forward of each.
    """

    dataset: str
    version: str
    parent: str
    changes: Sequence[Mapping[str, str]]
    subject: str = ""
    published_on: str = ""
    publisher: str = ""
    stage: str = ""
    sunset: str = ""
    sha256: str = ""


@dataclass(frozen=True)
class WaiversFacts:
    """All waivers as `mbp waiver check` records them, and what is wrong with the files of which none could be read."""

    waivers: Sequence[Mapping[str, Any]]
    problems: Sequence[str]


@dataclass(frozen=True)
class MeasurementFacts:
    """One file of target/evidence, or the reason why it says nothing.

    Attributes:
        verdict: pass, fail, or one of the constants above.
        current: whether it is of the source as it is now.
    """

    name: str
    verdict: str
    summary: str
    path: str
    measured_at: datetime | None
    current: bool
    fix: str


@dataclass(frozen=True)
class Facts:
    """The whole page.

    Attributes:
        rules: rows of `mbp quality history`, each with the verdict of its last run or `never run`.
        exercises: each as `mbp exercise` recorded it; `passed` is None for one that never ran, `current` says whether
            it ran on the source as it is now.
        looked_at: when all this was collected, in UTC.
        files: paths (relative to the project) that are there, of those that the page wants to link to.
        folder_to_root: from the folder of the page to the project, such as `..`; empty: no links are made.
    """

    gate_name: str
    looked_at: datetime
    target: str
    gate: GateReport | Absence
    watch: WatchFacts | Absence
    packs: Sequence[Cell] | Absence
    registry: Sequence[VersionFacts] | Absence
    rules: Sequence[Mapping[str, Any]] | Absence
    coverage: CoverageJudgement | Absence
    exercises: Sequence[Mapping[str, Any]] | Absence
    waivers: WaiversFacts | Absence
    measurements: Sequence[MeasurementFacts]
    files: frozenset[str]
    folder_to_root: str

    @property
    def unknown(self) -> list[str]:
        """What the verdict does not rest on, because it is not measured, cannot be read or is stale."""
        if isinstance(self.gate, Absence):
            return [f"gate {self.gate_name}: {self.gate.why}"]
        return [
            f"{result.id}: {result.verdict}: {result.message}"
            for result in self.gate.results
            if result.verdict == Verdict.NOT_MEASURED and result.area != SIGN_OFF_AREA
        ]
