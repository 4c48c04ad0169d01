"""What is told of a finding: the rule, the owner, the meaning, the rows, the grouping."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from mbp.core.reporting.output_forms import written
from mbp.quality.failures import Failures, as_json, suite
from mbp.quality.rule_findings import RuleVerdict
from mbp.quality.samples import FailingRows


def finding(**changes: Any) -> RuleVerdict:
    values: dict[str, Any] = {
        "rule_id": "mbp_quotes_fk",
        "dataset": "mbp_quotes",
        "owner": "DATA",
        "severity": "error",
        "pack": "A89",
        "family": "foreign_key",
        "verdict": "fail",
        "failing_rows": 3,
        "message": "3 failing rows",
        "description": "Every quote belongs\nto a known market.",
        "node": "test.mbp.mbp_quotes_fk",
        "columns": ("market_id",),
        **changes,
    }
    return RuleVerdict(**values)


def unmeasured(rule_id: str, reason: str, message: str) -> RuleVerdict:
    return finding(
        rule_id=rule_id, verdict="not_measured", reason_unmeasured=reason, message=message
    )


def render(*content: Any, form: str = "text") -> str:
    return written(suite(Failures(*content)), form)


def test_a_finding_names_rule_owner_meaning_and_rows() -> None:
    sample = FailingRows(
        rows=({"quote_id": "q1", "market_id": None, "who": "…ab12"},), hidden=("who",)
    )
    assert render([(finding(), sample)], 5, []) == (
        "mbp_quotes_fk: Every quote belongs to a known market.\n"
        "  rows (showing 1, masked: who)\n"
        "    quote_id=q1  market_id=null  who=…ab12\n"
        "5 passed\n"
        "mbp_quotes: error mbp_quotes_fk: fail: 3 failing rows (owner DATA)\n"
        "mbp quality failures: 1 file checked, 1 error, 0 warnings, 0 notes\n"
    )


def test_rows_counted_by_the_sample_are_told() -> None:
    stopped = finding(message="the constraint stopped the build", failing_rows=None)
    text = render([(stopped, FailingRows(failing_rows=1))], 0, [])
    assert "the constraint stopped the build; 1 failing row (owner DATA)\n" in text


def test_a_note_stands_in_for_rows_and_first_of_all() -> None:
    text = render([(finding(), FailingRows(note="no rows to show"))], 0, ["changed since"])
    assert text.startswith("note: changed since\nmbp_quotes_fk: Every")
    assert "  no rows to show\n" in text


def test_what_was_not_measured_is_a_finding_and_no_pass() -> None:
    skipped = unmeasured("a", "skipped", "not checked: x did not build")
    absent = unmeasured("c", "source", "the source has no volume")
    content = ([(skipped, FailingRows()), (absent, FailingRows())], 1, [])
    text = render(*content)
    assert "error a: not measured: not checked: x did not build (owner DATA)\n" in text
    assert "error c: not measured: the source has no volume (owner DATA)\n" in text
    assert "1 passed, 1 NOT MEASURED\n" in text
    xml = render(*content, form="junit")
    assert xml.count("<error ") == 2
    assert 'failures="0" errors="2"' in xml


def test_a_run_of_a_part_counts_what_it_left_out() -> None:
    left_out = unmeasured("a", "not_run", "no result")
    content = ([(left_out, FailingRows())], 1, [], ["of a part"])
    assert "partial: this run did not check 1 rule\n" in render(*content)
    for form in ("text", "junit", "sarif"):
        assert "no result" not in render(*content, form=form)
    assert Failures(*content).inside == []


def test_long_values_stay_on_one_line() -> None:
    text = render([(finding(), FailingRows(rows=({"details": "a\nb " * 40},)))], 0, [])
    (line,) = [one for one in text.splitlines() if "details=" in one]
    assert line.endswith("…")
    assert len(line) < 90


def test_json_carries_every_type() -> None:
    sample = FailingRows(rows=({"at": datetime(2026, 1, 1, tzinfo=UTC), "n": 1},), failing_rows=7)
    document = json.loads(json.dumps(as_json(Failures([(finding(), sample)], 5, ["old"]))))
    assert document["findings"][0]["failing_rows"] == 7
    assert document["findings"][0]["sample"]["rows"] == [
        {"at": "2026-01-01 00:00:00+00:00", "n": 1}
    ]
    assert document["stale"] == ["old"]
