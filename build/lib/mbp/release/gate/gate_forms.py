"""A gate's report for people: a terminal, and Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from mbp.core.markdown import code, inline, one_line
from mbp.core.reporting import Finding, Suite
from mbp.core.verdict import RELEASING, Verdict, spelled
from mbp.release.gate.all_rules import RULES
from mbp.release.gate.gate_report import GO, CheckResult, GateReport


def suite(report: GateReport) -> Suite:
    """A finding for each check that blocks the release, a note for each waived one; the checklist as table."""
    findings = [
        Finding(
            result.id,
            f"{spelled(result.verdict)}: {_waived(result)}{one_line(result.told)}",
            severity="error" if result.open else "note",
            owner=result.owner,
            not_measured=result.verdict in (Verdict.NOT_MEASURED, Verdict.ERROR),
        )
        for result in report.results
        if result.verdict != Verdict.PASS
    ]
    checks = [result.id for result in report.results]
    return Suite(f"mbp gate {report.gate}", checks, findings, unit="check", table=_table(report))


def _table(report: GateReport) -> str:
    """The answer, and the checklist by area."""
    lines = [f"Gate {report.gate} ({report.title}): {verdict(report)}", _of(report)]
    for area, results in _by_area(report):
        lines += ["", area]
        for result in results:
            mark = mark_of(result.verdict)
            measured = f" [{one_line(result.measured)}]" if result.measured else ""
            lines.append(f"  {mark:<13}{result.id}: {result.what}{measured}")
    return "\n".join([*lines, "", *_closing(report), ""])


def as_markdown(report: GateReport) -> str:
    """The same as a document, with what a reader may open for each check."""
    lines = [f"# Gate {report.gate}: {report.title}", "", f"**{verdict(report)}**", "", _of(report)]
    for area, results in _by_area(report):
        lines += ["", f"## {area}", "", "| check | verdict | measured | found | owner | evidence |"]
        lines.append("| --- | --- | --- | --- | --- | --- |")
        for result in results:
            cells = (
                f"`{result.id}` {inline(result.what)}",
                mark_of(result.verdict),
                inline(result.measured),
                inline(_waived(result) + result.told),
                inline(result.owner),
                "<br>".join(code(place) for place in result.evidence),
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
    standing = sum(result.open for result in report.results)
    return f"NO-GO: {standing} of {len(report.results)} checks block the release"


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
    for area, results in groupby(report.results, key=lambda result: result.area):
        yield area, list(results)


def _waived(check_result: CheckResult) -> str:
    if check_result.waived_until is None:
        return ""
    return f"until {check_result.waived_until} by {check_result.waiver}: "


def _closing(report: GateReport) -> Sequence[str]:
    messages = [", ".join(f"{count} {spelled(name)}" for name, count in report.counts().items())]
    if report.no_gos:
        names = ", ".join(check_result.id for check_result in report.no_gos)
        messages.append(f"No waiver and no signature lifts: {names}")
    return messages
