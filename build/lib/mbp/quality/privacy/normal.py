"""Text as the detectors see it: without the spellings that hide a value, and with the way back to the original."""

from __future__ import annotations

import html
import re
import sys
import unicodedata
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

# What may be spelled differently from what it means: percent-encoding, escapes, entities, other than ASCII.
# Everything else is copied unchanged.
SPELLED = re.compile(
    r"[%\\&\u0080-\U0010ffff](?:"
    r"(?<=%)[0-9A-Fa-f]{2}(?:%[0-9A-Fa-f]{2})*"
    r"|(?<=%)u[0-9A-Fa-f]{4}"
    r"|(?<=\\)\\{0,15}(?:u[0-9A-Fa-f]{4}|u\{[0-9A-Fa-f]{1,6}\}|U[0-9A-Fa-f]{8}|x[0-9A-Fa-f]{2}(?![0-9A-Fa-f]{16})|[nrt/\"])"
    r"|(?<=&)(?:#[0-9A-Za-z]{2,9};|#\d{2,3}(?!\d)|[0-9A-Za-z]{2,8};)"
    r"|(?<=[^\x00-\x7f]))"
)
QUERY_VALUE = re.compile(r"(?<=[?&])[\w.%-]+=[^\s&\"'<>+]*\+[^\s&\"'<>]*")
SINGLE_ESCAPES = {"n": " ", "r": " ", "t": " ", "/": "/", '"': '"'}
# An address can be percent-encoded twice inside a JSON escape; more layers than that are not read.
ROUNDS = 3
# Quoted-printable (RFC 2045) is read beside the text and not in place of it: `cpf=39` is mostly an assignment.
# The signs are those that mail programs encode: `=`, `@`, letters with accents, spaces at the end, and soft line ends.
QUOTED_SIGNS = re.compile(r"=(?:[0-9A-F]{2}=[0-9A-F]{2}|3D|40|2[0-9A-F]|5F|[ \t]{0,3}\r?\n)")
QUOTED = re.compile(r"=(?:[0-9A-F]{2}(?:=[0-9A-F]{2})*|[ \t]{0,3}\r?\n)")
# Signs used as a dot, a slash or a comma between the groups of a number.
LIKE_SIGNS = str.maketrans(
    {**dict.fromkeys("\u00b7\u2022\u2027\u2219\u22c5\u30fb\u3002\u06d4", "."),
     **dict.fromkeys("\u2044\u2215\u29f8", "/"), **dict.fromkeys("\u3001\u066b\u066c\u060c", ","),
     "\u02d7": "-", "\u2043": "-", "\u2500": "-", "\u30fc": "-"}
)  # fmt: skip
# Invisible although Unicode counts them as letters or marks: fillers, joiners, the boxes of emoji digits.
INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u20e3\u3164\uffa0")


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
    made: list[View] = []
    for _ in range(ROUNDS):
        view = _plainer(text)
        if view is None:
            break
        made.append(view)
        text = view.text
    return made


def quoted_printable(text: str) -> View | None:
    """The text as quoted-printable means it; None when it is not in that form."""
    return _plainer(text, QUOTED, _quoted) if QUOTED_SIGNS.search(text) else None


def query_string(text: str) -> View | None:
    """The text with each `+` in the value of a query string as the space that it is there; None without one.

    It is read beside the text: `phone=+55...` is often written by hand (application/x-www-form-urlencoded).
    """
    return _plainer(text, QUERY_VALUE, lambda matched: matched[0].replace("+", " "))


def _quoted(matched: re.Match[str]) -> str:
    hexadecimal = matched[0].replace("=", "")
    return "" if hexadecimal.isspace() else bytes.fromhex(hexadecimal).decode("utf-8", "replace")


def _plainer(
    text: str,
    form: re.Pattern[str] = SPELLED,
    meaning: Callable[[re.Match[str]], str] | None = None,
) -> View | None:
    """One layer of spelling less; None when there is none."""
    meaning = meaning or _meant
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

    for matched in form.finditer(text):
        meant = meaning(matched)
        if meant == matched[0]:
            continue
        add(text[copied : matched.start()], copied, matched.start())
        add(meant, matched.start(), matched.end())
        copied = matched.end()
    if copied == 0:
        return None
    add(text[copied:], copied, len(text))
    return View("".join(out), tuple(starts), tuple(pieces), tuple(lengths))


def _meant(matched: re.Match[str]) -> str:
    written = matched[0]
    if not written.isascii():
        return plain_character(written)
    if written[0] == "%":
        if written[1] == "u":
            return _of_code(written[2:], written)
        try:
            return unquote_to_bytes(written).decode("utf-8")
        except UnicodeDecodeError:
            return written
    if written[0] == "&":
        return html.unescape(written)
    escape = written.lstrip("\\")
    if escape[0] in SINGLE_ESCAPES:
        return SINGLE_ESCAPES[escape[0]]
    return _of_code(escape[1:].strip("{}"), written)


def _of_code(code: str, written: str) -> str:
    """The character of a hexadecimal code; as written when there is no such character."""
    number = int(code, 16)
    half_of_a_pair = 0xD800 <= number <= 0xDFFF  # noqa: PLR2004
    return written if half_of_a_pair or number > sys.maxunicode else chr(number)


def plain_character(character: str) -> str:
    """Digits of any script as 0-9, any space as a space, any dash as '-', invisible characters as nothing."""
    if character.isascii():
        return character
    category = unicodedata.category(character)
    if category == "Cf" or character in INVISIBLE or "\ufe00" <= character <= "\ufe0f":
        return ""
    if category == "Zs":
        return " "
    if category == "Pd" or character == "\N{MINUS SIGN}":
        return "-"
    value = unicodedata.digit(character, None)
    if value is not None:
        return str(value)
    character = character.translate(LIKE_SIGNS)
    if character.isascii():
        return character
    if character.isalpha() and unicodedata.east_asian_width(character) not in "FW":
        return character  # an accent stays: names and addresses have them
    plain = unicodedata.normalize("NFKC", character)
    return plain if plain.isascii() else character
