"""What a gate came to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

from mbp.contracts.gates import SIGN_OFF_AREA
from mbp.core.verdict import RELEASING, Verdict, gate_verdict

# In the order of the summary line.
VERDICTS = (Verdict.PASS, Verdict.WAIVED, Verdict.FAIL, Verdict.NOT_MEASURED)
WAITING = "waiting"


@dataclass(frozen=True)
class CheckResult:
    """One check of the checklist.

    Attributes:
        what: the demand, as a sentence.
        message: what was found, as a sentence.
        measured: the value that was judged, with its unit; empty when there is none.
        evidence: files (relative to the project) and relations that the verdict rests on.
        waivable: whether a waiver may cover it.
        no_go: whether a failure stops the release whatever is signed.
        rehearsal: whether a rehearsal goes without it.
        next_command: what shows or measures it.
        waiver: id of the waiver that covers it, and until when.
        findings: what a waiver of it has to be signed for; 0 when it was not measured.
    """

    id: str
    area: str
    what: str
    verdict: Verdict
    message: str
    measured: str
    evidence: Sequence[str]
    owner: str
    waivable: bool
    no_go: bool
    rehearsal: bool = False
    next_command: str = ""
    waiver: str | None = None
    waived_until: date | None = None
    findings: int = 0

    @property
    def open(self) -> bool:
        """Whether it blocks the release: not measured counts as failed."""
        return self.verdict not in RELEASING

    @property
    def waits(self) -> bool:
        """Whether it is a signature that no one has given yet, or gave for something else."""
        return self.open and self.area == SIGN_OFF_AREA

    @property
    def state(self) -> str:
        """The verdict for people: a missing signature waits, it did not fail."""
        return WAITING if self.waits else self.verdict


@dataclass(frozen=True)
class GateReport:
    """The checklist with its verdicts.

    Attributes:
        gate: such as M2.
        decided_at: in UTC.
        commit, clean, source: of the working copy (`mbp.runs.working_copy`); None outside of a repository.
        target, warehouse, data: the dbt target, the id of its warehouse, and the state of its public datasets.
        basis: what the verdict rests on: data, engine and measured rules (`mbp.release.gate.rules_warehouse`).
        since: what changed since the last GO, a line each (`mbp.release.gate.gate_run`).
        definition_sha256: of the gate's definition file.
        sample: whether the warehouse holds the committed sample, so that any build of this source has its rows.
    """

    gate: str
    title: str
    decided_at: datetime
    commit: str | None
    clean: bool | None
    source: str | None
    target: str
    warehouse: str | None
    data: str | None
    basis: str
    since: Sequence[str]
    definition_sha256: str
    results: Sequence[CheckResult]
    sample: bool = False

    @property
    def verdict(self) -> str:
        """`go`, `rehearsal` or `no-go`: see `mbp.core.verdict.gate_verdict`."""
        return gate_verdict(vars(result) for result in self.results)

    @property
    def blockers(self) -> Sequence[CheckResult]:
        """Checks that block a rehearsal too; signatures aside."""
        return [
            result
            for result in self.results
            if result.open and not result.waits and not result.rehearsal
        ]

    @property
    def production(self) -> Sequence[CheckResult]:
        """Checks that make this a rehearsal."""
        return [result for result in self.results if result.open and result.rehearsal]

    @property
    def waiting(self) -> Sequence[CheckResult]:
        """Signatures that are not given."""
        return [result for result in self.results if result.waits]

    @property
    def no_gos(self) -> Sequence[CheckResult]:
        """Failures that nothing lifts."""
        return [result for result in self.results if result.open and result.no_go]

    def document(self) -> dict[str, Any]:
        """The report for machines, in JSON's own types."""
        return {
            **vars(self),
            "since": list(self.since),
            "verdict": self.verdict,
            "decided_at": self.decided_at.isoformat(timespec="seconds"),
            "counts": self.counts(),
            "no_gos": [check_result.id for check_result in self.no_gos],
            "results": [_result(result) for result in self.results],
        }

    def counts(self) -> Mapping[str, int]:
        """Checks by verdict."""
        return {
            verdict.value: sum(result.verdict == verdict for result in self.results)
            for verdict in VERDICTS
        }


def _result(check_result: CheckResult) -> dict[str, Any]:
    until = check_result.waived_until.isoformat() if check_result.waived_until else None
    return {**asdict(check_result), "evidence": list(check_result.evidence), "waived_until": until}
