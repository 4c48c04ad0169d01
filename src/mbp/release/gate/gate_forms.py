"""A gate's report for people: a terminal, and Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from mbp.core.reporting import Finding, Suite
from mbp.core.verdict import GO, NO_GO, REHEARSAL, Verdict, spelled
from mbp.core.wording import code, inline, many, one_line
from mbp.release.gate.all_rules import RULES
from mbp.release.gate.gate_report import CheckResult, GateReport
from mbp.release.gate.signoffs import SIGN_OFF_ID

WORDS = {GO: "GO", REHEARSAL: "GO FOR A REHEARSAL", NO_GO: "NO-GO"}
SIGN = "mbp gate sign --role <role> --key <your SSH key>"


def suite(report: GateReport) -> Suite:
    """A finding for each check that blocks the release, a note for each waived one."""
    findings = [
        Finding(
            result.id,
            f"{spelled(result.state)}: {_waived(result)}{one_line(result.message)}",
            severity="error" if result.open else "note",
            owner=result.owner,
            fix=f"`{result.next_command}`" if result.next_command else "",
            not_measured=result.verdict in (Verdict.NOT_MEASURED, Verdict.ERROR),
        )
        for result in report.results
        if result.verdict != Verdict.PASS
    ]
    checks = [result.id for result in report.results]
    return Suite(f"mbp gate {report.gate}", checks, findings, unit="check")


def as_text(report: GateReport) -> str:
    """The answer and what it rests on, what blocks it, what changed, and the checklist by area."""
    lines = [f"Gate {report.gate} ({report.title}): {answer(report)}", counted(report), _of(report)]
    for title, results in _actions(report):
        lines += ["", title]
        for result in results:
            lines.append(
                f"  {result.id} ({result.owner}): {spelled(result.state)}: {one_line(result.message)}"
            )
            lines.append(f"      next: {result.next_command}")
    if report.waiting:
        lines += [
            "",
            f"Signatures that wait: {_unsigned(report)}",
            f"      next: {_how_to_sign(report)}",
        ]
    lines += ["", *(one_line(line) for line in report.since)]
    for area, results in _by_area(report):
        lines += ["", area]
        for result in results:
            measured = f" [{one_line(result.measured)}]" if result.measured else ""
            lines.append(
                f"  {mark_of(result):<13}{result.id}: {_waived(result)}{result.what}{measured}"
            )
    return "\n".join(lines) + "\n"


def as_markdown(report: GateReport) -> str:
    """The same as a document, with what a reader may open for each check."""
    lines = [f"# Gate {report.gate} ({report.title}): {inline(answer(report))}", ""]
    lines += [f"**{counted(report)}**", "", _of(report)]
    for title, results in _actions(report):
        lines += ["", f"## {title}", ""]
        lines += [
            f"- `{result.id}` ({result.owner}): {spelled(result.state)}: {inline(result.message)}."
            f" Next: {code(result.next_command)}"
            for result in results
        ]
    if report.waiting:
        lines += [
            "",
            "## Signatures that wait",
            "",
            f"{_unsigned(report)}. Next: {code(_how_to_sign(report))}",
        ]
    lines += ["", "## Since the last GO", "", *(f"- {inline(line)}" for line in report.since)]
    for area, results in _by_area(report):
        lines += ["", f"## {area}", "", "| check | verdict | measured | found | owner | evidence |"]
        lines.append("| --- | --- | --- | --- | --- | --- |")
        for result in results:
            cells = (
                f"`{result.id}` {inline(result.what)}",
                mark_of(result),
                inline(result.measured),
                inline(_waived(result) + result.message),
                inline(result.owner),
                "<br>".join(code(place) for place in result.evidence),
            )
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def mark_of(result: CheckResult) -> str:
    """The verdict; what blocks the release in capitals."""
    return (
        spelled(result.state).upper() if result.open and not result.waits else spelled(result.state)
    )


def rules_text() -> str:
    """Every rule that a definition may name."""
    width = max(len(name) for name in RULES)
    return "".join(f"{name:<{width}}  {RULES[name].meaning}\n" for name in sorted(RULES))


def answer(report: GateReport) -> str:
    """The answer and what it rests on, such as: NO-GO on the committed sample ...; DuckDB; ..."""
    return f"{WORDS[report.verdict]} on {report.basis}"


def counted(report: GateReport) -> str:
    """What blocks the release, in numbers; or what passed."""
    total, waived = len(report.results), report.counts()["waived"]
    if not total:
        return "Nothing was checked"
    blockers, waiting = len(report.blockers), len(report.waiting)
    parts = []
    if blockers:
        parts.append(
            f"{many(blockers, 'check')} of {total} block{'s' * (blockers == 1)} the release"
        )
    else:
        holding = total - waiting - len(report.production)
        of = f", {waived} of them by a waiver" if waived else ""
        parts.append(f"{holding} of {total} checks hold{of}")
    if waiting:
        parts.append(f"{many(waiting, 'signature')} wait{'s' * (waiting == 1)}")
    if report.production:
        parts.append(f"a rehearsal by {', '.join(result.id for result in report.production)}")
    if report.no_gos:
        names = ", ".join(result.id for result in report.no_gos)
        parts.append(f"no waiver and no signature lifts {names}")
    return "; ".join(parts)


def _actions(report: GateReport) -> Iterator[tuple[str, Sequence[CheckResult]]]:
    """What blocks, and who does what about it."""
    if report.blockers:
        yield "Blocks the release", report.blockers
    if report.production:
        yield "Makes this a rehearsal", report.production


def _unsigned(report: GateReport) -> str:
    return ", ".join(result.id.removeprefix(SIGN_OFF_ID) for result in report.waiting)


def _how_to_sign(report: GateReport) -> str:
    return report.waiting[0].next_command if len(report.waiting) == 1 else SIGN


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
