"""The catalogue for people: on the terminal and as docs/reference/lint.md."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from mbp.contracts.fault_codes import groups, rules
from mbp.core.reporting import CodeMeaning
from mbp.core.templates import templates

WIDTH = 100


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
