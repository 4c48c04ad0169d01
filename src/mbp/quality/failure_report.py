"""Findings with their rows, for a person or for a program."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from mbp.core.verdict import Verdict
from mbp.quality.masking import as_text, plain_row
from mbp.quality.rule_findings import RuleVerdict
from mbp.quality.samples import FailingRows

WIDEST = 60
WIDTH = 100


def render(
    findings: Sequence[tuple[RuleVerdict, FailingRows]],
    passed: int,
    notes: Sequence[str],
    partial: Sequence[str] = (),
) -> str:
    """The findings as text.

    Args:
        findings: what does not hold, and what is not measured, in order, with its rows.
        passed: number of tests and rules that held.
        notes: why the results do not count.
        partial: why they speak of a part of the project; rules outside of it are counted, not listed.
    """
    outside = [rule_verdict for rule_verdict, _ in findings if partial and rule_verdict.is_not_run]
    findings = [pair for pair in findings if pair[0] not in outside]
    lines = [f"note: {note}" for note in notes]
    lines += [f"partial: {note}" for note in partial]
    if partial:
        lines.append(f"partial: {len(outside)} rules were not checked by this run")
    if lines:
        lines.append("")
    for finding, sample in findings:
        if finding.is_broken or finding.verdict == Verdict.ERROR:
            lines += [*_finding(finding, sample), ""]
    for title, reasons in (
        ("not checked", ("skipped", "not_run")),
        ("not measured: this source lacks what the rules read", ("source",)),
    ):
        chosen = [finding for finding, _ in findings if finding.reason_unmeasured in reasons]
        if chosen:
            lines += [title, *_grouped(chosen), ""]
    bad = [
        rule_verdict
        for rule_verdict, _ in findings
        if not rule_verdict.holds and not rule_verdict.is_unmeasured
    ]
    errors = sum(finding.severity == "error" for finding in bad)
    unmeasured = sum(finding.is_unmeasured for finding, _ in findings)
    total = f"{len(bad)} findings ({errors} errors, {len(bad) - errors} warnings), {passed} passed"
    total += f", {unmeasured} NOT MEASURED" if unmeasured else ""
    lines.append(total + (f" in the part that ran, {len(outside)} not checked" if partial else ""))
    return "\n".join(lines) + "\n"


def _finding(finding: RuleVerdict, sample: FailingRows) -> list[str]:
    rows = finding.failing_rows if sample.failing_rows is None else sample.failing_rows
    message = finding.message
    if rows is not None and "failing row" not in message:
        message += f"; {rows} failing row{'' if rows == 1 else 's'}"
    lines = [
        f"{finding.severity.upper():<8}{finding.rule_id}   owner {finding.owner}"
        f"   dataset {finding.dataset}",
        f"        {message}",
    ]
    if finding.description:
        lines.append(f"        means: {' '.join(finding.description.split())}")
    if sample.rows:
        shown = f"showing {len(sample.rows)}"
        hidden = f", masked: {', '.join(sample.hidden)}" if sample.hidden else ""
        lines.append(f"        rows ({shown}{hidden})")
        lines += [f"          {_row(row)}" for row in sample.rows]
    elif sample.note and finding.is_broken:
        lines.append(f"        {sample.note}")
    return lines


def _row(row: Mapping[str, Any]) -> str:
    """One row as name=value, one line, long values cut."""
    parts = []
    for name, value in row.items():
        text = "null" if value is None else " ".join(as_text(value).split())
        parts.append(f"{name}={text if len(text) <= WIDEST else text[: WIDEST - 1] + '…'}")
    return "  ".join(parts)


def _grouped(findings: Sequence[RuleVerdict]) -> list[str]:
    """Each reason and owner once, with the rules that share them."""
    groups: dict[tuple[str, str], list[str]] = {}
    for finding in findings:
        groups.setdefault((finding.owner, finding.message), []).append(finding.rule_id)
    lines = []
    for (owner, message), rules in groups.items():
        lines.append(f"  {len(rules)} (owner {owner}): {message.rstrip('.')}")
        lines += listed(rules)
    return lines


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
