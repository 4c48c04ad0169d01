"""Text that somebody else wrote, inside of Markdown that we write: shown, never read as markup.

Source: the GitHub Flavored Markdown specification (tables, backslash escapes, raw HTML).
"""

from __future__ import annotations

import re

SPECIAL = re.compile(r"([\\`*\[\]|])")
TAG = re.compile(r"<(?=[A-Za-z/!?])")


def cell(text: object) -> str:
    """One line for a table; Markdown inside of it stays Markdown, a tag does not stay a tag."""
    line = " ".join(str(text).split())
    return TAG.sub("&lt;", line.replace("|", "\\|"))


def code(text: object) -> str:
    """A code span of one line, in a table too."""
    line = " ".join(str(text).split()).replace("`", "'")
    return f"`{line.replace('|', chr(92) + '|')}`"


def inline(text: object) -> str:
    """One line of plain words: whatever could be markup is shown as it is."""
    return TAG.sub("&lt;", SPECIAL.sub(r"\\\1", " ".join(str(text).split())))
