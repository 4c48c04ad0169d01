"""The one way out for findings: text and Markdown for people; JSON, JUnit XML, SARIF and annotations for machines."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import typer

from mbp.core.errors import EXIT_FINDINGS, MbpError
from mbp.core.files import write_text
from mbp.core.markdown import code, inline
from mbp.core.reporting.annotations import as_annotations, write_annotations
from mbp.core.reporting.findings import SEVERITIES, Finding, Suite
from mbp.core.reporting.junit import junit
from mbp.core.reporting.sarif import sarif
from mbp.core.reporting.terminal import printable
from mbp.core.wording import many


def text(suite: Suite) -> str:
    """The table, one line per finding, in the form that editors jump to, and one line that sums up."""
    lines = [suite.table.rstrip("\n")] if suite.table else []
    for finding in _failures_first(suite):
        fix = f". Fix: {finding.fix}" if finding.fix else ""
        place = f"{finding.place}: " if finding.place else ""
        shown = f" [{finding.evidence}]" if finding.evidence else ""
        owner = f" (owner {finding.owner})" if finding.owner else ""
        what = f"{finding.sentence.rstrip('.')}{shown}{owner}{fix}"
        line = f"{place}{finding.severity} {finding.code}: {what}"
        # A line end in a value would forge a line of output.
        lines.append(line.replace("\n", "\\n"))
    return "\n".join([*lines, summary(suite)]) + "\n"


def _failures_first(suite: Suite) -> list[Finding]:
    return sorted(suite.findings, key=lambda finding: SEVERITIES.index(finding.severity))


def summary(suite: Suite) -> str:
    """What was checked, and the number of findings."""
    if not suite.checked:
        return f"{suite.name}: nothing was checked"
    message = ", ".join(many(count, severity) for severity, count in suite.counts.items())
    return f"{suite.name}: {many(len(suite.checked), suite.unit)} checked, {message}"


def as_json(suite: Suite) -> str:
    """The suite as one JSON object; keys are only ever added.

    `name`, `passed`, `checked` (files), `counts` (severity -> number) and `findings`, each with `code`,
    `path`, `line` (null where the file as a whole is meant), `message`, `subject`, `fix`, `severity`, `owner`,
    `evidence`, `not_measured`.
    """
    return dumps(
        {
            "name": suite.name,
            "passed": not suite.failed,
            "checked": list(suite.checked),
            "counts": suite.counts,
            "findings": [asdict(finding) for finding in suite.findings],
            **suite.extra,
        }
    )


def dumps(document: object) -> str:
    """JSON as every command writes it; what JSON has no type for becomes text."""
    return json.dumps(document, indent=2, ensure_ascii=False, default=str) + "\n"


def markdown(suite: Suite) -> str:
    """The summary, then a row per finding; no text of a finding is markup."""
    lines = [f"**{inline(summary(suite))}**"]
    if suite.findings:
        lines += ["", "| place | severity | code | finding | fix | owner |", "| --- " * 6 + "|"]
    for finding in _failures_first(suite):
        cells = (
            code(finding.place) if finding.place else "",
            finding.severity,
            code(finding.code),
            inline(finding.sentence),
            inline(finding.fix),
            inline(finding.owner),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


_WRITERS: dict[str, Callable[[Suite], str]] = {
    "text": text,
    "json": as_json,
    "junit": junit,
    "sarif": sarif,
    "markdown": markdown,
    "annotations": as_annotations,
}
FORMATS = tuple(_WRITERS)


def written(suite: Suite, form: str) -> str:
    """The suite in one of `FORMATS`; what a reader cannot see is escaped as JSON does it."""
    return printable(_WRITERS[form](suite))


def deliver(suite: Suite, form: str, output: Path | None = None, **own: object) -> None:
    """Writes the suite to `output`, whole or not at all, and sums up on stderr; else to stdout.

    Args:
        own: format -> what the command shows in it instead: text, or a document for JSON.
    """
    show(form, output, **{form: written(suite, form), **own})
    if output is not None or form not in ("text", *own):
        typer.echo(summary(suite), err=True)


def report(suite: Suite, form: str, output: Path | None = None, **own: object) -> None:
    """As `deliver`, and ends the command with exit code 1 when the suite failed.

    Raises:
        typer.Exit: it failed.
    """
    deliver(suite, form, output, **own)
    if suite.failed:
        raise typer.Exit(EXIT_FINDINGS)


def show(form: str, output: Path | None = None, **own: object) -> None:
    """What a command shows that is no finding, in the format that was asked for.

    Args:
        own: format -> text, or a document for JSON. Markdown shows the text as it is.
    """
    if form == "markdown" and form not in own:
        own[form] = f"```text\n{str(own['text']).rstrip()}\n```"
    content = own[form]
    whole = content if isinstance(content, str) else dumps(content)
    # Escaped as JSON does it: a parser of JSON and SARIF reads the same values.
    whole = printable(whole if not whole or whole.endswith("\n") else f"{whole}\n")
    if output is not None:
        write_output(output, whole)
        typer.echo(f"wrote {output}", err=True)
    elif form == "annotations":
        write_annotations(whole)
    else:
        typer.echo(whole, nl=False)


def write_output(path: Path, whole: str) -> None:
    """Writes what the caller asked for into a file that the caller named.

    Raises:
        MbpError: the place cannot be written.
    """
    try:
        write_text(path, whole)
    except OSError as error:
        fix = "name a file in a folder of yours"
        raise MbpError(f"cannot be written: {error.strerror}", path=path, fix=fix) from error


def render_or_check(
    check: bool,
    write: Callable[[], Sequence[str]],
    stale: Callable[[], Sequence[str]],
    fix: str,
    form: str,
) -> None:
    """Writes the generated files that are stale, or with `check` names them and writes nothing.

    Raises:
        typer.Exit: with findings, when `check` found stale files.
    """
    if not check:
        changed = write()
        for name in changed:
            typer.echo(f"wrote {name}", err=True)
        typer.echo(f"{len(changed)} files written" if changed else "nothing was stale", err=True)
        return
    findings = [Finding("stale", "out of date", name, fix=fix) for name in stale()]
    report(Suite("generated files", ["all"], findings, unit="set"), form)
