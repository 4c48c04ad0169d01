"""Text as the detectors see it: without the spellings that hide a value, and with the way back to the original."""

from __future__ import annotations

import html
import re
import unicodedata
from bisect import bisect_right
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

# What may be spelled differently from what it means: percent-encoding, escapes, entities, other than ASCII.
# Everything else is copied as it stands.
SPELLED = re.compile(
    r"[%\\&\u0080-\U0010ffff](?:"
    r"(?<=%)[0-9A-Fa-f]{2}(?:%[0-9A-Fa-f]{2})*"
    r"|(?<=\\)\\*(?:u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2}|[nrt/\"])"
    r"|(?<=&)#?[0-9A-Za-z]{2,8};"
    r"|(?<=[^\x00-\x7f]))"
)
SINGLE_ESCAPES = {"n": " ", "r": " ", "t": " ", "/": "/", '"': '"'}
# An address can be percent-encoded inside a JSON escape; more layers than that are not looked through.
ROUNDS = 2


@dataclass(frozen=True)
class View:
    """Text and, per piece, where it came from.

    Attributes:
        starts: where each piece begins in `text`.
        pieces: per piece (start, end) in the original; equally long when it is a copy.
    """

    text: str
    starts: tuple[int, ...]
    pieces: tuple[tuple[int, int], ...]
    lengths: tuple[int, ...]

    def original(self, start: int, end: int) -> tuple[int, int]:
        """The span of the original that became `start` to `end`."""
        return self._at(start, False), self._at(end - 1, True)

    def _at(self, position: int, last: bool) -> int:
        index = bisect_right(self.starts, position) - 1
        first, end = self.pieces[index]
        if end - first == self.lengths[index]:
            return first + position - self.starts[index] + (1 if last else 0)
        return end if last else first


def views(text: str) -> list[View]:
    """From the original to the plainest: positions go back through all of them, the last one first."""
    found: list[View] = []
    for _ in range(ROUNDS):
        view = _plainer(text)
        if view is None:
            break
        found.append(view)
        text = view.text
    return found


def _plainer(text: str) -> View | None:
    """One layer of spelling less; None when there is none."""
    out: list[str] = []
    starts: list[int] = []
    pieces: list[tuple[int, int]] = []
    lengths: list[int] = []
    written = copied = 0

    def add(piece: str, start: int, end: int) -> None:
        nonlocal written
        if piece:
            out.append(piece)
            starts.append(written)
            pieces.append((start, end))
            lengths.append(len(piece))
            written += len(piece)

    for found in SPELLED.finditer(text):
        meant = _meant(found)
        if meant == found[0]:
            continue
        add(text[copied : found.start()], copied, found.start())
        add(meant, found.start(), found.end())
        copied = found.end()
    if copied == 0:
        return None
    add(text[copied:], copied, len(text))
    return View("".join(out), tuple(starts), tuple(pieces), tuple(lengths))


def _meant(found: re.Match[str]) -> str:
    written = found[0]
    if not written.isascii():
        return plain_character(written)
    if written[0] == "%":
        try:
            return unquote_to_bytes(written).decode("utf-8")
        except UnicodeDecodeError:
            return written
    if written[0] == "&":
        return html.unescape(written)
    escape = written.lstrip("\\")
    if escape[0] in SINGLE_ESCAPES:
        return SINGLE_ESCAPES[escape[0]]
    code = int(escape[1:], 16)
    return written if 0xD800 <= code <= 0xDFFF else chr(code)  # noqa: PLR2004 (half of a pair)


def plain_character(character: str) -> str:
    """Digits of any script as 0-9, any space as a space, any dash as '-', invisible characters as nothing."""
    if character.isascii():
        return character
    category = unicodedata.category(character)
    if category == "Cf":
        return ""
    if category == "Zs":
        return " "
    if category == "Pd" or character == "\N{MINUS SIGN}":
        return "-"
    value = unicodedata.decimal(character, None)
    if value is not None:
        return str(value)
    if character.isalpha() and unicodedata.east_asian_width(character) not in "FW":
        return character  # an accent stays: names and addresses have them
    plain = unicodedata.normalize("NFKC", character)
    return plain if plain.isascii() else character
