"""Reads a pack's file, and names each member that is not what the manifest states."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mbp.core.errors import MbpError
from mbp.core.reporting import Finding
from mbp.release.evidence import archive
from mbp.release.evidence.archive import StoredMembers
from mbp.release.evidence.pack_manifest import NAME, OUTSIDE, Manifest, read

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
        if size > archive.LARGEST_BYTES * 2:
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
        stored = archive.read(data)
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
        if not archive.safe_name(name)
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
    if not findings and data != archive.write(stored.contents):
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
