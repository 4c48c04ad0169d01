"""Text in base64 of both alphabets and in hexadecimal. Each token is decoded once per level."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from mbp.quality.privacy.containers import GZIP, ZIP, ZLIB, as_text, read_parts
from mbp.quality.privacy.scanned_parts import Budget, ScannedPart

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
