"""The one place that all output to a terminal or log passes: what a reader cannot see is shown escaped.

`guard()` replaces stdout and stderr, so that every way of printing, ours and that of a library, goes through it.
Data may hold colours, cursor movements, titles of windows, other directions of writing or lines that a CI runner
takes for commands. They are written as JSON writes them (`\\u001b`), which a reader sees and a parser of JSON reads as
what it was. Line ends and tabs stay; colours of our own (`paint`) are put in afterwards.
"""

from __future__ import annotations

import re
import secrets
import sys
import unicodedata
from typing import Any, TextIO, cast

# Controls, formats, line and paragraph separators, halves of surrogate pairs.
INVISIBLE = frozenset({"Cc", "Cf", "Zl", "Zp", "Cs"})
# Everything but visible ASCII, line ends and tabs.
_UNUSUAL = re.compile(r"[^\n\t -~]")
# GitHub runs `::command::` at the start of a line, and `##[command]` anywhere in one.
COMMAND = "::"
OLD_COMMAND = "##["
# Only this process knows it, so no data can paint.
_TOKEN = secrets.token_hex(8)
_PAINT = re.compile(rf"\x00{_TOKEN}:([0-9;]*)\x00")
# What `rich` itself writes on a terminal: colours and movements of the cursor.
_RICH = re.compile(r"(\x1b\[[0-9;?]*[A-Za-z]|\r)")


def printable(text: str) -> str:
    """`text` with every character that a reader cannot see in the escaped form of JSON; `\\n` and `\\t` stay."""
    return _UNUSUAL.sub(_seen, text)


def _seen(matched: re.Match[str]) -> str:
    return _escaped(matched[0]) if unicodedata.category(matched[0]) in INVISIBLE else matched[0]


def _escaped(letter: str) -> str:
    if ord(letter) <= 0xFFFF:  # noqa: PLR2004 (the last character of one UTF-16 unit)
        return f"\\u{ord(letter):04x}"
    units = letter.encode("utf-16-be")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in (0, 2))


def paint(text: str, codes: str) -> str:
    """`text` in the colour of the ANSI `codes`, when it is printed. Only `guard`ed streams know the form."""
    return f"\0{_TOKEN}:{codes}\0{text}\0{_TOKEN}:0\0"


def guard() -> None:
    """Puts a `Guarded` before stdout and stderr, unless one is there."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and not isinstance(stream, Guarded):
            setattr(sys, name, cast(TextIO, Guarded(stream)))


class _Stream:
    """A text stream in front of another. It has no `buffer`: nothing goes around it in bytes."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Raises: TypeError, when it is given bytes."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self._put(self._safe(text))
        return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def _safe(self, text: str) -> str:
        raise NotImplementedError

    def _put(self, text: str) -> None:
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        try:
            self._stream.write(text)
        except UnicodeEncodeError:
            # A terminal that cannot show all letters: no reason to lose the rest.
            self._stream.write(text.encode(encoding, "backslashreplace").decode(encoding))

    def __getattr__(self, name: str) -> Any:
        if name in ("buffer", "detach", "_stream"):
            raise AttributeError(name)
        return getattr(self._stream, name)


class Guarded(_Stream):
    """Escapes what is written; see the module."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        # The first letters of the line that is being written, without blanks: two are enough.
        self._begun = ""

    @property
    def rich_proxied_file(self) -> Any:
        """Where `rich` writes: it makes colours itself, and is given text that was escaped."""
        # While rich draws a live line, it puts its own stream in between.
        inner = getattr(self._stream, "rich_proxied_file", self._stream)
        return inner.rich_proxied_file if isinstance(inner, Guarded) else _Painted(inner)

    def write_command(self, line: str) -> None:
        """A line that a CI runner is to obey, at the start of a line; its parts were escaped."""
        self._put(line if not self._begun else f"\n{line}")
        self._begun = ""

    def _safe(self, text: str) -> str:
        parts = _PAINT.split(text)
        safe = [
            f"\x1b[{part}m" if place % 2 else self._lines(printable(part))
            for place, part in enumerate(parts)
        ]
        return "".join(safe)

    def _lines(self, text: str) -> str:
        lines = text.replace(OLD_COMMAND, f"#{_escaped('#')}[").split("\n")
        for place, line in enumerate(lines):
            if place:
                self._begun = ""
            begun = self._begun
            self._begun = (begun + line.lstrip() if not begun else begun + line)[: len(COMMAND)]
            if self._begun == COMMAND and len(begun) < len(COMMAND):
                at = len(line) - len(line.lstrip()) if not begun else 0
                lines[place] = line[:at] + _escaped(":") + line[at + 1 :]
                self._begun = "\\u"
        return "\n".join(lines)


class _Painted(_Stream):
    """For `rich`: its colours and movements pass, all else is escaped."""

    def _safe(self, text: str) -> str:
        parts = _RICH.split(text)
        return "".join(part if place % 2 else printable(part) for place, part in enumerate(parts))
