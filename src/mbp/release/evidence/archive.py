"""The pack's file: a zip that has one form only, so that the same members give the same bytes everywhere.

Members are stored, not deflated: zlib and its successors compress differently, and of a stored member every byte has
one place in the file. Nothing is ever unpacked, so a small file cannot become a large one. Field by field after
APPNOTE.TXT 6.3 of PKWARE (local header 4.3.7, central directory 4.3.12, end 4.3.16).
"""

from __future__ import annotations

import re
import struct
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# Any time would do; this is the first that the format can say.
DOS_TIME, DOS_DATE = 0, (1 << 5) | 1
STORED = 0
VERSION_NEEDED = 20
MADE_BY_UNIX = (3 << 8) | VERSION_NEEDED
UTF8_NAMES = 0x0800
MODE = 0o100644
LOCAL = struct.Struct("<4sHHHHHIIIHH")
CENTRAL = struct.Struct("<4sHHHHHHIIIHHHHHII")
END = struct.Struct("<4sHHHHIIH")
LOCAL_MARK, CENTRAL_MARK, END_MARK = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
# The format without its 64-bit extension.
MOST_MEMBERS = 0xFFFF - 1
LARGEST_BYTES = 512 * 1024 * 1024
LONGEST_NAME = 400
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+@=-]*(/[A-Za-z0-9_.][A-Za-z0-9_.+@=-]*)*")


@dataclass(frozen=True)
class Stored:
    """One member as it lies in the file.

    Attributes:
        start: offset of its first byte in the file.
        crc: as its header states it.
    """

    name: str
    start: int
    content: bytes
    crc: int


def safe_name(name: str) -> bool:
    """Whether a member may be called so: relative, no way upwards, nothing that another system reads otherwise."""
    if len(name) > LONGEST_NAME or not NAME.fullmatch(name):
        return False
    return not any(step in (".", "..") or step.endswith(".") for step in name.split("/"))


def write(members: Mapping[str, bytes], crcs: Mapping[str, int] | None = None) -> bytes:
    """The file.

    Args:
        crcs: checksums to state in place of the members' own: to say how a file that was changed should look.

    Raises:
        ValueError: a name that is not safe, or more than the format holds.
    """
    total = sum(len(content) for content in members.values())
    if len(members) > MOST_MEMBERS or total > LARGEST_BYTES:
        raise ValueError(f"{len(members)} members with {total:,} bytes are too many for one pack")
    told, directory, offset = [], [], 0
    for name in sorted(members):
        if not safe_name(name):
            raise ValueError(f"{name!r} is no safe name of a member")
        content, label = members[name], name.encode("ascii")
        crc = (crcs or {}).get(name, zlib.crc32(content))
        facts = (UTF8_NAMES, STORED, DOS_TIME, DOS_DATE, crc, len(content), len(content))
        local = LOCAL.pack(LOCAL_MARK, VERSION_NEEDED, *facts, len(label), 0) + label
        told += [local, content]
        directory.append(
            CENTRAL.pack(
                *(CENTRAL_MARK, MADE_BY_UNIX, VERSION_NEEDED, *facts),
                *(len(label), 0, 0, 0, 0, MODE << 16, offset),
            )
            + label
        )
        offset += len(local) + len(content)
    index = b"".join(directory)
    end = END.pack(END_MARK, 0, 0, len(members), len(members), len(index), offset, 0)
    return b"".join([*told, index, end])


def read_front(data: bytes) -> list[Stored]:
    """Members by the headers before them, from the first byte of the file to the first that is no header.

    Raises:
        ValueError: a header cannot be read; names its place.
    """
    found: list[Stored] = []
    at = 0
    while data[at : at + 4] == LOCAL_MARK:
        found.append(_member(data, at))
        at = found[-1].start + len(found[-1].content)
    if not found or data[at : at + 4] not in (CENTRAL_MARK, END_MARK):
        raise ValueError(f"byte {at}: expected the header of a member")
    return found


def read_directory(data: bytes) -> list[Stored]:
    """Members by the directory at the end of the file.

    Raises:
        ValueError: it cannot be read, or leads outside of the file.
    """
    at = len(data) - END.size
    if at < 0:
        raise ValueError("too short for a zip file")
    mark, _, _, _, count, size, start, _ = END.unpack_from(data, at)
    if mark != END_MARK or start + size != at:
        raise ValueError(f"byte {at}: expected the end record of a zip file")
    found: list[Stored] = []
    place, total = start, 0
    for _ in range(count):
        if place + CENTRAL.size > at:
            raise ValueError(f"byte {place}: the directory ends too early")
        fields = CENTRAL.unpack_from(data, place)
        length, offset = fields[10], fields[16]
        if fields[0] != CENTRAL_MARK:
            raise ValueError(f"byte {place}: expected an entry of the directory")
        label = data[place + CENTRAL.size : place + CENTRAL.size + length]
        # The header before the member may be the very thing that was changed: it is not asked.
        begin = offset + LOCAL.size + length
        if begin > start:
            raise ValueError(f"byte {place}: the entry leads to no member")
        total += fields[9]
        # Entries that share bytes would make of a small file a large one.
        if total > len(data):
            raise ValueError(f"byte {place}: the members are larger than the file")
        content = data[begin : begin + fields[9]]
        if fields[4] != STORED or len(content) != fields[9]:
            raise ValueError(f"byte {place}: the entry is of a member that is not stored here")
        found.append(Stored(_text(label, place), begin, content, fields[7]))
        place += CENTRAL.size + length + fields[11] + fields[12]
    return found


def _member(data: bytes, at: int) -> Stored:
    if at + LOCAL.size > len(data):
        raise ValueError(f"byte {at}: the header ends too early")
    fields = LOCAL.unpack_from(data, at)
    flags, method, crc, size, length, extra = (fields[place] for place in (2, 3, 6, 8, 9, 10))
    if method != STORED or flags & 0x0009:
        raise ValueError(
            f"byte {at}: the member is compressed or encrypted: not written by `mbp evidence build`"
        )
    start = at + LOCAL.size + length + extra
    content = data[start : start + size]
    if len(content) != size:
        raise ValueError(f"byte {at}: the member ends behind the end of the file")
    return Stored(_text(data[at + LOCAL.size : at + LOCAL.size + length], at), start, content, crc)


def _text(label: bytes, place: int) -> str:
    try:
        return label.decode("ascii")
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {place}: the name of the member is no ASCII text") from error


def duplicates(members: Sequence[Stored]) -> list[str]:
    """Names that stand twice."""
    return sorted(name for name, times in Counter(one.name for one in members).items() if times > 1)
