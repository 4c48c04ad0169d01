"""Reads a pack's file, and tells what is wrong with the file itself: every byte of it has one right value."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from mbp.core.errors import MbpError
from mbp.core.reporting import Finding
from mbp.release.evidence import archive
from mbp.release.evidence.archive import Stored
from mbp.release.evidence.pack_manifest import (
    BLOCKS,
    NAME,
    OUTSIDE,
    Manifest,
    blocks,
    blocks_of,
    describe,
    first_difference,
    read,
)

FILE = "file"


@dataclass(frozen=True)
class Opened:
    """A pack's file as it lies there.

    Attributes:
        stored: members in the order of the file.
        manifest: None when it cannot be relied on.
    """

    stored: Sequence[Stored]
    manifest: Manifest | None
    findings: Sequence[Finding]

    @cached_property
    def members(self) -> Mapping[str, bytes]:
        """Path -> content."""
        return {one.name: one.content for one in self.stored}


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
                cure="name the pack that `mbp evidence build` wrote",
            )
        return path.read_bytes()
    except OSError as error:
        cure = "name a file that `mbp evidence build` wrote"
        raise MbpError(f"cannot be read: {error.strerror}", path=path, cure=cure) from error


def open_pack(data: bytes) -> Opened:
    """Members, manifest and findings about the file, its members and their places."""
    ways: list[list[Stored]] = []
    reasons = []
    for way in (archive.read_front, archive.read_directory):
        try:
            ways.append(way(data))
        except ValueError as error:
            reasons.append(str(error))
    if not ways:
        return Opened((), None, [Finding("not_a_pack", "; ".join(dict.fromkeys(reasons)), FILE)])
    stored = min(ways, key=_strangeness)
    findings = [
        Finding("file_changed", f"{reason} (the rest was still found)", FILE) for reason in reasons
    ]
    twice = archive.duplicates(stored)
    findings += [Finding("duplicate_member", "stands twice", name) for name in twice]
    unsafe = [one.name for one in stored if not archive.safe_name(one.name)]
    findings += [Finding("unsafe_name", "no safe name", repr(name)) for name in unsafe]
    manifest, about_members = _against_manifest(stored)
    findings += about_members
    if not twice and not unsafe:
        findings += _layout(data, stored, bool(about_members))
    return Opened(stored, manifest, findings)


def _strangeness(stored: Sequence[Stored]) -> int:
    """How many names are not those of the manifest; of two ways to read the file the less strange one holds."""
    content = next((one.content for one in stored if one.name == NAME), b"")
    try:
        wanted = {one.path for one in read(content).entries} | set(OUTSIDE)
    except (ValueError, MbpError):
        return len(stored)
    return len(wanted.symmetric_difference(one.name for one in stored))


def _against_manifest(stored: Sequence[Stored]) -> tuple[Manifest | None, list[Finding]]:
    members = {one.name: one for one in stored}
    contents = {one.name: one.content for one in stored}
    missing = [
        Finding("missing_member", "is not in the pack", name)
        for name in OUTSIDE
        if name not in members
    ]
    if missing:
        return None, missing
    try:
        manifest = read(contents[NAME])
    except (ValueError, MbpError) as error:
        return None, [_manifest_changed(members[NAME], contents, str(error))]
    findings = []
    entries = {one.path: one for one in manifest.entries}
    for name in sorted(entries.keys() - members.keys()):
        findings.append(Finding("missing_member", "is not in the pack", name))
    for name in sorted(members.keys() - entries.keys() - set(OUTSIDE)):
        findings.append(Finding("unknown_member", "is not in the manifest", name))
    changed = {
        name: entry
        for name, entry in entries.items()
        if name in contents
        and (
            entry.size != len(contents[name])
            or hashlib.sha256(contents[name]).hexdigest() != entry.sha256
        )
    }
    intact = BLOCKS in contents and BLOCKS in entries and BLOCKS not in changed
    checks = blocks_of(contents[BLOCKS], manifest.entries) if intact else {}
    for name, entry in sorted(changed.items()):
        if name == BLOCKS:
            continue
        told = first_difference(entry, contents[name], checks.get(name))
        stated = f"{entry.size} bytes with SHA-256 {entry.sha256[:16]}… were stated"
        told = f"{stated}; {told} (it begins at byte {members[name].start} of the file)"
        findings.append(Finding("changed_member", told, name))
    findings += _blocks_changed(members, contents, manifest, changed.keys())
    return manifest, findings


def _blocks_changed(
    members: Mapping[str, Stored],
    contents: Mapping[str, bytes],
    manifest: Manifest,
    changed: Collection[str],
) -> Iterator[Finding]:
    """blocks.bin follows from the other members: which of the two is not what it was, and where."""
    present = contents.get(BLOCKS)
    if present is None:
        return
    wanted = blocks(contents)
    if BLOCKS in changed:
        told = _place(members[BLOCKS], present, wanted)
        yield Finding("changed_member", f"differs from what its members give: {told}", BLOCKS)
        return
    entries = {one.path: one for one in manifest.entries}
    for path, checks in blocks_of(present, manifest.entries).items():
        known = path in contents and path not in changed
        if known and blocks({path: contents[path]}) != checks:
            told = first_difference(entries[path], contents[path], checks)
            yield Finding(
                "changed_member", f"blocks.bin holds checks of other content: {told}", path
            )


def _manifest_changed(member: Stored, contents: Mapping[str, bytes], reason: str) -> Finding:
    wanted = describe(_gate_of(contents), contents).content()
    told = _place(member, member.content, wanted)
    return Finding("changed_member", f"{reason}; compared with what the members give: {told}", NAME)


def _gate_of(contents: Mapping[str, bytes]) -> str:
    reports = [name for name in contents if name.startswith("gate/") and name.endswith(".json")]
    return reports[0].removeprefix("gate/").removesuffix(".json") if reports else ""


def _place(member: Stored, present: bytes, wanted: bytes) -> str:
    at = first_unequal(present, wanted)
    return f"byte {at} is the first that differs (byte {member.start + at} of the file)"


def first_unequal(one: bytes, other: bytes) -> int:
    """Offset of the first byte that differs; the length of the shorter where one begins the other."""
    limit = min(len(one), len(other))
    low, high = 0, limit
    # Halving: compared by slices, which costs no loop over bytes.
    while low < high:
        middle = (low + high) // 2
        if one[low : middle + 1] == other[low : middle + 1]:
            low = middle + 1
        else:
            high = middle
    return low


def _layout(data: bytes, stored: Sequence[Stored], changed: bool) -> Iterator[Finding]:
    """The file against the only form that its members have. A changed member keeps the checksum that it states."""
    crcs = {one.name: one.crc for one in stored} if changed else {}
    try:
        wanted = archive.write({one.name: one.content for one in stored}, crcs)
    except ValueError as error:
        yield Finding("file_changed", str(error), FILE)
        return
    if data == wanted:
        return
    at = first_unequal(data, wanted)
    where = next(
        (
            f"the header of {one.name}"
            for one in stored
            if one.start - archive.LOCAL.size - len(one.name) <= at < one.start
        ),
        "the directory at the end" if at < len(wanted) else "behind the end",
    )
    yield Finding(
        "file_changed",
        f"byte {at} is the first that differs from the form of a pack: {where}",
        FILE,
    )
