"""A gate's report for people: a terminal, and Markdown."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from itertools import groupby

from mbp.core.markdown import code, inline, one_line
from mbp.core.reporting import Finding, Suite
from mbp.core.verdict import RELEASING, Verdict, spelled
from mbp.release.gate.all_rules import RULES
from mbp.release.gate.gate_report import GO, CheckResult, GateReport

WIDTH = 100
INDENT = 15


def suite(report: GateReport) -> Suite:
    """A finding for each check that blocks the release."""
    findings = [
        Finding(one.id, f"{spelled(one.verdict)}: {one_line(one.told)}", owner=one.owner)
        for one in report.results
        if one.open
    ]
    checks = [one.id for one in report.results]
    return Suite(f"mbp gate {report.gate}", checks, findings, unit="check")


def as_text(report: GateReport) -> str:
    """The checklist by area; what stands in the way is told in full."""
    lines = [f"Gate {report.gate} ({report.title}): {verdict(report)}", _of(report)]
    for area, results in _by_area(report):
        lines += ["", area]
        for one in results:
            mark = mark_of(one.verdict)
            measured = f" [{one_line(one.measured)}]" if one.measured else ""
            lines.append(f"  {mark:<13}{one.id}: {one.what}{measured}")
            if one.verdict != "pass":
                lines += textwrap.wrap(
                    f"{_waived(one)}{one_line(one.told)} (owner {one.owner})",
                    WIDTH,
                    initial_indent=" " * INDENT,
                    subsequent_indent=" " * INDENT,
                    break_on_hyphens=False,
                    break_long_words=False,
                )
    lines += ["", *_closing(report)]
    return "\n".join(lines) + "\n"


def as_markdown(report: GateReport) -> str:
    """The same as a document, with what a reader may open for each check."""
    lines = [f"# Gate {report.gate}: {report.title}", "", f"**{verdict(report)}**", "", _of(report)]
    for area, results in _by_area(report):
        lines += ["", f"## {area}", "", "| check | verdict | measured | found | owner | evidence |"]
        lines.append("| --- | --- | --- | --- | --- | --- |")
        for one in results:
            cells = (
                f"`{one.id}` {inline(one.what)}",
                mark_of(one.verdict),
                inline(one.measured),
                inline(_waived(one) + one.told),
                inline(one.owner),
                "<br>".join(code(place) for place in one.evidence),
            )
            lines.append(f"| {' | '.join(cells)} |")
    lines += ["", *(f"- {inline(line)}" for line in _closing(report))]
    return "\n".join(lines) + "\n"


def mark_of(verdict: Verdict) -> str:
    """The verdict; what blocks the release in capitals."""
    return spelled(verdict) if verdict in RELEASING else spelled(verdict).upper()


def rules_text() -> str:
    """Every rule that a definition may name."""
    width = max(len(name) for name in RULES)
    return "".join(f"{name:<{width}}  {RULES[name].meaning}\n" for name in sorted(RULES))


def verdict(report: GateReport) -> str:
    """The answer in one sentence."""
    if report.verdict == GO:
        waived = report.counts()["waived"]
        return "GO" + (f", with {waived} checks waived" if waived else "")
    standing = sum(one.open for one in report.results)
    return f"NO-GO: {standing} of {len(report.results)} checks stand in the way"


def _of(report: GateReport) -> str:
    commit = (report.commit or "unknown")[:12]
    changes = "" if report.clean else " with changes that are not committed"
    data = (report.data or "unknown")[:12]
    warehouse = (report.warehouse or "unknown")[:12]
    return (
        f"commit {commit}{changes}, target {report.target}, warehouse {warehouse}, data {data},"
        f" {report.decided_at:%Y-%m-%d %H:%M:%S} UTC"
    )


def _by_area(report: GateReport) -> Iterator[tuple[str, list[CheckResult]]]:
    for area, results in groupby(report.results, key=lambda one: one.area):
        yield area, list(results)


def _waived(one: CheckResult) -> str:
    if one.waived_until is None:
        return ""
    return f"until {one.waived_until:%Y-%m-%d %H:%M} UTC by {one.waiver}: "


def _closing(report: GateReport) -> Sequence[str]:
    told = [", ".join(f"{count} {spelled(name)}" for name, count in report.counts().items())]
    if report.no_gos:
        names = ", ".join(one.id for one in report.no_gos)
        told.append(f"No waiver and no signature lifts: {names}")
    return told
