"""What `mbp quality run` reports: a rule that was not measured is in every form, and in none as a pass."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest

from mbp.core.reporting.output_forms import written
from mbp.core.verdict import Verdict
from mbp.quality.enforcement.engine_runs import suite
from mbp.quality.enforcement.results import RuleResult

HELD = RuleResult("held", "mbp_quotes", "dbt", Verdict.PASS)
ABSENT = RuleResult("absent", "mbp_quotes", "dbt", Verdict.NOT_MEASURED, reason="no volume")


@pytest.mark.parametrize(("demanded", "tag"), [(["absent"], "error"), ([], "skipped")])
def test_an_unmeasured_rule_is_no_pass_in_junit(demanded: list[str], tag: str) -> None:
    found = ElementTree.fromstring(written(suite([HELD, ABSENT], demanded), "junit"))  # noqa: S314
    (case,) = [case for case in found.iter("testcase") if "absent" in (case.get("name") or "")]
    (outcome,) = case
    assert (outcome.tag, "no volume" in str(outcome.get("message"))) == (tag, True)
    counts = [found.get(name) for name in ("tests", "failures", "errors")]
    assert counts == ["2", "0", str(int(tag == "error"))]
    assert sum(int(str(suite.get("skipped"))) for suite in found) == int(tag == "skipped")


def test_an_unmeasured_rule_is_a_result_in_sarif_and_a_line_in_the_text() -> None:
    found = suite([HELD, ABSENT], ["absent"])
    (result,) = json.loads(written(found, "sarif"))["runs"][0]["results"]
    assert (result["ruleId"], result["level"]) == ("absent", "error")
    assert "absent dbt: error absent: dbt: not measured: no volume" in written(found, "text")
