"""Findings with their rows, for a person or for a program."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from mbp.core.masking import as_text, plain_row
from mbp.core.reporting import Finding, Suite
from mbp.core.verdict import Verdict
from mbp.quality.rule_findings import RuleVerdict
from mbp.quality.samples import FailingRows

WIDEST = 60
WIDTH = 100


def suite(
    findings: Sequence[tuple[RuleVerdict, FailingRows]],
    passed: int,
    notes: Sequence[str],
    partial: Sequence[str] = (),
) -> Suite:
    """What does not hold and what is not measured; meanings and rows as the table.

    Args:
        findings: in order, each with its rows.
        passed: number of tests and rules that held.
        notes: why the results do not count.
        partial: why they are of a part of the project: the rules outside of it are counted only.
    """
    outside = [rule_verdict for rule_verdict, _ in findings if partial and rule_verdict.is_not_run]
    bad = [pair for pair in findings if not pair[0].holds and pair[0] not in outside]
    lines = [f"note: {note}" for note in notes]
    lines += [f"partial: {note}" for note in partial]
    if partial:
        lines.append(f"partial: {len(outside)} rules were not checked by this run")
    for rule_verdict, sample in bad:
        if rule_verdict.is_broken or rule_verdict.verdict == Verdict.ERROR:
            lines += _meaning_and_rows(rule_verdict, sample)
    unmeasured = sum(finding.is_unmeasured for finding, _ in findings)
    lines.append(f"{passed} passed" + (f", {unmeasured} NOT MEASURED" if unmeasured else ""))
    return Suite(
        "mbp quality failures",
        ["run_results.json"],
        [_finding(*pair) for pair in bad],
        table="\n".join(lines),
    )


def _finding(rule_verdict: RuleVerdict, sample: FailingRows) -> Finding:
    rows = rule_verdict.failing_rows if sample.failing_rows is None else sample.failing_rows
    finding = rule_verdict.finding
    if rows is None or finding.not_measured or "failing row" in finding.message:
        return finding
    return replace(
        finding, message=f"{finding.message}; {rows} failing row{'' if rows == 1 else 's'}"
    )


def _meaning_and_rows(rule_verdict: RuleVerdict, sample: FailingRows) -> list[str]:
    lines = [f"{rule_verdict.rule_id}: {' '.join(rule_verdict.description.split())}".rstrip()]
    if sample.rows:
        shown = f"showing {len(sample.rows)}"
        hidden = f", masked: {', '.join(sample.hidden)}" if sample.hidden else ""
        lines.append(f"  rows ({shown}{hidden})")
        lines += [f"    {_row(row)}" for row in sample.rows]
    elif sample.note and rule_verdict.is_broken:
        lines.append(f"  {sample.note}")
    return lines


def _row(row: Mapping[str, Any]) -> str:
    """One row as name=value, one line, long values cut."""
    parts = []
    for name, value in row.items():
        text = "null" if value is None else " ".join(as_text(value).split())
        parts.append(f"{name}={text if len(text) <= WIDEST else text[: WIDEST - 1] + '…'}")
    return "  ".join(parts)


def listed(names: Sequence[str]) -> list[str]:
    """Names, sorted, on as many indented lines as they need."""
    indent = " " * 6
    return textwrap.wrap(
        ", ".join(sorted(names)), WIDTH, initial_indent=indent, subsequent_indent=indent
    )


def as_json(
    findings: Sequence[tuple[RuleVerdict, FailingRows]],
    passed: int,
    notes: Sequence[str],
    partial: Sequence[str] = (),
) -> dict[str, Any]:
    """The same for machines; `sample.rows` hold text for what JSON has no type for."""
    return {
        "passed": passed,
        "stale": list(notes),
        "partial": list(partial),
        "findings": [
            {
                **asdict(finding),
                "failing_rows": finding.failing_rows
                if sample.failing_rows is None
                else sample.failing_rows,
                "sample": {
                    "rows": [plain_row(row) for row in sample.rows],
                    "masked": list(sample.hidden),
                    "note": sample.note,
                },
            }
            for finding, sample in findings
        ],
    }
