"""Every status that dbt knows, and everything that is not there, becomes the right finding."""

from __future__ import annotations

from typing import Any

import pytest

from mbp.core.errors import MbpError
from mbp.quality.rule_findings import RuleVerdict, collect


def by_rule(artifacts: Any, **options: Any) -> dict[str, RuleVerdict]:
    found = collect(artifacts.manifest, artifacts.run_results, artifacts.rules, **options)
    assert len({finding.rule_id for finding in found}) == len(found)
    return {finding.rule_id: finding for finding in found}


@pytest.mark.parametrize(
    ("status", "severity", "verdict", "told", "holds", "blocks"),
    [
        ("pass", "error", "pass", "error", True, False),
        ("fail", "error", "fail", "error", False, True),
        ("warn", "warn", "warn", "warning", False, False),
        ("error", "error", "error", "error", False, True),
        ("runtime error", "error", "error", "error", False, True),
        ("skipped", "error", "not_measured", "error", False, True),
        ("skipped", "warn", "not_measured", "warning", False, False),
        ("a status of a later dbt", "error", "error", "error", False, True),
    ],
)
def test_status(
    artifacts: Any,
    *,
    status: str,
    severity: str,
    verdict: str,
    told: str,
    holds: bool,
    blocks: bool,
) -> None:
    artifacts.test("mbp_quotes_price_range", status, failures=3, severity=severity)
    finding = by_rule(artifacts)["mbp_quotes_price_range"]
    assert (finding.verdict, finding.severity) == (verdict, told)
    assert (finding.holds, finding.blocks) == (holds, blocks)
    assert finding.failing_rows == (3 if verdict in ("fail", "warn") else None)
    assert (finding.owner, finding.dataset, finding.pack) == ("DATA", "mbp_quotes", "A89")


def test_a_rule_of_the_contract_that_did_not_run_is_a_finding(artifacts: Any) -> None:
    artifacts.test("mbp_quotes_price_range")
    artifacts.test("mbp_quotes_volume", in_results=False)
    finding = by_rule(artifacts)["mbp_quotes_volume"]
    assert (finding.verdict, finding.reason_unmeasured) == ("not_measured", "not_run")
    assert finding.blocks
    assert "not in the results of `dbt build`" in finding.message


def test_a_rule_that_the_source_cannot_show_is_neither_passed_nor_missing(artifacts: Any) -> None:
    artifacts.test("mbp_quotes_price_range")
    artifacts.test("liquidity_floor", in_results=False)
    reasons = {"liquidity_floor": "the source has no depth_2pct"}
    finding = by_rule(artifacts, not_measurable=reasons)["liquidity_floor"]
    assert (finding.verdict, finding.reason_unmeasured) == ("not_measured", "source")
    assert (finding.holds, finding.is_unmeasured, finding.blocks) == (False, True, True)
    assert finding.message == "the source has no depth_2pct"


def test_a_pass_on_an_absent_column_is_not_a_pass(artifacts: Any) -> None:
    artifacts.test("mbp_quotes_price_range")
    artifacts.test("liquidity_floor", "pass")
    reasons = {"liquidity_floor": "the source has no depth_2pct"}
    assert by_rule(artifacts, not_measurable=reasons)["liquidity_floor"].is_unmeasured


def test_a_constraint_that_stopped_a_build_is_never_excused(artifacts: Any) -> None:
    artifacts.model(
        "mbp_quotes", status="error", message="NOT NULL constraint failed: mbp_quotes.price"
    )
    artifacts.test("mbp_quotes_price_not_null", "skipped", column="price")
    reasons = {"mbp_quotes_price_not_null": "the source has no price"}
    finding = by_rule(artifacts, not_measurable=reasons)["mbp_quotes_price_not_null"]
    assert (finding.verdict, finding.blocks) == ("fail", True)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("error_if", ">1000000"),
        ("warn_if", ">5"),
        ("limit", 0),
        ("where", "1 = 0"),
        ("severity", "warn"),
        ("fail_calc", "0"),
        ("enabled", False),
    ],
)
def test_a_test_that_is_weaker_than_its_rule_is_a_finding(
    artifacts: Any, key: str, value: object
) -> None:
    artifacts.test("mbp_quotes_price_range", "pass")
    (node,) = (one for one in artifacts.nodes.values() if one["resource_type"] == "test")
    node["config"][key] = value
    finding = by_rule(artifacts)["mbp_quotes_price_range"]
    assert finding.verdict == "error"
    assert f"`{key}` is {value!r}" in finding.message
    assert "Fix: " in finding.message


