"""What is told of a finding: the rule, the owner, the meaning, the rows, the grouping."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from mbp.quality.failure_report import as_json, render
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


def test_a_finding_names_rule_owner_meaning_and_rows() -> None:
    sample = FailingRows(
        rows=({"quote_id": "q1", "market_id": None, "who": "…ab12"},), hidden=("who",)
    )
    assert render([(finding(), sample)], 5, []) == (
        "ERROR   mbp_quotes_fk   owner DATA   dataset mbp_quotes\n"
        "        3 failing rows\n"
        "        means: Every quote belongs to a known market.\n"
        "        rows (showing 1, masked: who)\n"
        "          quote_id=q1  market_id=null  who=…ab12\n"
        "\n"
        "1 findings (1 errors, 0 warnings), 5 passed\n"
    )


def test_rows_counted_by_the_sample_are_told() -> None:
    stopped = finding(message="the constraint stopped the build", failing_rows=None)
    text = render([(stopped, FailingRows(failing_rows=1))], 0, [])
    assert "the constraint stopped the build; 1 failing row\n" in text


def test_a_note_stands_in_for_rows_and_first_of_all() -> None:
    text = render([(finding(), FailingRows(note="no rows to show"))], 0, ["changed since"])
    assert text.startswith("note: changed since\n\nERROR")
    assert "        no rows to show\n" in text


def test_what_was_not_checked_is_grouped_by_reason() -> None:
    skipped = [
        (
            finding(
                rule_id=name,
                verdict="not_measured",
                reason_unmeasured="skipped",
                message="not checked: x did not build",
            ),
            FailingRows(),
        )
        for name in ("b", "a")
    ]
    absent = finding(
        rule_id="c",
        verdict="not_measured",
        reason_unmeasured="source",
        message="the source has no volume",
    )
    text = render([*skipped, (absent, FailingRows())], 1, [])
    assert "not checked\n  2 (owner DATA): not checked: x did not build\n      a, b\n" in text
    assert (
        "not measured: this source lacks what the rules read\n  1 (owner DATA): the source has no volume\n"
        in text
    )
    assert text.endswith("2 findings (2 errors, 0 warnings), 1 passed, 1 NOT MEASURED\n")


def test_long_values_stay_on_one_line() -> None:
    text = render([(finding(), FailingRows(rows=({"details": "a\nb " * 40},)))], 0, [])
    (line,) = [one for one in text.splitlines() if "details=" in one]
    assert line.endswith("…")
    assert len(line) < 90


def test_json_carries_every_type() -> None:
    sample = FailingRows(rows=({"at": datetime(2026, 1, 1, tzinfo=UTC), "n": 1},), failing_rows=7)
    document = json.loads(json.dumps(as_json([(finding(), sample)], 5, ["old"])))
    assert document["findings"][0]["failing_rows"] == 7
    assert document["findings"][0]["sample"]["rows"] == [
        {"at": "2026-01-01 00:00:00+00:00", "n": 1}
    ]
    assert document["stale"] == ["old"]
