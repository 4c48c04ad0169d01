"""The pack's file: a zip that has one form only, so that the same members give the same bytes everywhere.

Members are stored, not deflated: zlib and its successors compress differently. Nothing is ever unpacked, so a small
file cannot become a large one. Each member that is not what the manifest states is named.
"""

from __future__ import annotations

import hashlib
import io
import re
import struct
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mbp.core.errors import MbpError
from mbp.core.reporting import Finding
from mbp.release.evidence.statement import NAME, OUTSIDE, Manifest, read

# Any time would do; this is the first that the format has.
DATE = (1980, 1, 1, 0, 0, 0)
UNIX, MODE = 3, 0o100644
LARGEST_BYTES = 512 * 1024 * 1024
LONGEST_NAME = 400
MEMBER_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+@=-]*(/[A-Za-z0-9_.][A-Za-z0-9_.+@=-]*)*")
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
    if len(name) > LONGEST_NAME or not MEMBER_NAME.fullmatch(name):
        return False
    return not any(step in (".", "..") or step.endswith(".") for step in name.split("/"))


def write_archive(members: Mapping[str, bytes]) -> bytes:
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


def read_archive(data: bytes) -> StoredMembers:
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


FILE = "file"


@dataclass(frozen=True)
class Opened:
    """A pack's file.

    Attributes:
        members: path -> content.
        manifest: None when it cannot be relied on.
    """

    members: Mapping[str, bytes]
    manifest: Manifest | None
    findings: Sequence[Finding]


def read_file(path: Path) -> bytes:
    """The file's bytes, when it is no larger than a pack may be.

    Raises:
        MbpError: it is not there, cannot be read or is too large to be one.
    """
    try:
        size = path.stat().st_size
        if size > LARGEST_BYTES * 2:
            raise MbpError(
                f"{size:,} bytes are more than a pack may have",
                path=path,
                fix="name the pack that `mbp evidence build` wrote",
            )
        return path.read_bytes()
    except OSError as error:
        fix = "name a file that `mbp evidence build` wrote"
        raise MbpError(f"cannot be read: {error.strerror}", path=path, fix=fix) from error


def open_pack(data: bytes) -> Opened:
    """Members, manifest and findings about the file and its members.

    Raises:
        MbpError: a pack of an older format.
    """
    try:
        stored = read_archive(data)
    except ValueError as error:
        return Opened({}, None, [Finding("not_a_pack", str(error), FILE)])
    findings = [
        Finding("duplicate_member", "is in the file twice", name)
        for name, times in Counter(stored.names).items()
        if times > 1
    ]
    findings += [
        Finding("unsafe_name", "no safe name", repr(name))
        for name in stored.names
        if not safe_name(name)
    ]
    findings += [
        Finding("changed_member", f"cannot be read: {reason}", name)
        for name, reason in stored.unreadable.items()
    ]
    findings += [
        Finding("missing_member", "is not in the pack", name)
        for name in OUTSIDE
        if name not in stored.names
    ]
    if any(name not in stored.contents for name in OUTSIDE):
        return Opened(stored.contents, None, findings)
    try:
        manifest = read(stored.contents[NAME])
    except ValueError as error:
        findings.append(Finding("changed_member", str(error), NAME))
        return Opened(stored.contents, None, findings)
    findings += _against_manifest(stored, manifest)
    if not findings and data != write_archive(stored.contents):
        message = "the members are right, and the file has other bytes around them than a pack has"
        findings.append(Finding("file_changed", message, FILE))
    return Opened(stored.contents, manifest, findings)


def _against_manifest(stored: StoredMembers, manifest: Manifest) -> Iterator[Finding]:
    names = {*stored.names}
    entries = {entry.path: entry for entry in manifest.entries}
    for name in sorted(entries.keys() - names):
        yield Finding("missing_member", "is not in the pack", name)
    for name in sorted(names - entries.keys() - set(OUTSIDE)):
        yield Finding("unknown_member", "is not in the manifest", name)
    for name in sorted(entries.keys() & stored.contents.keys()):
        entry, content = entries[name], stored.contents[name]
        digest = hashlib.sha256(content).hexdigest()
        if (entry.size, entry.sha256) != (len(content), digest):
            yield Finding(
                "changed_member",
                f"{len(content)} bytes with SHA-256 {digest[:16]}…; the manifest states"
                f" {entry.size} bytes with {entry.sha256[:16]}…",
                name,
            )
