"""Files as text: archives and databases are opened, one inside another. What nothing reads is `Unread`."""

from __future__ import annotations

import bz2
import io
import lzma
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import Any

from mbp.quality.privacy.scanned_parts import (
    DEEPEST,
    Budget,
    Refused,
    ScannedPart,
    SensitiveValue,
    table_reader,
    unread,
)

GZIP, ZIP = b"\x1f\x8b", b"PK\x03\x04"
BZIP2 = re.compile(rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)")
XZ = b"\xfd7zXZ\0"
ZLIB = re.compile(rb"\x78[\x01\x5e\x9c\xda]")
PNG = b"\x89PNG\r\n\x1a\n"
# Kinds that are not opened, although parts of them may resemble text.
CLOSED = {
    "7z": re.compile(rb"7z\xbc\xaf\x27\x1c"),
    "rar": re.compile(rb"Rar!\x1a\x07"),
    "Parquet": re.compile(rb"PAR[1E]"),
    "PDF": re.compile(rb"%PDF-"),
    "compress": re.compile(rb"\x1f\x9d"),
    "cabinet": re.compile(rb"MSCF\0"),
    "Avro": re.compile(rb"Obj\x01"),
    "Arrow": re.compile(rb"ARROW1\0\0"),
    "SQLite": re.compile(rb"SQLite format 3\0"),
    "zstd": re.compile(rb"\x28\xb5\x2f\xfd"),
    "lz4": re.compile(rb"\x04\x22\x4d\x18"),
    "lzma": re.compile(rb"\x5d\0\0[\0-\xff]{2}"),
    "an old Office document": re.compile(rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
    "a picture": re.compile(rb"\xff\xd8\xff|GIF8[79]a|RIFF[\0-\xff]{4}WEBP|II\*\0|MM\0\*|BM[\0-\xff]{4}\0{4}"),
    "a sound or a film": re.compile(rb"ID3|OggS|RIFF[\0-\xff]{4}(?:WAVE|AVI )|[\0-\xff]{4}ftyp|\x1aE\xdf\xa3"),
}  # fmt: skip
BLOCK = 512
UTF_16 = (b"\xff\xfe", b"\xfe\xff")
UTF_32 = (b"\xff\xfe\0\0", b"\0\0\xfe\xff")
WIDE = 0.8
PRINTED = re.compile(rb"[\t\x20-\x7e\x80-\xff]{6,}")
PRINTED_WIDE = re.compile(rb"(?:[\t\x20-\x7e]\0){6,}")
# Controls that text has: tab, line ends, escapes of a terminal, separators of fields (FIX has SOH).
CONTROLS = re.compile(rb"[\x02-\x06\x0e-\x1a\x7f]")
MOST_CONTROLS = 0.02
# `</w:p>`, `</a:p>`, `</text:p>`, `</si>`, `</row>`: where a paragraph, a string or a row of a document ends.
PARAGRAPH = re.compile(r"</(?:\w+:)?(?:p|h|si|row|tr|table-row)>|<(?:\w+:)?br\b[^<>]{0,200}>")
TAG = re.compile(r"<[^<>]{1,5000}>")
BROKEN = (
    OSError,
    EOFError,
    zlib.error,
    lzma.LZMAError,
    zipfile.BadZipFile,
    tarfile.TarError,
    RuntimeError,
    NotImplementedError,
    ValueError,
    OverflowError,
    LookupError,
)  # fmt: skip
Found = Iterator[ScannedPart | SensitiveValue]


def read_parts(
    data: bytes, place: str, budget: Budget | None = None, depth: int = DEEPEST
) -> Found:
    """All text of a file and of what is in it, and what was not read.

    Args:
        place: what parts are named after.
        depth: how many files may still lie one inside another.
    """
    budget = budget or Budget()
    try:
        budget.spend(len(data))
        opener = _opener(data)
        if opener is None:
            yield from _plain(data, place)
        elif depth == 0:
            raise Refused(f"it is nested deeper than {DEEPEST} archives one inside another")
        else:
            for piece in opener(data, place, budget):
                if isinstance(piece, ScannedPart | SensitiveValue):
                    yield piece
                else:
                    yield from read_parts(piece[1], piece[0], budget, depth - 1)
    except Refused as error:
        yield unread(place, data, error.why, error.fix)
        yield ScannedPart(place, printed(data), repeats=True)


def _opener(data: bytes) -> Callable[[bytes, str, Budget], Iterator[Any]] | None:
    tables = table_reader(data)
    if tables:
        return tables
    if data.startswith(PNG):
        return _png
    if data.startswith(GZIP) or BZIP2.match(data) or data.startswith(XZ):
        return _stream
    # A zip may have something before it, and is read from its end.
    if data.startswith(ZIP) or zipfile.is_zipfile(io.BytesIO(data)):
        return _zip
    if is_tar(data):
        return _tar
    if ZLIB.match(data) and _inflates(data):
        return _stream
    return None


def is_tar(data: bytes) -> bool:
    """Whether the first block is the header of a tar archive: its check sum is right."""
    if len(data) < BLOCK or not data[0]:
        return False
    try:
        tarfile.TarInfo.frombuf(data[:BLOCK], "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


def _inflates(data: bytes) -> bool:
    try:
        zlib.decompressobj().decompress(data, 64)
    except zlib.error:
        return False
    return True


def _stream(data: bytes, place: str, budget: Budget) -> Iterator[Any]:
    """gzip, bzip2, xz and zlib, several one after another too; what follows them is a separate part."""
    name, _, ending = place.rpartition(".")
    inside = name if name and ending in ("gz", "bz2", "xz", "z") else place
    inside += ".tar" if ending in ("tgz", "tbz2", "txz") else ""
    out = bytearray()
    rest = data
    new = _decompressor(rest)
    while new is not None:
        try:
            decompressor = new()
            out += decompressor.decompress(rest, budget.bytes - len(out) + 1)
        except BROKEN as error:
            raise Refused(f"it cannot be decompressed ({type(error).__name__})") from None
        if len(out) > budget.bytes:
            budget.spend(len(out))
        if not decompressor.eof:
            raise Refused("it is truncated")
        rest = decompressor.unused_data.lstrip(b"\0")
        new = _decompressor(rest)
    yield inside, bytes(out)
    if rest:
        yield f"{place}!behind", rest


def _decompressor(data: bytes) -> Callable[[], Any] | None:
    if data.startswith(GZIP):
        return lambda: zlib.decompressobj(wbits=31)
    if BZIP2.match(data):
        return bz2.BZ2Decompressor
    if data.startswith(XZ):
        return lzma.LZMADecompressor
    return zlib.decompressobj if ZLIB.match(data) else None


def _tar(data: bytes, place: str, budget: Budget) -> Iterator[Any]:
    names: list[str] = []
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
            for member in archive:
                headers = " ".join(f"{key}={value}" for key, value in member.pax_headers.items())
                names.append(
                    f"{member.name} {member.linkname} {member.uname} {member.gname} {headers}"
                )
                budget.spend(len(names[-1]))
                if member.isfile():
                    if member.size > budget.bytes:
                        budget.spend(member.size)
                    file = archive.extractfile(member)
                    yield f"{place}!{member.name}", file.read() if file else b""
            end = archive.offset
    except BROKEN as error:
        raise Refused(f"the archive cannot be read ({type(error).__name__})") from None
    yield ScannedPart(f"{place}!names", "\n".join(names))
    # The reader stops at the first block that is no header; what follows is not skipped.
    rest = data[end:].lstrip(b"\0")
    if rest:
        yield f"{place}!behind", rest


def _zip(data: bytes, place: str, budget: Budget) -> Iterator[Any]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            comments = [archive.comment, *(member.comment for member in members)]
            names = "\n".join(member.filename for member in members)
            texts = [names, *(comment.decode("utf-8", "replace") for comment in comments)]
            yield ScannedPart(f"{place}!names", "\n".join(texts))
            office = any(
                member.filename in ("[Content_Types].xml", "content.xml") for member in members
            )
            for member in members:
                where = f"{place}!{member.filename}"
                with archive.open(member) as file:
                    inside = file.read(budget.bytes + 1)
                yield where, inside
                if office and member.filename.endswith(".xml"):
                    yield ScannedPart(where, without_tags(as_text(inside) or ""), repeats=True)
            first = min((member.header_offset for member in members), default=0)
    except BROKEN as error:
        raise Refused(f"the archive cannot be read ({type(error).__name__})") from None
    if first and not data.startswith(ZIP):
        yield f"{place}!before", data[:first]


def without_tags(text: str) -> str:
    """The text of a document: values that its markup breaks are whole again, each paragraph is a line."""
    return TAG.sub("", PARAGRAPH.sub("\n", text))


def _png(data: bytes, place: str, budget: Budget) -> Iterator[Any]:
    """Text and EXIF of a picture. Its pixels may show anything: they are not read."""
    at = len(PNG)
    texts: list[str] = []
    while at + 12 <= len(data):
        size, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        body = data[at + 8 : at + 8 + size]
        at += size + 12
        if kind in (b"zTXt", b"iTXt"):
            texts += _png_text(body, budget)
        elif kind != b"IDAT":
            texts.append(printed(body))
        if kind == b"IEND":
            break
    yield ScannedPart(place, "\n".join(texts))
    yield unread(place, data, "pixels of a picture are not read", "check it by eye, and allow it")
    if data[at:].strip(b"\0"):
        yield f"{place}!behind", data[at:]


def _png_text(body: bytes, budget: Budget) -> list[str]:
    keyword, _, rest = body.partition(b"\0")
    start = rest.find(b"\x78")
    inflated = b""
    if start >= 0:
        try:
            inflated = zlib.decompressobj().decompress(rest[start:], budget.bytes)
        except zlib.error:
            inflated = b""
    budget.spend(len(inflated))
    return [f"{printed(keyword)} {printed(rest)}", inflated.decode("utf-8", "replace")]


def _plain(data: bytes, place: str) -> Found:
    kind = next((kind for kind, form in CLOSED.items() if form.match(data)), None)
    text = None if kind else as_text(data)
    if text is None:
        yield unread(place, data, f"{kind or 'binary data of an unknown kind'} is not opened")
        yield ScannedPart(place, printed(data), repeats=True)
        return
    if "\0" in text:
        # Once as gaps, as in a list that NULs separate, and once as nothing, as in a value that they interrupt.
        yield ScannedPart(place, text.replace("\0", " "))
        yield ScannedPart(place, text.replace("\0", ""), repeats=True)
        return
    yield ScannedPart(place, text)


def as_text(data: bytes) -> str | None:
    """Bytes as text, in any usual encoding; None when they are no text. NULs stay."""
    if data.startswith(UTF_32):
        return _decoded(data, "utf-32")
    if data.startswith(UTF_16):
        return _decoded(data, "utf-16")
    zeros = data.count(0)
    if zeros:
        for encoding, some in (("utf-16-le", data[1::2]), ("utf-16-be", data[::2])):
            if some.count(0) > len(some) * WIDE and zeros < len(data) * 0.6:
                return _decoded(data, encoding)
        for encoding, some in (("utf-32-le", data[2::4]), ("utf-32-be", data[1::4])):
            if some and some.count(0) == len(some) and zeros < len(data) * WIDE:
                return _decoded(data, encoding)
    content = len(data) - zeros
    if len(CONTROLS.findall(data)) > content * MOST_CONTROLS:
        return None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        # Of a part of a text the last character may be truncated; anything else is a Western encoding of one byte.
        return data.decode("latin-1")


def _decoded(data: bytes, encoding: str) -> str | None:
    """The text, unless too much of it is no characters."""
    text = data.decode(encoding, errors="replace")
    wrong = sum(text.count(sign) for sign in ("\ufffd", "\0"))
    return text if wrong <= max(1, len(text) * MOST_CONTROLS) else None


def printed(data: bytes) -> str:
    """The printable pieces of bytes, one a line; those of UTF-16 too."""
    pieces = [piece.decode("latin-1") for piece in PRINTED.findall(data)]
    pieces += [piece.decode("utf-16-le") for piece in PRINTED_WIDE.findall(data)]
    return "\n".join(pieces)
