"""The pack's file: a zip that has one form only, so that the same members give the same bytes everywhere.

Members are stored, not deflated: zlib and its successors compress differently. Nothing is ever unpacked, so a small
file cannot become a large one.
"""

from __future__ import annotations

import io
import re
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass

# Any time would do; this is the first that the format has.
DATE = (1980, 1, 1, 0, 0, 0)
UNIX, MODE = 3, 0o100644
LARGEST_BYTES = 512 * 1024 * 1024
LONGEST_NAME = 400
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+@=-]*(/[A-Za-z0-9_.][A-Za-z0-9_.+@=-]*)*")
# What zipfile raises for a file that was changed; NotImplementedError and encryption are RuntimeErrors.
UNREADABLE = (zipfile.BadZipFile, OSError, EOFError, RuntimeError, ValueError, struct.error)


@dataclass(frozen=True)
class StoredMembers:
    """What a file holds.

    Attributes:
        names: in the order of the file; one may be there twice.
        contents: name -> bytes.
        unreadable: name -> why its bytes cannot be read.
    """

    names: list[str]
    contents: dict[str, bytes]
    unreadable: dict[str, str]


def safe_name(name: str) -> bool:
    """Whether a member may have this name: relative, no way upwards, the same file on every system."""
    if len(name) > LONGEST_NAME or not NAME.fullmatch(name):
        return False
    return not any(step in (".", "..") or step.endswith(".") for step in name.split("/"))


def write(members: Mapping[str, bytes]) -> bytes:
    """The file.

    Raises:
        ValueError: a name that is not safe, or more bytes than a pack may have.
    """
    total = sum(len(content) for content in members.values())
    if total > LARGEST_BYTES:
        raise ValueError(f"{len(members)} members with {total:,} bytes are too many for one pack")
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as pack:
        for name in sorted(members):
            if not safe_name(name):
                raise ValueError(f"{name!r} is no safe name of a member")
            entry = zipfile.ZipInfo(name, DATE)
            entry.create_system, entry.external_attr = UNIX, MODE << 16
            pack.writestr(entry, members[name])
    return file.getvalue()


def read(data: bytes) -> StoredMembers:
    """The members of a file.

    Raises:
        ValueError: it is no zip file, or its members are larger than itself.
    """
    try:
        pack = zipfile.ZipFile(io.BytesIO(data))
    except UNREADABLE as error:
        raise ValueError(f"cannot be read as a zip file ({error})") from error
    entries = pack.infolist()
    if sum(entry.file_size for entry in entries) > len(data):
        raise ValueError("its members are larger than the file: compressed, or sharing bytes")
    stored_members = StoredMembers([entry.filename for entry in entries], {}, {})
    for entry in entries:
        try:
            if entry.compress_type != zipfile.ZIP_STORED:
                raise ValueError("it is compressed")
            stored_members.contents[entry.filename] = pack.read(entry)
        except UNREADABLE as error:
            stored_members.unreadable[entry.filename] = str(error)
    return stored_members
