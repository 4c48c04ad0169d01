"""Everything that the page says, as plain values: the page is a pure function of them.

A section whose source is absent or broken is an `Absence` and not an empty list: what was not checked must be reported.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from mbp.contracts.gates import SIGN_OFF_AREA
from mbp.core.verdict import Verdict
from mbp.release.gate.gate_report import CheckResult, GateReport

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
class Trend:
    """One value of a window, or the worst of some neighbouring windows."""

    at: datetime
    value: float | None
    missed: bool


@dataclass(frozen=True)
class KpiFacts:
    """One KPI of the measurement sheet.

    Attributes:
        value, target: as they are shown, without the unit.
        bound: the number of the target, where the line of the chart runs.
        state: green, pending, red, unknown, or `no hook`.
        counts_as_red: whether it blocks a release.
        entity: what the trend is of, the worst one where each is watched by itself.
        windows, missed, empty: how many windows are reported, are off target, and have no value.
        trend: oldest first.
        newest: the last windows one by one, newest first.
    """

    id: str
    name: str
    value: str
    unit: str
    target: str
    bound: float
    window: str
    state: str
    counts_as_red: bool
    entity: str
    owner: str
    why: str
    definition: str
    windows: int
    missed: int
    empty: int
    trend: Sequence[Trend]
    newest: Sequence[Trend]


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
class OpenFacts:
    """A decision that has not recovered."""

    decision_id: str
    hook: str
    entity: str
    reason: str
    action: str
    owner: str
    opened_at: datetime


@dataclass(frozen=True)
class AlarmFacts:
    """An alarm of the change data capture."""

    id: str
    severity: str
    subject: str
    message: str
    fix: str


@dataclass(frozen=True)
class LagFacts:
    """The lag of change data capture of one table in its newest window."""

    table: str
    value: float | None
    missed: bool
    samples: int
    window_end: datetime
    trend: Sequence[Trend]


@dataclass(frozen=True)
class WatchFacts:
    """The result of one evaluation of the hooks.

    Attributes:
        now: the project's, which is the time of the data.
        findings: what is wrong with the definitions, one line each.
        lag_target: of the change data capture, with its unit; empty when the sheet has none.
    """

    now: datetime
    kpis: Sequence[KpiFacts]
    watchers: Sequence[WatcherFacts]
    open: Sequence[OpenFacts]
    alarms: Sequence[AlarmFacts]
    findings: Sequence[str]
    lag: Sequence[LagFacts]
    lag_target: str
    lag_bound: float | None


@dataclass(frozen=True)
class PackFacts:
    """One pack of one dataset; complete when nothing is missing."""

    dataset: str
    pack: str
    missing: Sequence[str]


@dataclass(frozen=True)
class ChangeFacts:
    """One change of a contract against the version before."""

    code: str
    path: str
    backward: str
    forward: str


@dataclass(frozen=True)
class VersionFacts:
    """A published version, or (with `published_on` empty) what is changed since in the working copy."""

    dataset: str
    version: str
    subject: str
    published_on: str
    publisher: str
    stage: str
    sunset: str
    sha256: str
    path: str
    parent: str
    changes: Sequence[ChangeFacts]


@dataclass(frozen=True)
class RuleFacts:
    """The state of one rule in one engine.

    Attributes:
        verdict: of the last recorded run, `never run` without one.
        pass_rate: share of the recent runs, 0 to 1.
    """

    id: str
    dataset: str
    severity: str
    owner: str
    engine: str
    verdict: str
    failing_rows: int | None
    pass_rate: float | None
    recent_runs: int
    last_run_at: datetime | None


@dataclass(frozen=True)
class CoveragePart:
    """Documentation of one dataset or folder."""

    name: str
    described: int
    missing: int
    not_there: int
    percent: str


@dataclass(frozen=True)
class CoverageFacts:
    """Documentation of everything in the warehouse, held to the threshold of the policy."""

    total: CoveragePart
    demanded: str
    objections: Sequence[str]
    datasets: Sequence[CoveragePart]
    folders: Sequence[CoveragePart]


@dataclass(frozen=True)
class ExerciseFacts:
    """One exercise as it last ran; `passed` is None for one that never did.

    Attributes:
        current: whether it ran on the source as it is now.
    """

    id: str
    what: str
    passed: bool | None
    current: bool
    ran_at: datetime | None
    decision_seconds: float | None
    detect_seconds: float | None
    recover_seconds: float | None
    problems: Sequence[str]


@dataclass(frozen=True)
class WaiverFacts:
    """One waiver; in force when nothing is wrong with it."""

    id: str
    covers: str
    reason: str
    owner: str
    risk: str
    opened: date
    expires: date
    days_left: int
    rollback: str
    exercise: str
    approvals: Sequence[str]
    problems: Sequence[str]
    path: str


@dataclass(frozen=True)
class WaiversFacts:
    """All waivers, and what is wrong with the files of which none could be read."""

    waivers: Sequence[WaiverFacts]
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
        looked_at: when all this was collected, in UTC.
        files: paths (relative to the project) that are there, of those that the page wants to link to.
        folder_to_root: from the folder of the page to the project, such as `..`; empty: no links are made.
    """

    gate_name: str
    looked_at: datetime
    target: str
    gate: GateReport | Absence
    watch: WatchFacts | Absence
    packs: Sequence[PackFacts] | Absence
    registry: Sequence[VersionFacts] | Absence
    rules: Sequence[RuleFacts] | Absence
    coverage: CoverageFacts | Absence
    exercises: Sequence[ExerciseFacts] | Absence
    waivers: WaiversFacts | Absence
    privacy: Sequence[MeasurementFacts]
    security: Sequence[MeasurementFacts]
    measurements: Sequence[MeasurementFacts] | Absence
    files: frozenset[str]
    folder_to_root: str

    @property
    def unknown(self) -> list[str]:
        """What the verdict does not rest on, because it is not measured, cannot be read or is stale."""
        if isinstance(self.gate, Absence):
            return [f"gate {self.gate_name}: {self.gate.why}"]
        return [
            f"{result.id}: {result.verdict}: {result.told}"
            for result in self.gate.results
            if result.verdict == Verdict.NOT_MEASURED and result.area != SIGN_OFF_AREA
        ]

    @property
    def sign_offs(self) -> Sequence[CheckResult]:
        """The checks that ask for a signature."""
        if isinstance(self.gate, Absence):
            return ()
        return [result for result in self.gate.results if result.area == SIGN_OFF_AREA]
