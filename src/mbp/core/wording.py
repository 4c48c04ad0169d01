"""Lists and numbers in one sentence; text of other authors inside Markdown that we write: shown, never read as markup.

Source: the GitHub Flavored Markdown specification (tables, backslash escapes, raw HTML).
"""

from __future__ import annotations

import re

SPECIAL = re.compile(r"([\\`*\[\]|])")
TAG = re.compile(r"<(?=[A-Za-z/!?])")


def few(texts: list[str], most: int = 5) -> str:
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return "; ".join(texts[:most]) + more if texts else "nothing"


def many(count: int, noun: str) -> str:
    """`1 rule`, `2,000 rules`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def one_line(text: object) -> str:
    """Without what a terminal obeys or a reader does not see: colours, line ends of any kind, other directions."""
    seen = "".join(letter if letter.isprintable() else " " for letter in str(text))
    return " ".join(seen.split())


def cell(text: object) -> str:
    """One line for a table; Markdown inside of it stays Markdown, a tag does not stay a tag."""
    return TAG.sub("&lt;", one_line(text).replace("|", "\\|"))


def code(text: object) -> str:
    """A code span of one line, in a table too."""
    line = one_line(text).replace("`", "'")
    return f"`{line.replace('|', chr(92) + '|')}`"


def inline(text: object) -> str:
    """One line of plain words: whatever could be markup is shown as it is."""
    line = SPECIAL.sub(r"\\\1", one_line(text)).replace("&", "&amp;")
    return TAG.sub("&lt;", line)
