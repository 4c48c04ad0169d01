"""Annotations of GitHub Actions: one workflow command per finding, shown beside the lines of a change."""

from __future__ import annotations

import sys
from typing import Any

from mbp.core.reporting.findings import Finding, Severity, Suite
from mbp.core.reporting.terminal import Guarded, printable

COMMANDS: dict[Severity, str] = {"error": "error", "warning": "warning", "note": "notice"}


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
    properties = ",".join(f"{name}={_property(value)}" for name, value in named.items() if value)
    return f"::{COMMANDS[finding.severity]} {properties}::{_data(subject + finding.sentence + fix + owner)}"


def _data(text: str) -> str:
    # The form of @actions/core: https://github.com/actions/toolkit, packages/core/src/command.ts
    for letter in "%\r\n":
        text = text.replace(letter, f"%{ord(letter):02X}")
    return printable(text)


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
