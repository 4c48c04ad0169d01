"""A suite as text for people, or as JSON, JUnit XML or SARIF for machines."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import typer

from mbp.core.errors import MbpError
from mbp.core.files import write_text
from mbp.core.reporting.findings import Suite
from mbp.core.reporting.junit import junit
from mbp.core.reporting.sarif import sarif
from mbp.core.reporting.terminal import printable


def text(suite: Suite) -> str:
    """One line per finding, in the form that editors jump to, and one line that sums up."""
    lines = []
    for finding in suite.findings:
        cure = f". Cure: {finding.cure}" if finding.cure else ""
        line = (
            f"{finding.place}: {finding.level} {finding.code}: {finding.sentence.rstrip('.')}{cure}"
        )
        # A line end in a value would begin a line that nobody wrote.
        lines.append(line.replace("\n", "\\n"))
    return "\n".join([*lines, summary(suite)]) + "\n"


def summary(suite: Suite) -> str:
    """What was looked at and how much was found."""
    if not suite.checked:
        return f"{suite.name}: nothing was checked"
    told = ", ".join(_counted(count, level) for level, count in suite.counts.items())
    return f"{suite.name}: {_counted(len(suite.checked), 'file')} checked, {told}"


def _counted(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"


def as_json(suite: Suite) -> str:
    """The suite as one JSON object; keys are only ever added.

    `name`, `passed`, `checked` (files), `counts` (level -> number) and `findings`, each with `code`,
    `level`, `path`, `line` (null where the file as a whole is meant), `subject`, `message`, `cure`.
    """
    document = {
        "name": suite.name,
        "passed": not suite.failed,
        "checked": list(suite.checked),
        "counts": suite.counts,
        "findings": [asdict(finding) for finding in suite.findings],
        **suite.extra,
    }
    return json.dumps(document, indent=2, ensure_ascii=False, default=str) + "\n"


_WRITERS: dict[str, Callable[[Suite], str]] = {
    "text": text,
    "json": as_json,
    "junit": junit,
    "sarif": sarif,
}
FORMATS = tuple(_WRITERS)


def written(suite: Suite, form: str) -> str:
    """The suite in one of `FORMATS`, ending in a newline; what a reader cannot see is escaped.

    Raises:
        MbpError: there is no such form.
    """
    if form not in _WRITERS:
        raise MbpError(f"no format {form!r}", cure=f"use one of {', '.join(FORMATS)}")
    # Escaped as JSON does it: a parser of JSON and SARIF reads the same values.
    return printable(_WRITERS[form](suite))


def deliver(suite: Suite, form: str, output: Path | None) -> None:
    """Writes the suite to `output`, whole or not at all, and sums up on stderr; else to stdout."""
    whole = written(suite, form)
    if output is None:
        typer.echo(whole, nl=False)
    else:
        try:
            write_text(output, whole)
        except OSError as error:
            raise MbpError(
                f"cannot write: {error.strerror}",
                path=output,
                cure="name a file in a folder of yours",
            ) from error
        typer.echo(f"wrote {output}", err=True)
    if output is not None or form != "text":
        typer.echo(summary(suite), err=True)
