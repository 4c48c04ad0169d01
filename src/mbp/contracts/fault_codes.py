"""The codes of what is wrong with contracts: what each means, why it is judged so, and what to do about it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from mbp.core.errors import MbpError
from mbp.core.reporting import CodeMeaning, Finding
from mbp.core.templates import templates
from mbp.core.yaml_io import load

WIDTH = 100


@cache
def _content() -> Any:
    return load(Path(__file__).with_name("fault_codes.yaml"))


@cache
def rules() -> Mapping[str, CodeMeaning]:
    """Code -> rule, in the order of the catalogue."""
    return {code: CodeMeaning(code=code, **entry) for code, entry in _content()["codes"].items()}


def groups() -> Mapping[str, str]:
    """Group, which is the beginning of its codes -> what it is about."""
    return dict(_content()["groups"])


def fault(
    code: str,
    path: str,
    line: int | None,
    message: str,
    subject: str = "",
    fix: str | None = None,
) -> Finding:
    """A finding of a code, with the level of the code and its fix where no other is given."""
    rule = rules()[code]
    return Finding(code, message, path, line, subject, fix=fix or rule.fix, severity=rule.severity)


def fault_of(error: MbpError, code: str, path: str) -> Finding:
    """The same as a finding; at `path` where the error names no file."""
    return fault(code, str(error.path or path), error.line, error.what, "", error.fix)


def listing(known: Iterable[CodeMeaning]) -> str:
    """One line per code."""
    return "\n".join(f"{rule.code:32} {rule.title}" for rule in known)


def explanation(rule: CodeMeaning) -> str:
    """What, why and fix of one code."""
    parts = {"what": rule.what or rule.title, "why": rule.why, "fix": rule.fix}
    lines = [f"{rule.code}: {rule.title}"]
    for word, message in parts.items():
        lines += textwrap.wrap(
            message, WIDTH, initial_indent=f"  {word:5} ", subsequent_indent=" " * 8
        )
    return "\n".join(lines)


def lint_markdown() -> str:
    """docs/reference/lint.md."""
    environment = templates("mbp.contracts")
    environment.filters["escaped"] = _escaped
    text = environment.get_template("lint.md.j2").render(codes=rules(), groups=groups())
    return f"{text.rstrip()}\n"


def _escaped(text: str) -> str:
    return " ".join(text.split()).replace("<", "\\<").replace("*", "\\*")