def test_zero_tests_cannot_be_judged(artifacts: Any) -> None:
    with pytest.raises(MbpError, match="nothing checked"):
        by_rule(artifacts)


@pytest.mark.parametrize("which", ["compile", "generate", "run", "seed", ""])
def test_results_of_another_command_cannot_be_judged(artifacts: Any, which: str) -> None:
    artifacts.test("mbp_quotes_price_range")
    artifacts.which = which
    with pytest.raises(MbpError, match="runs no tests"):
        by_rule(artifacts)


def test_a_constraint_that_stops_a_build_is_the_rules_finding(artifacts: Any) -> None:
    artifacts.model(
        "mbp_quotes",
        status="error",
        message="Runtime Error in model mbp_quotes\n"
        "  Constraint Error: NOT NULL constraint failed: mbp_quotes.price",
    )
    artifacts.test("mbp_quotes_price_not_null", "skipped", column="price", kind="not_null")
    artifacts.test("mbp_quotes_price_range", "skipped")
    found = by_rule(artifacts)
    stopped = found["mbp_quotes_price_not_null"]
    assert stopped.verdict == "fail"
    assert stopped.node == "model.mbp.mbp_quotes"
    assert stopped.columns == ("price",)
    assert "stopped the build of mbp_quotes" in stopped.message
    assert found["mbp_quotes_price_range"].reason_unmeasured == "skipped"
    assert found["mbp_quotes_price_range"].message == "not checked: mbp_quotes did not build"
    assert "mbp_quotes_builds" not in found


def test_a_constraint_without_a_rule_is_a_failed_build(artifacts: Any) -> None:
    artifacts.model(
        "mbp_quotes", status="error", message="NOT NULL constraint failed: mbp_quotes.price"
    )
    artifacts.test("mbp_quotes_price_range", "skipped")
    finding = by_rule(artifacts)["mbp_quotes_builds"]
    assert (finding.verdict, finding.owner, finding.pack) == ("error", "DATA", "other")


def test_a_skipped_model_is_a_finding(artifacts: Any) -> None:
    artifacts.model("int_mbp__quotes_latest", status="error", message="out of memory")
    artifacts.model("mbp_quotes", parents=["model.mbp.int_mbp__quotes_latest"], status="skipped")
    artifacts.test("mbp_quotes_price_range", "skipped")
    found = by_rule(artifacts)
    assert found["int_mbp__quotes_latest_builds"].verdict == "error"
    assert found["mbp_quotes_builds"].reason_unmeasured == "skipped"
    assert "int_mbp__quotes_latest did not build" in found["mbp_quotes_builds"].message


def test_a_test_without_meta_is_still_counted_and_owned(artifacts: Any) -> None:
    artifacts.test("assert_something", "fail", failures=1, meta={}, in_contract=False)
    finding = by_rule(artifacts)["assert_something"]
    assert (finding.owner, finding.dataset) == ("DATA", "mbp_quotes")
    assert finding.message == "1 failing row"


def test_a_failing_unit_test_is_a_finding(artifacts: Any) -> None:
    artifacts.test("mbp_quotes_price_range")
    artifacts.unit_tests["unit_test.mbp.mbp_quotes.twap"] = {
        "unique_id": "unit_test.mbp.mbp_quotes.twap",
        "name": "twap",
        "resource_type": "unit_test",
        "depends_on": {"nodes": ["model.mbp.mbp_quotes"]},
        "config": {"meta": {}},
    }
    artifacts.results.append(
        {"unique_id": "unit_test.mbp.mbp_quotes.twap", "status": "fail", "failures": 1}
    )
    assert by_rule(artifacts)["twap"].verdict == "fail"


def test_the_order_is_worst_first_and_stable(artifacts: Any) -> None:
    artifacts.test("d_warns", "warn", severity="warn", failures=2)
    artifacts.test("c_passes")
    artifacts.test("b_errs", "error")
    artifacts.test("a_fails", "fail", failures=1)
    found = [one.rule_id for one in collect(artifacts.manifest, artifacts.run_results, [])]
    assert found == ["a_fails", "b_errs", "c_passes", "d_warns"]
    artifacts.results.reverse()
    assert [one.rule_id for one in collect(artifacts.manifest, artifacts.run_results, [])] == found
