"""The scanner: text, bytes and members of an archive, in memory. What it finds is told without its value.

Covered spellings: digits of any script, invisible characters, any space or dash, percent-encoding, JSON and Python
escapes, HTML entities, and one layer of base64. Not covered: words for signs ("at"), look-alike letters, images.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import io
import lzma
import re
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from mbp.errors import MbpError
from mbp.privacy import contacts, numbers, secrets
from mbp.privacy.normal import views
from mbp.privacy.page import CsvTable, Hit, Page, Table, csv_table
from mbp.privacy.policy import KINDS, Policy
from mbp.quality.masking import mask

DETECTORS: dict[str, Callable[[Page], Iterator[Hit]]] = {
    "access_token": secrets.access_token,
    "pix_key": secrets.pix_key,
    "card": numbers.card,
    "cnpj": numbers.cnpj,
    "cpf": numbers.cpf,
    "email": contacts.email,
    "phone": contacts.phone,
    "ip": contacts.ip,
    "name": contacts.name,
}
LONGEST_MASK = 24
BASE64 = re.compile(r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/]{16,}={0,2}(?![A-Za-z0-9+/=_-])")
HEXADECIMAL = re.compile(r"[0-9a-fA-F]+")
PRINTED = re.compile(rb"[\t\x20-\x7e\x80-\xff]{6,}")
UTF_16 = (b"\xff\xfe", b"\xfe\xff")
UTF_32 = (b"\xff\xfe\0\0", b"\0\0\xfe\xff")
GZIP, ZIP = b"\x1f\x8b", b"PK\x03\x04"
# Forms that hide text and that nothing here opens: of them the printable parts would tell nothing.
CLOSED = {
    "bzip2": re.compile(rb"BZh[1-9]1AY&SY"),
    "xz": re.compile(rb"\xfd7zXZ\0|\x5d\0\0[\0-\xff]{2}"),
    "zstd or lz4": re.compile(rb"\x28\xb5\x2f\xfd|\x04\x22\x4d\x18"),
    "7z or rar": re.compile(rb"7z\xbc\xaf\x27\x1c|Rar!\x1a\x07"),
    "zlib": re.compile(rb"\x78[\x9c\xda]"),
    "parquet": re.compile(rb"PAR1"),
    "duckdb": re.compile(rb"[\0-\xff]{8}DUCK"),
    "pdf": re.compile(rb"%PDF-"),
}
# A member that unpacks to more than this is not an artifact of this project.
LARGEST_BYTES = 256 * 1024 * 1024
DEEPEST = 3


@dataclass(frozen=True)
class Finding:
    """Something personal or secret, told so that it can be found again but not read.

    Attributes:
        kind: one of `mbp.privacy.policy.KINDS`.
        what: the kind in words.
        place: a file, or table and column with the mark of the row.
        line, column: 1-based, in a text; 0 where the place has no lines.
        masked: its shape: every letter and digit as `*`.
        digest: equal for equal values; the first 4 hex digits of the SHA-256, too few to guess the value from.
    """

    kind: str
    what: str
    place: str
    line: int
    column: int
    masked: str
    digest: str

    def __str__(self) -> str:
        where = f"{self.place}:{self.line}:{self.column}" if self.line else self.place
        return f"{where}: {self.kind} ({self.what}) {self.masked} {self.digest}"


def scan_text(
    text: str, place: str, policy: Policy, *, table: Table | None = None
) -> list[Finding]:
    """Everything personal or secret in a text, in the order of the text.

    Args:
        place: what findings name; a name that ends in .csv makes the text a table with a header.

    Raises:
        MbpError: a detector crashed; the message does not hold the text.
    """
    found = hits(text, place, policy, table=table)
    ends = [-1, *(one.start() for one in re.finditer("\n", text))] if found else []
    findings = []
    line = 0
    for hit in found:
        while line + 1 < len(ends) and ends[line + 1] < hit.start:
            line += 1
        findings.append(_finding(hit, place, line + 1, hit.start - ends[line]))
    return findings


def hits(text: str, place: str, policy: Policy, *, table: Table | None = None) -> list[Hit]:
    """What `scan_text` tells, with spans in `text`; of two that overlap the first in `KINDS` stays.

    Raises:
        MbpError: a detector crashed; the message does not hold the text.
    """
    found: list[Hit] = []
    for hit in sorted(
        _every_hit(text, place, policy, table),
        key=lambda one: (KINDS.index(one.kind), one.start - one.end, one.start),
    ):
        if not any(hit.start < other.end and other.start < hit.end for other in found):
            found.append(hit)
    return sorted(found, key=lambda one: (one.start, one.end))


def scan_lines(
    values: Sequence[tuple[str, str]], place: str, column: str, policy: Policy
) -> list[Finding]:
    """Values of a column of a table, each with the mark of its row."""
    text = "\n".join(re.sub(r"[\r\n]", " ", value) for _, value in values)
    return [
        Finding(
            one.kind,
            one.what,
            f"{place} row {values[one.line - 1][0]}",
            0,
            0,
            one.masked,
            one.digest,
        )
        for one in scan_text(text, place, policy, table=Table(column))
    ]


def scan_bytes(data: bytes, place: str, policy: Policy) -> list[Finding]:
    """A file in memory: text of any usual encoding, gzip, zip, or the printable parts of something else.

    Raises:
        MbpError: an archive that cannot be read, is encrypted, or unpacks to too much: it was not looked at.
    """
    return [
        finding
        for name, text in _texts(data, place, DEEPEST)
        for finding in scan_text(text, name, policy)
    ]


def scan_members(members: Iterable[tuple[str, bytes]], policy: Policy) -> list[Finding]:
    """Files in memory, by name.

    Raises:
        MbpError: there is none, or one cannot be looked at.
    """
    findings: list[Finding] = []
    count = 0
    for name, data in members:
        count += 1
        findings += scan_text(name, f"name of member {count}", policy)
        findings += scan_bytes(data, name, policy)
    if not count:
        raise MbpError("nothing was looked at: there are no members", cure="build the pack again")
    return findings


def _every_hit(text: str, place: str, policy: Policy, table: Table | None) -> Iterator[Hit]:
    layers = views(text)
    plain = layers[-1].text if layers else text
    if table is None and place.endswith(".csv"):
        table = csv_table(plain)
    elif isinstance(table, CsvTable):
        table = CsvTable(plain, list(table.names))
    page = Page(plain, policy, table)
    for hit in _detected(page, place):
        start, end = hit.start, hit.end
        for layer in reversed(layers):
            start, end = layer.original(start, end)
        yield Hit(start, end, hit.kind, hit.what, hit.value)
    for found in BASE64.finditer(text):
        inside = decoded(found[0])
        if inside is None:
            continue
        # What stands before it says what it is: `Authorization: Basic`, `cpf=`.
        before = text[
            max(text.rfind("\n", 0, found.start()) + 1, found.start() - 48) : found.start()
        ]
        for hit in _detected(Page(f"{before} {inside}", policy), place):
            if hit.start > len(before):
                yield Hit(found.start(), found.end(), hit.kind, f"{hit.what} in base64", hit.value)


def _detected(page: Page, place: str) -> Iterator[Hit]:
    for kind, detector in DETECTORS.items():
        try:
            yield from detector(page)
        except MbpError:
            raise
        except Exception as error:
            # The error may quote what it choked on.
            raise MbpError(
                f"the detector of {kind} failed with {type(error).__name__}: it was not looked through",
                path=place,
                cure="look through that file by hand, and report what it choked on",
            ) from None


def decoded(token: str) -> str | None:
    """The text that base64 hides; None when it hides no text."""
    if HEXADECIMAL.fullmatch(token) or (token.isalpha() and token.islower()):
        return None
    try:
        text = base64.b64decode(token + "=" * (-len(token) % 4), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return None
    return text if all(one.isprintable() or one in "\r\n\t" for one in text) else None


def _texts(data: bytes, place: str, depth: int) -> Iterator[tuple[str, str]]:
    if len(data) > LARGEST_BYTES:
        raise MbpError(
            f"was not looked at: more than {LARGEST_BYTES // 2**20} MiB",
            path=place,
            cure="take it out, or split it",
        ) from None
    closed = next((kind for kind, form in CLOSED.items() if form.match(data)), None)
    if closed:
        what = f"was not looked at: {closed} is not opened"
        raise MbpError(what, path=place, cure="unpack it, or take it out")
    # A zip may have something before it, and is read from its end.
    if data.startswith((GZIP, ZIP)) or zipfile.is_zipfile(io.BytesIO(data)):
        if depth == 0:
            raise MbpError(
                f"was not looked at: archives in archives, over {DEEPEST}",
                path=place,
                cure="unpack it, or take it out",
            )
        for name, inside in _unpacked(data, place):
            yield from _texts(inside, name, depth - 1)
        if data.startswith((GZIP, ZIP)):
            return
    yield place, as_text(data)


def _unpacked(data: bytes, place: str) -> Iterator[tuple[str, bytes]]:
    try:
        if data.startswith(GZIP):
            with gzip.open(io.BytesIO(data)) as file:
                yield place.removesuffix(".gz"), file.read(LARGEST_BYTES + 1)
            return
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            told = [archive.comment, *(one.comment for one in archive.infolist())]
            names = "\n".join(one.filename for one in archive.infolist())
            yield f"{place}!names", names.encode("utf-8", "replace") + b"\n" + b"\n".join(told)
            for member in archive.infolist():
                with archive.open(member) as file:
                    yield f"{place}!{member.filename}", file.read(LARGEST_BYTES + 1)
    except (
        OSError,
        EOFError,
        zlib.error,
        zipfile.BadZipFile,
        lzma.LZMAError,
        RuntimeError,
        NotImplementedError,
        ValueError,
    ) as error:
        raise MbpError(
            f"was not looked at: the archive cannot be read ({type(error).__name__})",
            path=place,
            cure="pack it again, or take it out",
        ) from error


def as_text(data: bytes) -> str:
    """Bytes as text; of what is no text the printable parts, one a line."""
    if data.startswith(UTF_32):
        return data.decode("utf-32", errors="replace")
    if data.startswith(UTF_16):
        return data.decode("utf-16", errors="replace")
    if b"\0" not in data:
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError:
            return data.decode("latin-1")
    for encoding, zeros in (("utf-16-le", data[1::2]), ("utf-16-be", data[::2])):
        if zeros.count(0) > len(zeros) * 0.8:
            return data.decode(encoding, errors="replace")
    return "\n".join(part.decode("latin-1") for part in PRINTED.findall(data))


def _finding(hit: Hit, place: str, line: int, column: int) -> Finding:
    masked = re.sub(r"[^\W_]", "*", hit.value)
    masked = masked if len(masked) <= LONGEST_MASK else f"{masked[:LONGEST_MASK]}…"
    return Finding(hit.kind, hit.what, place, line, column, masked, mask(hit.value))
