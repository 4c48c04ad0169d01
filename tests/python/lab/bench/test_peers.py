"""The arithmetic of the measurements beside other tools, and what makes a measurement worth nothing."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from lab.bench.peers import (
    DATACONTRACT,
    OURS,
    READ,
    Goal,
    ToolMeasurement,
    demand_found,
    demand_looked,
    figures,
    judge,
)
from lab.bench.process import run_measured
from mbp.core.errors import MbpError

RULES = ("price_range", "quote_id_unique")
PASSED = dict.fromkeys(RULES, "pass")


def measurement(
    tool: str = OURS,
    rows: int = 1000,
    seconds: float = 4.0,
    engine_seconds: float = 2.0,
    verdicts: dict[str, str] | None = None,
) -> ToolMeasurement:
    told = PASSED if verdicts is None else verdicts
    return ToolMeasurement(
        tool, "duckdb", rows, told, (), seconds, engine_seconds, 9.0, 3 * 1024 * 1024
    )


def test_a_tool_that_looked_at_every_rule_counts() -> None:
    one = measurement()
    assert demand_looked(one, RULES) is one


@pytest.mark.parametrize(
    ("verdicts", "reason"),
    [
        ({}, r"evaluated 0 of 2 rules; not: price_range \(no verdict\)"),
        ({"price_range": "pass"}, r"evaluated 1 of 2 rules; not: quote_id_unique \(no verdict\)"),
        ({**PASSED, "price_range": "error: no such table"}, "evaluated 1 of 2 .*no such table"),
        ({**PASSED, "price_range": "skipped"}, r"evaluated 1 of 2 .*\(skipped\)"),
        ({**PASSED, "price_range": "not_applicable"}, "evaluated 1 of 2"),
        ({**PASSED, "price_range": "fail"}, "clean rows do not pass price_range"),
        ({**PASSED, "price_range": "warn"}, "clean rows do not pass price_range"),
    ],
)
def test_a_tool_that_did_not_look_is_no_measurement(verdicts: dict[str, str], reason: str) -> None:
    with pytest.raises(MbpError, match=reason):
        demand_looked(measurement(verdicts=verdicts), RULES)


def test_no_rules_are_no_measurement() -> None:
    with pytest.raises(MbpError, match="nothing would be checked"):
        demand_looked(measurement(), ())


@pytest.mark.parametrize("verdict", ["fail", "warn"])
def test_a_planted_fault_that_is_found(verdict: str) -> None:
    demand_found(measurement(verdicts={**PASSED, "price_range": verdict}), "price_range")


@pytest.mark.parametrize("verdict", ["pass", "error: gone", "skipped"])
def test_a_planted_fault_that_is_not_found(verdict: str) -> None:
    with pytest.raises(MbpError, match="did not find the planted fault of price_range"):
        demand_found(measurement(verdicts={**PASSED, "price_range": verdict}), "price_range")


AT_MOST = Goal("no slower", "duckdb", 1000, "seconds", OURS, DATACONTRACT, 1.0, at_most=True)
AT_LEAST = Goal("twice as fast", "duckdb", None, "engine_seconds", DATACONTRACT, OURS, 2.0)


@pytest.mark.parametrize(
    ("goal", "theirs", "met", "words"),
    [
        (
            AT_MOST,
            measurement(DATACONTRACT, seconds=4.0),
            True,
            "reached: no slower: 1.00x at 1,000",
        ),
        (
            AT_MOST,
            measurement(DATACONTRACT, seconds=2.0),
            False,
            "MISSED by 2.00x: no slower: 2.00x",
        ),
        (AT_LEAST, measurement(DATACONTRACT, engine_seconds=4.0), True, "reached: twice as fast"),
        (AT_LEAST, measurement(DATACONTRACT, engine_seconds=1.0), False, "MISSED by 4.00x: twice"),
    ],
)
def test_a_goal_is_judged_in_words(
    goal: Goal, theirs: ToolMeasurement, met: bool, words: str
) -> None:
    [judged] = judge([goal], [measurement(), theirs])
    assert judged.met is met
    assert judged.words().startswith(words)


def test_a_goal_of_another_size_or_tool_is_not_measured_and_not_met() -> None:
    others = [measurement(rows=500), measurement(DATACONTRACT, rows=500)]
    for measured in ([], [measurement()], others):
        [judged] = judge([AT_MOST], measured)
        assert not judged.met
        assert judged.words() == "not measured: no slower"


def test_a_goal_of_every_size_is_judged_at_each() -> None:
    measured = [measurement(tool, rows=rows) for rows in (10, 100) for tool in (OURS, DATACONTRACT)]
    assert [one.rows for one in judge([AT_LEAST], measured)] == [10, 100]


def test_a_tool_is_compared_on_the_same_rows_only() -> None:
    found = figures(
        [
            measurement(READ, seconds=1.0, engine_seconds=0.5, verdicts={}),
            measurement(),
            measurement(DATACONTRACT, seconds=8.0, engine_seconds=3.0),
            measurement(DATACONTRACT, rows=5),
        ]
    )
    ratios = {(one.name, one.size): one.ratio for one in found}
    assert ratios[f"{OURS}, end to end", "duckdb, 1,000 quotes"] is None
    assert ratios[f"{OURS}, engine time", "duckdb, 1,000 quotes"] == 4.0
    assert ratios[f"{DATACONTRACT}, end to end", "duckdb, 1,000 quotes"] == 2.0
    assert ratios[f"{DATACONTRACT}, engine time", "duckdb, 1,000 quotes"] == 6.0
    assert ratios[f"{DATACONTRACT}, end to end", "duckdb, 5 quotes"] is None


def test_memory_and_time_are_of_the_whole_tree(tmp_path: Path) -> None:
    child = "import time; held = bytearray(60_000_000); time.sleep(0.4)"
    parent = (
        f"import subprocess, sys; print('said'); subprocess.run([sys.executable, '-c', {child!r}])"
    )
    done = run_measured([sys.executable, "-c", parent], tmp_path, dict(os.environ))
    assert (done.code, done.talk.strip()) == (0, "said")
    assert done.seconds >= 0.4
    assert done.processor_seconds > 0
    assert done.peak_bytes > 60_000_000


def test_a_process_that_fails_says_so(tmp_path: Path) -> None:
    done = run_measured([sys.executable, "-c", "raise SystemExit(3)"], tmp_path, dict(os.environ))
    assert done.code == 3
