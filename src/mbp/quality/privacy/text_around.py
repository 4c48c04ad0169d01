"""One text while it is scanned: what surrounds a place, and what the words there say about it."""

from __future__ import annotations

import csv
import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from mbp.quality.privacy.privacy_policy import Kind, KindWords, PrivacyPolicy

WORD = re.compile(r"[A-Z]?[a-zà-ÿ]+|[A-ZÀ-Ý]+(?![a-zà-ÿ])")
BEFORE_CHARACTERS = 48
AFTER_CHARACTERS = 16
NEAR_WORDS = 4
# Where the words about another value end: a separator, or a token that is a value itself.
OTHER_VALUE = re.compile(r"[,;|&{}]|\b\d\w*|\b\w*\d{3}\w*")
HEADER = re.compile(r"[A-Za-z_][\w .-]*$")


@dataclass(frozen=True)
class Hit:
    """A value that a detector holds for personal or secret. Its text is never printed, not even by repr."""

    start: int
    end: int
    kind: str
    what: str
    value: str = field(repr=False)


@dataclass(frozen=True)
class Page:
    """A text in plain spelling.

    Attributes:
        table: the columns, where the text is a table.
    """

    text: str
    policy: PrivacyPolicy
    table: Table | None = None

    def says(self, kind: Kind, start: int, end: int) -> int:
        """What the words around say: 1 it is of this kind, -1 it is something else, 0 nothing.

        The name of the column counts most, then the words on the same line since the value before. One that says
        yes is believed before one that denies (`cpf do pedido`), and denial must be near.
        """
        words = self.policy.words[kind]
        name = self.table.column(start) if self.table else None
        if name and (hint := verdict(words, parts(name))):
            return hint
        before = self.before(start, BEFORE_CHARACTERS)
        if hint := verdict(words, parts(OTHER_VALUE.split(before)[-1])):
            return hint
        after = self.text[end : end + AFTER_CHARACTERS].partition("\n")[0]
        return 1 if verdict(words, parts(OTHER_VALUE.split(after)[0])) > 0 else 0

    def before(self, start: int, length: int) -> str:
        """At most so many characters of the line in front of a place."""
        return self.text[max(0, start - length) : start].rpartition("\n")[2]

    @cached_property
    def lower(self) -> str | None:
        """The text in small letters; None when it would not be as long (a few capitals have longer ones)."""
        lower = self.text.lower()
        return lower if len(lower) == len(self.text) else None

    def in_lines(self, form: re.Pattern[str], hints: Sequence[str]) -> Iterator[re.Match[str]]:
        """Matches in the lines that hold one of the `hints`, in small letters: most lines are never searched."""
        if self.lower is None:
            yield from form.finditer(self.text)
            return
        key = tuple(hints)
        if key not in self._lines:
            self._lines[key] = list(_lines_with(self.lower, key))
        for start, end in self._lines[key]:
            yield from form.finditer(self.text, start, end)

    def matches(self, form: re.Pattern[str]) -> Sequence[re.Match[str]]:
        """All matches, searched once however many detectors ask for them."""
        if form not in self._matches:
            self._matches[form] = list(form.finditer(self.text))
        return self._matches[form]

    @cached_property
    def _lines(self) -> dict[tuple[str, ...], list[tuple[int, int]]]:
        return {}

    @cached_property
    def _matches(self) -> dict[re.Pattern[str], list[re.Match[str]]]:
        return {}

    def named(self, kind: Kind, form: re.Pattern[str]) -> Iterator[re.Match[str]]:
        """Matches of which a word on the line, or the name of the column, says that they are of a kind."""
        words = self.policy.words[kind]
        names = self.table.names if self.table else ()
        everywhere = any(verdict(words, parts(name)) > 0 for name in names)
        for matched in (
            form.finditer(self.text) if everywhere else self.in_lines(form, sorted(words.says))
        ):
            if self.says(kind, *matched.span()) > 0:
                yield matched

    def unnamed(self, start: int) -> bool:
        """Whether nothing in front of a value names it: no column, no word since the value before."""
        if self.table and self.table.column(start):
            return False
        words = parts(OTHER_VALUE.split(self.before(start, BEFORE_CHARACTERS))[-1])
        return all(len(word) == 1 for word in words)

    def around(self, start: int, end: int) -> tuple[str, str]:
        """The characters beside a span, empty at the ends of the text."""
        return self.text[start - 1 : start] if start else "", self.text[end : end + 1]


def _lines_with(lower: str, hints: Iterable[str]) -> list[tuple[int, int]]:
    lines: dict[int, int] = {}
    for hint in hints:
        position = lower.find(hint)
        while position >= 0:
            start = lower.rfind("\n", 0, position) + 1
            end = lines.get(start) or lower.find("\n", position)
            lines[start] = len(lower) if end < 0 else end
            position = lower.find(hint, max(lines[start], position + 1))
    return sorted(lines.items())


def parts(text: str) -> list[str]:
    """Words in lower case; `clientTaxId` and `client_tax_id` are three."""
    return [word.lower() for word in WORD.findall(text)]


def verdict(words: KindWords, results: Sequence[str]) -> int:
    """What words in front of a value say of it."""
    if any(word in words.says for word in results):
        return 1
    return -1 if any(word in words.denies for word in results[-NEAR_WORDS:]) else 0


class Table:
    """A text that is the values of one column, one a line."""

    def __init__(self, *names: str) -> None:
        self.names = names

    def column(self, position: int) -> str | None:  # noqa: ARG002 (other tables have several)
        """Name of the column that contains the position."""
        return self.names[0]


class CsvTable(Table):
    """A CSV text; its first line is the header."""

    def __init__(self, text: str, names: list[str], delimiter: str = ",") -> None:
        super().__init__(*names)
        self.text, self.delimiter = text, delimiter
        self._line, self._ends = -1, [0]
        self._cell = re.compile(
            rf'"(?:[^"]|"")*"[^{re.escape(delimiter)}]*|[^{re.escape(delimiter)}]*'
        )

    def column(self, position: int) -> str | None:
        line, index = self.cell(position)
        return self.names[index] if line and index < len(self.names) else None

    def cell(self, position: int) -> tuple[int, int]:
        """Where its line begins, and the number of the cell in it, from 0."""
        line = self.text.rfind("\n", 0, position) + 1
        if line != self._line:
            stop = self.text.find("\n", line)
            row = self.text[line : stop if stop >= 0 else len(self.text)]
            self._line, self._ends = line, self._ends_of(row)
        return line, bisect_left(self._ends, position - line)

    def _ends_of(self, row: str) -> list[int]:
        """Where each cell ends: the place of its delimiter."""
        ends: list[int] = []
        at = 0
        while at <= len(row):
            matched = self._cell.match(row, at)
            at = (matched.end() if matched else len(row)) + 1
            ends.append(at - 1)
        return ends


def csv_table(text: str) -> CsvTable | None:
    """The text as a table; None when its first line is no header."""
    line = text.partition("\n")[0].rstrip("\r")
    delimiter = max(",;\t|", key=line.count)
    header = [name.strip() for name in next(csv.reader([line], delimiter=delimiter), [])]
    if len(header) < 2 or not all(HEADER.match(name) for name in header):  # noqa: PLR2004
        return None
    return CsvTable(text, header, delimiter)
