"""The score of the bad project: what was expected of each fault and what was found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from lab.proof.proof_project import Seen

if TYPE_CHECKING:
    from lab.proof.affected import Affected

CLEAN = "(clean sample)"
# Severity in the contract -> outcomes that count as a catch.
CATCHES = {"error": ("fail",), "warning": ("warn", "fail")}


@dataclass(frozen=True)
class ExpectedFinding:
    """One finding that a fault must give.

    Attributes:
        rows: None: any number above zero.
        severity: of the rule in its contract; an error rule that only warns has not caught the fault.
    """

    rule_id: str
    rows: int | None = None
    severity: str = "warning"


@dataclass(frozen=True)
class FaultOutcome:
    """One fault, judged.

    Attributes:
        fault: the fault's id, or `CLEAN`.
        expected, seen: findings wanted and found, warnings included.
        missed: expected findings that were not there.
        wrong_rows: 'rule: expected n, found m'.
        not_shown: 'rule: why none of its failing rows can be shown'.
        false_alarms: unexpected errors; on the clean sample, warnings too.
        also_warned: unexpected warnings: reported, not counted.
        seconds: wall clock.
    """

    fault: str
    expected: tuple[ExpectedFinding, ...]
    seen: tuple[Seen, ...]
    missed: tuple[str, ...]
    wrong_rows: tuple[str, ...]
    not_shown: tuple[str, ...]
    false_alarms: tuple[str, ...]
    also_warned: tuple[str, ...]
    seconds: float

    @property
    def as_expected(self) -> bool:
        """True when exactly the expected findings were there."""
        return not (self.missed or self.wrong_rows or self.not_shown or self.false_alarms)


@dataclass(frozen=True)
class ProofScore:
    """All faults and the clean control.

    Attributes:
        engine: duckdb or postgres.
        rules: number of rules that the contracts demand.
        outcomes: one per fault, the clean control first.
        without_fault: rules that no fault proves.
        without_rule: faults whose rule no contract has.
        untested: rules that no dbt test carries.
        complete: False when only some faults were asked for.
        seconds: wall clock, compiling included.
        overridden: macros of the project in place of dbt's own that run tests: the proof does not run them.
        affected: what changed since the base, where that was asked for; then the three lists above are of those rules.
        severities: rule id -> severity in the contract.
    """

    engine: str
    rules: int
    outcomes: tuple[FaultOutcome, ...]
    without_fault: tuple[str, ...]
    without_rule: tuple[str, ...]
    untested: tuple[str, ...]
    complete: bool
    seconds: float
    overridden: tuple[str, ...] = ()
    affected: Affected | None = None
    severities: Mapping[str, str] = field(default_factory=dict)

    @property
    def faults(self) -> tuple[FaultOutcome, ...]:
        """The outcomes less the clean control."""
        return tuple(outcome for outcome in self.outcomes if outcome.fault != CLEAN)

    @property
    def caught(self) -> int:
        """Faults with every expected finding, in the expected number of rows."""
        return sum(not (outcome.missed or outcome.wrong_rows) for outcome in self.faults)

    @property
    def false_alarms(self) -> int:
        """Unexpected findings, the clean control included."""
        return sum(len(outcome.false_alarms) for outcome in self.outcomes)

    @property
    def passed(self) -> bool:
        """True when nothing differs from what is expected and, unless single faults were asked for, nothing lacks."""
        gaps = self.without_fault or self.without_rule or self.untested
        return (
            all(outcome.as_expected for outcome in self.outcomes)
            and not self.overridden
            and not (self.demands_all and gaps)
        )

    @property
    def demands_all(self) -> bool:
        """A rule without a fault or without a test counts: it is a whole run, or one of what changed."""
        return self.complete or self.affected is not None


def judge(
    fault: str, expected: Sequence[ExpectedFinding], seen: Sequence[Seen], seconds: float
) -> FaultOutcome:
    """Compares what was found with what was wanted."""
    wanted = {expected_finding.rule_id: expected_finding for expected_finding in expected}
    seens = {result.rule_id: result for result in seen}
    missed = sorted(
        rule_id
        for rule_id in wanted
        if rule_id not in seens or seens[rule_id].outcome not in CATCHES[wanted[rule_id].severity]
    )
    wrong_rows = sorted(
        f"{rule_id}: expected {expected_finding.rows} rows, found {seens[rule_id].rows}"
        for rule_id, expected_finding in wanted.items()
        if rule_id not in missed
        and expected_finding.rows is not None
        and expected_finding.rows != seens[rule_id].rows
    )
    alarms: list[str] = []
    warned: list[str] = []
    for rule_id, caught in sorted(seens.items()):
        if caught.outcome == "error":
            alarms.append(f"{rule_id} (error: {caught.message})")
        elif rule_id not in wanted:
            message = f"{rule_id} ({caught.rows} rows)"
            (warned if caught.outcome == "warn" and fault != CLEAN else alarms).append(message)
    return FaultOutcome(
        fault=fault,
        expected=tuple(expected),
        seen=tuple(seen),
        missed=tuple(missed),
        wrong_rows=tuple(wrong_rows),
        not_shown=tuple(
            f"{result.rule_id}: {result.not_shown}" for result in seen if result.not_shown
        ),
        false_alarms=tuple(alarms),
        also_warned=tuple(warned),
        seconds=seconds,
    )


def render(score: ProofScore) -> str:
    """The score for a terminal: the differences first, the line to remember last."""
    lines: list[str] = []
    for outcome in score.outcomes:
        if outcome.as_expected:
            continue
        lines.append(outcome.fault)
        lines += [f"    missed         {problem}" for problem in outcome.missed]
        lines += [f"    wrong rows     {wrong_row}" for wrong_row in outcome.wrong_rows]
        lines += [f"    not shown      {problem}" for problem in outcome.not_shown]
        lines += [f"    false alarm    {false_alarm}" for false_alarm in outcome.false_alarms]
    for title, names in (
        ("rules without a fault", score.without_fault),
        ("faults without a rule", score.without_rule),
        ("rules without a dbt test", score.untested),
    ):
        if names and score.demands_all:
            lines += [title, *(f"    {name}" for name in names)]
    if score.overridden:
        lines += ["macros in place of those with which dbt runs tests"]
        lines += [f"    {name}" for name in score.overridden]
    if lines:
        lines.append("")
    if score.affected is not None and not score.affected.rules:
        message = (
            f"{score.affected.reason} ({score.affected.compared} rules compared on {score.engine})"
        )
        return "\n".join([*lines, f"nothing to prove: {message}"]) + "\n"
    clean = next((outcome for outcome in score.outcomes if outcome.fault == CLEAN), None)
    parts = [
        f"rules {score.rules}",
        f"faults {len(score.faults)}",
        f"caught {score.caught}",
        f"false alarms {score.false_alarms}",
        f"rules without a fault {len(score.without_fault)}"
        if score.complete
        else "part of the faults",
        f"clean sample {len(clean.seen)} findings" if clean else "clean sample not run",
        f"{score.engine} {score.seconds:.1f} s",
    ]
    lines.append(f"{'proved' if score.passed else 'NOT PROVED'}: " + " · ".join(parts))
    return "\n".join(lines) + "\n"


def as_json(score: ProofScore) -> Mapping[str, Any]:
    """The score for machines."""
    return {
        "passed": score.passed,
        "caught": score.caught,
        "false_alarms": score.false_alarms,
        **asdict(score),
    }
