"""A part of the comment, and how text of others is shown in it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from mbp.core.markdown import one_line
from mbp.core.verdict import Verdict
from mbp.release.ci.step_reports import Unseen

LONGEST = 160


@dataclass(frozen=True)
class CommentPart:
    """One part.

    Attributes:
        headline: our own words and numbers only; goes into the table on top.
        items: bullets, each with its own lines; cut from the end when the comment is too long.
        seconds: how long its step took; None where it has none.
    """

    title: str
    verdict: Verdict
    headline: str
    items: tuple[str, ...] = ()
    seconds: float | None = None


def literal(value: Any, longest: int = LONGEST) -> str:
    """A code span on one line: in it no mention, link, tag, reference or markup comes to life.

    It is used in bullets only, never in a table: a table would read a backslash and a bar in it.
    """
    text = one_line(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
    text = text.replace("`", "'")
    if len(text) > longest:
        text = f"{text[: longest - 1]}…"
    return f"`{text}`" if text else "(empty)"


def named(values: Any, most: int) -> str:
    """Several names, the first `most` of them."""
    shown = ", ".join(literal(value) for value in values[:most])
    return shown + (f" and {len(values) - most} more" if len(values) > most else "")


def unseen(title: str, reason: Unseen, seconds: float | None = None) -> CommentPart:
    """A part that says why it is empty. The reasons are our own words."""
    return CommentPart(title, Verdict.NOT_MEASURED, reason.reason, (), seconds)
