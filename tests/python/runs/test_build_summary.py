"""The summary counts every verdict once and never lets an unchecked thing pass."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mbp.core.verdict import Verdict
from mbp.operate.summary import (
    COLUMNS,
    BuildSummary,
    as_json,
    column_of,
    count_by_pack,
    measured,
    render,
)
from mbp.quality.coverage.coverage_measure import Count
from mbp.quality.rule_findings import UNMEASURED, RuleVerdict


def finding(rule_id: str, verdict: str, **changes: Any) -> RuleVerdict:
    """A finding; a reason of `UNMEASURED` in place of a verdict says that it was not measured."""
    reason = verdict if verdict in UNMEASURED else ""
    values: dict[str, Any] = {
        "rule_id": rule_id,
        "dataset": "mbp_quotes",
        "owner": "DATA",
        "severity": "error",
        "pack": "A89",
        "family": "range",
        "verdict": Verdict.NOT_MEASURED if reason else Verdict(verdict),
        "reason_unmeasured": reason,
        "failing_rows": None,
        "message": "",
        "description": "",
        "node": f"test.mbp.{rule_id}",
        **changes,
    }
    return RuleVerdict(**values)


def summary(*found: RuleVerdict, **changes: Any) -> BuildSummary:
    values: dict[str, Any] = {
        "target": "duckdb",
        "raw": "sample",
        "models_built": 19,
        "models_failed": 0,
        "tests": count_by_pack(found),
        "rows": {"mbp_quotes": 3896, "mbp_markets": 16},
        "empty": [],
        "coverage": Count(980, 20, 0),
        "docs": "target/static_index.html",
        "findings": [one for one in found if one.verdict != "pass"],
        "notes": [],
        "seconds": 12.34,
        "selected": False,
        **changes,
    }
    return BuildSummary(**values)


@pytest.mark.parametrize(
    ("verdict", "severity", "column"),
    [
        ("pass", "error", "pass"),
        ("fail", "error", "fail"),
        ("warn", "warning", "warn"),
        ("error", "warning", "fail"),
        ("skipped", "error", "not_run"),
        ("not_run", "error", "not_run"),
        ("source", "error", "not_measured"),
    ],
)
def test_every_verdict_has_one_column(verdict: str, severity: str, column: str) -> None:
    assert column_of(finding("r", verdict, severity=severity)) == column
    assert column in COLUMNS


def test_a_clean_build_passes_and_says_where_things_are() -> None:
    clean = summary(finding("a", "pass"), finding("b", "pass", pack="other"))
    assert clean.passed
    text = render(clean)
    assert text.splitlines()[0] == "build passed on duckdb (sample data) in 12.3 s"
    assert "  mbp_quotes                  3,896\n" in text
    assert "98.0 % described (980 of 1000), target/static_index.html" in text
    assert [line.split() for line in text.splitlines() if line.startswith("  A89")] == [
        ["A89", "1", "0", "0", "0", "0"]
    ]


@pytest.mark.parametrize("verdict", ["fail", "error", "skipped", "not_run"])
def test_what_does_not_hold_fails_the_build(verdict: str) -> None:
    bad = summary(finding("a", "pass"), finding("b", verdict, message="why"))
    assert not bad.passed
    assert render(bad).startswith("build FAILED")
    assert "b" in render(bad)
    assert "why" in render(bad)


def test_a_warning_is_told_and_does_not_fail() -> None:
    warned = summary(finding("b", "warn", severity="warning", message="2 failing rows"))
    assert warned.passed
    assert "  warning  b (owner DATA): 2 failing rows" in render(warned)


def test_not_measurable_is_listed_with_its_reason_and_not_as_passed() -> None:
    absent = summary(
        finding("a", "pass"),
        finding("b", "source", message="no depth_2pct", node=None),
        finding("c", "source", message="no depth_2pct", node=None),
    )
    assert absent.passed
    assert absent.tests["A89"] == {
        "pass": 1,
        "warn": 0,
        "fail": 0,
        "not_run": 0,
        "not_measured": 2,
    }
    assert (
        "not measured: this source lacks what the rules read\n  2 rules: no depth_2pct\n      b, c\n"
        in render(absent)
    )
    assert measured(absent) == (1, 2)
    assert "1 tests and rules measured, 2 NOT MEASURED" in render(absent).splitlines()[1]
    assert "NOT MEASURED" not in render(summary(finding("a", "pass")))


def test_an_empty_dataset_fails_as_nothing_checked() -> None:
    empty = summary(finding("a", "pass"), rows={"mbp_quotes": 0}, empty=["mbp_quotes"])
    assert not empty.passed
    assert "nothing checked: the dataset is empty" in render(empty)


def test_a_failed_model_fails_the_build_and_is_not_counted_as_a_test() -> None:
    broken = finding("m_builds", "error", pack="other", node="model.mbp.m", dataset="m")
    bad = summary(broken, models_failed=1)
    assert not bad.passed
    assert not any(bad.tests["other"].values())
    assert "1 failed or skipped" in render(bad)


def test_a_constraint_that_stopped_a_build_counts_for_its_rule() -> None:
    stopped = finding("mbp_quotes_price_not_null", "fail", node="model.mbp.mbp_quotes")
    assert summary(stopped).tests["A89"]["fail"] == 1


def test_rules_outside_a_selection_do_not_fail_it() -> None:
    part = summary(finding("a", "pass"), finding("b", "not_run"), selected=True)
    assert part.passed
    assert "1 rule(s) outside of the selection" in render(part)
    assert "  1 rule: " not in render(part)
    assert not summary(finding("a", "fail"), selected=True).passed


def test_json_is_plain_and_whole() -> None:
    document = json.loads(json.dumps(as_json(summary(finding("b", "fail")))))
    assert document["passed"] is False
    assert document["findings"][0]["rule_id"] == "b"
    assert document["coverage"]["percent"] == 98.0
