"""What was measured, what may be compared, and whether a goal is met: arithmetic without a clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lab.bench.figures import Figure
from mbp.core.errors import MbpError

OURS = "ours, all rows"
DAILY = "ours, new rows"
DAILY_QUOTES = "ours, the daily run of quotes"
DAILY_BUILD = "ours, the whole daily build"
READ = "pure read"
DATACONTRACT = "datacontract-cli"
GX = "Great Expectations"
PLAIN_DBT = "dbt, a test per rule"
MEBIBYTE = 1024 * 1024
SAME_SIZE_WITHIN = 0.1
LEAST_SECONDS = 1e-9


@dataclass(frozen=True)
class ToolMeasurement:
    """One tool over one table.

    Attributes:
        tool: one of the names above.
        rows: of the table that the tool was pointed at, whatever part of it the tool read.
        verdicts: rule -> pass, fail, warn or what else the tool says; empty for the pure read.
        as_sql: rules that the tool has no words for and was given as SQL.
        seconds: wall clock of the whole process.
        engine_seconds: the part of it in which rules were evaluated, as the tool reports it.
        processor_seconds: of the whole process, without a server.
    """

    tool: str
    engine: str
    rows: int
    verdicts: Mapping[str, str]
    as_sql: tuple[str, ...]
    seconds: float
    engine_seconds: float
    processor_seconds: float
    peak_bytes: int


def demand_looked(tool_measurement: ToolMeasurement, rules: Sequence[str]) -> ToolMeasurement:
    """`one`, when the tool evaluated every rule and found nothing on rows that are clean.

    Raises:
        MbpError: a rule was not evaluated, or does not hold: the measurement is worth nothing.
    """
    if not rules:
        raise MbpError(
            "no rule to measure: nothing would be checked",
            fix="name rules that the contracts have",
        )
    absent = [
        rule
        for rule in rules
        if tool_measurement.verdicts.get(rule) not in ("pass", "fail", "warn")
    ]
    if absent:
        message = ", ".join(
            f"{rule} ({tool_measurement.verdicts.get(rule, 'no verdict')})" for rule in absent[:3]
        )
        raise MbpError(
            f"{tool_measurement.tool} on {tool_measurement.engine}"
            f" evaluated {len(rules) - len(absent)} of {len(rules)} rules;"
            f" not: {message}",
            fix="a tool that did not check cannot be compared: fix what it was given",
        )
    wrong = [rule for rule in rules if tool_measurement.verdicts[rule] != "pass"]
    if wrong:
        raise MbpError(
            f"{tool_measurement.tool} on {tool_measurement.engine}: clean rows do not pass {', '.join(wrong[:3])}",
            fix="check the rows that break the rule: the simulated market should keep it",
        )
    return tool_measurement


def demand_found(tool_measurement: ToolMeasurement, rule: str) -> None:
    """The tool found the fault that was planted for `rule`.

    Raises:
        MbpError: it did not: what it measures is no check.
    """
    if tool_measurement.verdicts.get(rule) not in ("fail", "warn"):
        raise MbpError(
            f"{tool_measurement.tool} on {tool_measurement.engine} did not find the planted fault of {rule}"
            f" ({tool_measurement.verdicts.get(rule, 'no verdict')})",
            fix="a tool that finds nothing cannot be compared: fix what it was given",
        )


@dataclass(frozen=True)
class Goal:
    """Seconds of `slower` divided by those of `faster`: at least `bound`, or with `at_most` no more than that.

    Attributes:
        rows: the size at which the goal holds; None for every size.
        of: seconds or engine_seconds of a measurement.
    """

    says: str
    engine: str
    rows: int | None
    of: str
    slower: str
    faster: str
    bound: float
    at_most: bool = False


@dataclass(frozen=True)
class JudgedGoal:
    """A goal beside what was measured: `ratio` None when the size or the tool was not measured."""

    goal: Goal
    rows: int | None
    ratio: float | None

    @property
    def met(self) -> bool:
        return self.ratio is not None and self._share_of_bound(self.ratio) <= 1

    def _share_of_bound(self, ratio: float) -> float:
        """Above 1 the goal is missed by that factor."""
        return ratio / self.goal.bound if self.goal.at_most else self.goal.bound / ratio

    def words(self) -> str:
        """The verdict in one line."""
        if self.ratio is None:
            return f"not measured: {self.goal.says}"
        missed = f"MISSED by {self._share_of_bound(self.ratio):.2f}x"
        verdict = "reached" if self.met else missed
        return f"{verdict}: {self.goal.says}: {self.ratio:.2f}x at {self.rows:,} rows"


def judge(goals: Sequence[Goal], measured: Sequence[ToolMeasurement]) -> list[JudgedGoal]:
    """Every goal at every size that it speaks of."""
    judged_goals: list[JudgedGoal] = []
    by_place = {
        (tool_measurement.engine, tool_measurement.rows, tool_measurement.tool): tool_measurement
        for tool_measurement in measured
    }
    for goal in goals:
        sizes = sorted(
            {
                tool_measurement.rows
                for tool_measurement in measured
                if tool_measurement.engine == goal.engine
            }
        )
        near = [size for size in sizes if goal.rows is None or _about(size, goal.rows)]
        judged = [
            JudgedGoal(goal, size, _ratio(slower, faster, goal.of))
            for size in near
            if (slower := by_place.get((goal.engine, size, goal.slower)))
            and (faster := by_place.get((goal.engine, size, goal.faster)))
        ]
        judged_goals += judged or [JudgedGoal(goal, None, None)]
    return judged_goals


def _about(size: int, wanted: int) -> bool:
    """The simulator makes about as many rows as it is asked for."""
    return abs(size / wanted - 1) < SAME_SIZE_WITHIN


def _ratio(slower: ToolMeasurement, faster: ToolMeasurement, of: str) -> float:
    return float(getattr(slower, of)) / max(float(getattr(faster, of)), LEAST_SECONDS)


def figures(measured: Sequence[ToolMeasurement]) -> list[Figure]:
    """End to end beside ours over all rows, and engine time beside the pure read, of the same rows in the same run."""
    found: list[Figure] = []
    for one in measured:
        same = {other.tool: other for other in measured if _beside(one, other)}
        size = f"{one.engine}, {one.rows:,} quotes"
        for of, peer in (("seconds", OURS), ("engine_seconds", READ)):
            beside = same.get(peer) if peer != one.tool else None
            found.append(
                Figure(
                    f"{one.tool}, {'end to end' if of == 'seconds' else 'engine time'}",
                    *(size, getattr(one, of), "s"),
                    peer if beside else "",
                    getattr(beside, of) if beside else None,
                )
            )
        found.append(Figure(f"{one.tool}, most memory", size, one.peak_bytes / MEBIBYTE, "MiB"))
    return found


def _beside(tool_measurement: ToolMeasurement, other: ToolMeasurement) -> bool:
    return (tool_measurement.engine, tool_measurement.rows) == (other.engine, other.rows)
