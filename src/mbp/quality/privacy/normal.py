"""Text as the detectors see it: without the spellings that hide a value, and with the way back to the original.

Text in base64 of both alphabets and in hexadecimal is found here too; each token is decoded once per level.
"""

from __future__ import annotations

import base64
import binascii
import html
import re
import sys
import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from mbp.quality.privacy.containers import GZIP, ZIP, ZLIB, as_text, read_parts
from mbp.quality.privacy.scanned_parts import Budget, ScannedPart

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
# Signs used as a dot, a slash or a comma between the groups of a number.
LIKE_SIGNS = str.maketrans(
    {**dict.fromkeys("\u00b7\u2022\u2027\u2219\u22c5\u30fb\u3002\u06d4", "."),
     **dict.fromkeys("\u2044\u2215\u29f8", "/"), **dict.fromkeys("\u3001\u066b\u066c\u060c", ","),
     "\u02d7": "-", "\u2043": "-", "\u2500": "-", "\u30fc": "-"}
)  # fmt: skip
# Invisible although Unicode counts them as letters or marks: fillers, joiners, the boxes of emoji digits.
INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u20e3\u3164\uffa0")
# A token of twelve characters hides nine: the shortest address of a host or a mailbox.
BASE64 = re.compile(r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{12,}={0,2}(?![A-Za-z0-9+/_=-])")
# Lines of one length, as MIME and PEM wrap them.
WRAPPED = re.compile(
    r"(?<![A-Za-z0-9+/])(?:[A-Za-z0-9+/]{40,100}\r?\n[ \t]*)+[A-Za-z0-9+/]{2,100}={0,2}"
)
HEXADECIMAL = re.compile(
    r"[0-9a-fA-F]{2}(?:(?<![0-9A-Za-z]..)|(?<=[0\\][xX]..))"
    r"(?:(?:[0-9a-fA-F]{2}){8,}|(?:(?: {1,2}|[:,-])[0-9a-fA-F]{2}){8,})(?![0-9A-Za-z])"
)
NOT_HEXADECIMAL = re.compile(r"[^0-9a-fA-F]")
SEGMENTS = re.compile(r"[A-Za-z0-9]{12,}={0,2}")
WORDS = re.compile(r"[A-Z]?[a-z]+(?:[-_/][A-Za-z]?[a-z]+)*|[A-Z]+(?:_[A-Z]+)*")
URL_SAFE = str.maketrans("-_", "+/")
LINE = re.compile(r"\S+")
LARGEST_INSIDE = 16 * 1024 * 1024
PRINTABLE = 0.95


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


def query_string(text: str) -> View | None:
    """The text with each `+` in the value of a query string as the space that it is there; None without one.

    It is read beside the text: `phone=+55...` is often written by hand (application/x-www-form-urlencoded).
    """
    return _plainer(text, QUERY_VALUE, lambda matched: matched[0].replace("+", " "))


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


@dataclass(frozen=True)
class Token:
    """A piece of text that is other text in an encoding."""

    start: int
    end: int
    encoding: str
    text: str = field(repr=False)


def tokens(text: str) -> Iterator[Token]:
    """Every token that hides text, in no fixed order; no two of one encoding overlap."""
    taken: list[tuple[int, int]] = []
    for matched in WRAPPED.finditer(text):
        lines = list(LINE.finditer(matched[0]))
        width = len(lines[0][0])
        # The first shorter line is the last one; what follows is other text.
        last = next((at for at, line in enumerate(lines) if len(line[0]) != width), len(lines) - 1)
        inside = from_base64("".join(line[0] for line in lines[: last + 1]))
        if inside is not None:
            end = matched.start() + lines[last].end()
            taken.append((matched.start(), end))
            yield Token(matched.start(), end, "base64", inside)
    for matched in BASE64.finditer(text):
        while taken and taken[0][1] <= matched.start():
            taken.pop(0)
        if taken and taken[0][0] <= matched.start():
            continue
        if WORDS.fullmatch(matched[0]):
            continue
        inside = from_base64(matched[0])
        if inside is not None:
            yield Token(*matched.span(), "base64", inside)
            continue
        # A token may be between the slashes of a path or behind the dash of a name.
        for segment in SEGMENTS.finditer(text, *matched.span()):
            if segment.span() != matched.span() and not WORDS.fullmatch(segment[0]):
                inside = from_base64(segment[0])
                if inside is not None:
                    yield Token(*segment.span(), "base64", inside)
    for matched in HEXADECIMAL.finditer(text):
        inside = readable(bytes.fromhex(NOT_HEXADECIMAL.sub("", matched[0])))
        if inside is not None:
            yield Token(*matched.span(), "hexadecimal", inside)


def from_base64(token: str) -> str | None:
    """The text in a token of either alphabet, padded or not; None when there is none."""
    bare = token.rstrip("=").translate(URL_SAFE)
    if len(bare) % 4 == 1:
        return None
    try:
        return readable(base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True))
    except (binascii.Error, ValueError):
        return None


def readable(data: bytes) -> str | None:
    """Decoded bytes as text: UTF-8, UTF-16, or what gzip, zlib and zip unpack; None for anything else."""
    if data.startswith((GZIP, ZIP)) or (ZLIB.match(data) and len(data) > 16):  # noqa: PLR2004
        parts = read_parts(data, "", Budget(LARGEST_INSIDE, 1000), 2)
        return "\n".join(part.text for part in parts if isinstance(part, ScannedPart)) or None
    try:
        text = data.decode("utf-8")
        if text.isprintable() or all(
            character.isprintable() or character in "\r\n\t" for character in text
        ):
            return text
    except UnicodeDecodeError:
        pass
    if b"\0" not in data:
        return None
    text = as_text(data) or ""
    shown = sum(character.isprintable() or character in "\r\n\t" for character in text)
    return text if text and "\0" not in text and shown >= len(text) * PRINTABLE else None
