"""The one way out for findings: text and Markdown for people; JSON, JUnit XML, SARIF and annotations for machines."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree as Xml

import typer

from mbp.core.errors import EXIT_FINDINGS, MbpError
from mbp.core.files import stale, write_stale, write_text
from mbp.core.reporting.findings import SEVERITIES, CodeMeaning, Finding, Severity, Suite
from mbp.core.reporting.terminal import Guarded, printable
from mbp.core.wording import code, inline, many

# What XML 1.0 cannot hold, not even escaped.
UNPRINTABLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
# The scanner puts its own checkout in its place; paths stay those of the repository.
BASE = "%SRCROOT%"
COMMANDS: dict[Severity, str] = {"error": "error", "warning": "warning", "note": "notice"}


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


def junit(suite: Suite) -> str:
    """The suite as JUnit XML: one suite per file, one failed case per code, one passed case for what was checked.

    The form is that of Jenkins' junit-10.xsd, which knows the file of a suite; the line of a finding is in its text.
    Measured warnings and notes are in the output of the passed case. What could not be measured is an error, or skipped
    where it does not fail the check; never a pass.
    """
    by_path: dict[str, list[Finding]] = {path: [] for path in suite.checked}
    for finding in suite.findings:
        by_path.setdefault(finding.path or finding.subject or finding.code, []).append(finding)
    root = Xml.Element("testsuites", name=suite.name)
    for path, findings in by_path.items():
        _file(root, suite, path, findings)
    _count(root, "failure", "error")
    Xml.indent(root)
    return Xml.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _file(root: Xml.Element, suite: Suite, path: str, findings: Sequence[Finding]) -> None:
    element = Xml.SubElement(root, "testsuite", name=_clean(path))
    if any(finding.path for finding in findings):
        element.set("file", _clean(path))
    remarks = [
        finding for finding in findings if finding.severity != "error" and not finding.not_measured
    ]
    if path in suite.checked or remarks:
        case = Xml.SubElement(element, "testcase", classname=_clean(path), name=suite.name)
        if remarks:
            Xml.SubElement(case, "system-out").text = _lines(remarks)
    cases: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        if finding not in remarks:
            cases.setdefault((finding.code, _outcome(finding)), []).append(finding)
    for (rule_code, outcome), same in cases.items():
        title = suite.rules[rule_code].title if rule_code in suite.rules else ""
        case = Xml.SubElement(
            element,
            "testcase",
            classname=_clean(path),
            name=_clean(f"{rule_code} {title}".strip()),
        )
        more = f" (and {len(same) - 1} more)" if len(same) > 1 else ""
        message = _clean(same[0].sentence + more)
        Xml.SubElement(case, outcome, type=rule_code, message=message).text = _lines(same)
    _count(element, "failure", "error", "skipped")


def _outcome(finding: Finding) -> str:
    if finding.not_measured:
        return "error" if finding.severity == "error" else "skipped"
    return "failure"


def _count(element: Xml.Element, *outcomes: str) -> None:
    results = list(element.iter("testcase"))
    element.set("tests", str(len(results)))
    for outcome in outcomes:
        count = str(sum(case.find(outcome) is not None for case in results))
        element.set({"failure": "failures", "error": "errors"}.get(outcome, outcome), count)


def _lines(findings: Sequence[Finding]) -> str:
    return _clean(
        "\n".join(
            f"{finding.place}: {finding.severity} {finding.code}: {finding.sentence}"
            + (f"\n  Fix: {finding.fix}" if finding.fix else "")
            for finding in findings
        )
    )


def _clean(text: str) -> str:
    return UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def sarif(suite: Suite) -> str:
    """The suite as a SARIF log with one run. It lists all rules, also those without a finding."""
    codes = sorted({*suite.rules, *(finding.code for finding in suite.findings)})
    rules = {code: suite.rules.get(code, CodeMeaning(code, code, "", "")) for code in codes}
    places = {code: index for index, code in enumerate(codes)}
    driver = {
        "name": suite.name,
        "semanticVersion": metadata.version("mbp-data-contracts"),
        "rules": [_rule(rule) for rule in rules.values()],
    }
    run = {
        "tool": {"driver": driver},
        "invocations": [{"executionSuccessful": bool(suite.checked)}],
        "artifacts": [
            {"location": _location(path)} for path in suite.checked if suite.unit == "file"
        ],
        "results": [_result(finding, places[finding.code]) for finding in suite.findings],
        "columnKind": "unicodeCodePoints",
    }
    document = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _rule(rule: CodeMeaning) -> dict[str, Any]:
    what = rule.what or rule.title
    parts = [part for part in (what, rule.why, f"Fix: {rule.fix}" if rule.fix else "") if part]
    return {
        "id": rule.code,
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": what},
        "help": {"text": "\n".join(parts), "markdown": "\n\n".join(parts)},
        "defaultConfiguration": {"level": rule.severity},
    }


def _result(finding: Finding, rule_index: int) -> dict[str, Any]:
    fix = f"\nFix: {finding.fix}" if finding.fix else ""
    # Without the line: a finding that only moved is the same finding.
    identity = "\n".join((finding.code, finding.path, finding.subject, finding.message))
    return {
        "ruleId": finding.code,
        "ruleIndex": rule_index,
        "level": finding.severity,
        "message": {"text": finding.sentence + fix},
        "locations": [_place(finding)],
        "partialFingerprints": {
            "finding/v1": hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()
        },
    }


def _place(finding: Finding) -> dict[str, Any]:
    if not finding.path:
        name = finding.subject or finding.code
        return {"logicalLocations": [{"fullyQualifiedName": name}]}
    region = {"startLine": finding.line or 1}
    artifact = _location(finding.path)
    return {"physicalLocation": {"artifactLocation": artifact, "region": region}}


def _location(path: str) -> dict[str, str]:
    if Path(path).is_absolute():
        return {"uri": Path(path).as_uri()}
    return {"uri": quote(path, errors="surrogatepass"), "uriBaseId": BASE}


def as_annotations(suite: Suite) -> str:
    """A line per finding; data cannot end it or begin another."""
    return "".join(f"{_annotation(finding)}\n" for finding in suite.findings)


def write_annotations(text: str, *, err: bool = False) -> None:
    """Prints lines that `as_annotations` made; the guard escapes such a line from everywhere else."""
    stream: Any = sys.stderr if err else sys.stdout
    write = stream.write_command if isinstance(stream, Guarded) else stream.write
    for line in text.splitlines(keepends=True):
        write(line)


def _annotation(finding: Finding) -> str:
    subject = "" if finding.path or not finding.subject else f"{finding.subject}: "
    fix = f". Fix: {finding.fix}" if finding.fix else ""
    owner = f" (owner {finding.owner})" if finding.owner else ""
    named = {"file": finding.path, "line": str(finding.line or ""), "title": finding.code}
    properties = ",".join(
        f"{name}={_data(value).replace(':', '%3A').replace(',', '%2C')}"
        for name, value in named.items()
        if value
    )
    return f"::{COMMANDS[finding.severity]} {properties}::{_data(subject + finding.sentence + fix + owner)}"


def _data(text: str) -> str:
    # The form of @actions/core: https://github.com/actions/toolkit, packages/core/src/command.ts
    for letter in "%\r\n":
        text = text.replace(letter, f"%{ord(letter):02X}")
    return printable(text)


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
    check: bool, root: Path, contents: Mapping[str, str | None], fix: str, form: str
) -> None:
    """Writes the generated files that are stale, or with `check` names them and writes nothing.

    Args:
        contents: path in the project -> content, as of `mbp.core.files.stale`.

    Raises:
        typer.Exit: with findings, when `check` found stale files.
    """
    if not check:
        changed = write_stale(root, contents)
        for name in changed:
            typer.echo(f"wrote {name}", err=True)
        typer.echo(f"{len(changed)} files written" if changed else "nothing was stale", err=True)
        return
    findings = [Finding("stale", "out of date", name, fix=fix) for name in stale(root, contents)]
    report(Suite("generated files", ["all"], findings, unit="set"), form)
