"""The judge: only the expected findings, with the expected rows, count as proof."""

from __future__ import annotations

from typing import Any

from lab.proof.proof_project import Seen
from lab.proof.proof_score import (
    CLEAN,
    ExpectedFinding,
    FaultOutcome,
    ProofScore,
    as_json,
    judge,
    render,
)


def score(*outcomes: FaultOutcome, **changes: Any) -> ProofScore:
    values: dict[str, Any] = {
        "engine": "duckdb",
        "rules": 2,
        "outcomes": (judge(CLEAN, [], [], 0.1), *outcomes),
        "without_fault": (),
        "without_rule": (),
        "untested": (),
        "complete": True,
        "seconds": 1.25,
        **changes,
    }
    return ProofScore(**values)


GOOD = judge("a", [ExpectedFinding("a", 2)], [Seen("a", "fail", 2)], 0.1)


def test_the_expected_finding_alone_is_proof() -> None:
    assert GOOD.as_expected
    good = score(GOOD)
    assert good.passed
    assert (good.caught, good.false_alarms) == (1, 0)
    assert render(good) == (
        "proved: rules 2 · faults 1 · caught 1 · false alarms 0 · rules without a fault 0"
        " · clean sample 0 findings · duckdb 1.2 s\n"
    )


def test_a_miss_is_named() -> None:
    missed = judge("a", [ExpectedFinding("a")], [], 0.1)
    assert missed.missed == ("a",)
    assert not score(missed).passed
    assert "a\n    missed         a\n" in render(score(missed))


def test_an_error_of_the_test_is_no_catch() -> None:
    outcome = judge("a", [ExpectedFinding("a")], [Seen("a", "error", None, "no such column")], 0.1)
    assert outcome.missed == ("a",)
    assert outcome.false_alarms == ("a (error: no such column)",)


def test_other_rows_than_expected_are_no_catch() -> None:
    outcome = judge("a", [ExpectedFinding("a", 2)], [Seen("a", "fail", 3)], 0.1)
    assert outcome.wrong_rows == ("a: expected 2 rows, found 3",)
    assert score(outcome).caught == 0
    assert not score(outcome).passed


def test_a_rule_without_rows_to_show_is_not_proved() -> None:
    seen = Seen("a", "fail", 2, not_shown="rows cannot be shown: gone")
    mute = score(judge("a", [ExpectedFinding("a", 2)], [seen], 0.1))
    assert not mute.passed
    assert "    not shown      a: rows cannot be shown: gone\n" in render(mute)


def test_a_second_error_rule_is_a_false_alarm_and_a_second_warning_is_told() -> None:
    outcome = judge(
        "a",
        [ExpectedFinding("a")],
        [Seen("a", "fail", 1), Seen("b", "fail", 1), Seen("c", "warn", 1)],
        0.1,
    )
    assert outcome.false_alarms == ("b (1 rows)",)
    assert outcome.also_warned == ("c (1 rows)",)
    assert score(outcome).caught == 1
    assert not score(outcome).passed


def test_the_clean_sample_may_not_even_warn() -> None:
    noisy = judge(CLEAN, [], [Seen("c", "warn", 1)], 0.1)
    assert noisy.false_alarms == ("c (1 rows)",)
    assert not score(GOOD, outcomes=(noisy, GOOD)).passed


def test_a_rule_without_a_fault_is_not_proved() -> None:
    lacking = score(GOOD, without_fault=("mbp_quotes_fk",))
    assert not lacking.passed
    assert "rules without a fault\n    mbp_quotes_fk\n" in render(lacking)
    assert render(lacking).splitlines()[-1].startswith("NOT PROVED")
    # a part of the faults cannot say that
    assert score(GOOD, without_fault=("mbp_quotes_fk",), complete=False).passed


def test_json_holds_the_verdict() -> None:
    document = as_json(score(GOOD))
    assert document["passed"] is True
    assert document["outcomes"][1]["fault"] == "a"
