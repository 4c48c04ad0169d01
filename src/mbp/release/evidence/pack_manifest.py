"""What a pack holds: size and SHA-256 of each member, a root over all, and a net of checks that tells places."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from mbp.core.canonical_json import canonical
from mbp.release.evidence import merkle
from mbp.release.evidence.dsse import parsed

NAME = "manifest.json"
STATEMENT = "statement.dsse.json"
BLOCKS = "blocks.bin"
GROUPS = "groups.json"
# Neither hashed in the manifest: it would have to hold its own digest, and the statement holds the manifest's.
OUTSIDE = (NAME, STATEMENT)
VERSION = 1
# A place is told to 64 bytes, at 6 % of the pack. These checks prove nothing: SHA-256 over each member does.
BLOCK_BYTES = 64
CHECK_BYTES = 4


@dataclass(frozen=True)
class PackMember:
    """One member."""

    path: str
    sha256: str
    size: int

    @property
    def leaf(self) -> bytes:
        """What of it goes into the root."""
        return canonical({"path": self.path, "sha256": self.sha256, "size": self.size})


@dataclass(frozen=True)
class Manifest:
    """All members, sorted by path. It follows from them alone, so that a changed manifest can be made again."""

    gate: str
    entries: tuple[PackMember, ...]

    @cached_property
    def root(self) -> str:
        """The Merkle root over the members, hexadecimal."""
        return merkle.root([one.leaf for one in self.entries]).hex()

    def content(self) -> bytes:
        """The member `manifest.json`, canonical."""
        members = [
            {"path": one.path, "sha256": one.sha256, "size": one.size} for one in self.entries
        ]
        return canonical(
            {
                "version": VERSION,
                "gate": self.gate,
                "members": members,
                "merkle_root": self.root,
            }
        )


def describe(gate: str, members: Mapping[str, bytes]) -> Manifest:
    """The manifest of members; those that it cannot hold are left aside."""
    entries = (
        PackMember(path, hashlib.sha256(members[path]).hexdigest(), len(members[path]))
        for path in sorted(members)
        if path not in OUTSIDE
    )
    return Manifest(gate, tuple(entries))


def read(content: bytes) -> Manifest:
    """The manifest that `Manifest.content` wrote.

    Raises:
        ValueError: any other bytes.
    """
    document = parsed(content, {"version", "gate", "members", "merkle_root"})
    if document["version"] != VERSION:
        raise ValueError(f"version {document['version']!r}, expected {VERSION}")
    if not isinstance(document["gate"], str) or not isinstance(document["members"], list):
        raise ValueError("gate is no text or members is no list")
    found = Manifest(document["gate"], tuple(_entry(one) for one in document["members"]))
    paths = [one.path for one in found.entries]
    if paths != sorted(set(paths)):
        raise ValueError("the members are not sorted, or one stands twice")
    if document["merkle_root"] != found.root:
        raise ValueError("merkle_root is not the root of the members that it lists")
    if found.content() != content:
        raise ValueError("the bytes are not its canonical form (RFC 8785)")
    return found


def blocks(members: Mapping[str, bytes]) -> bytes:
    """The member `blocks.bin`: the first bytes of the SHA-256 of each block of each other member, in order of paths."""
    return b"".join(
        _checks(members[path]) for path in sorted(members) if path not in (*OUTSIDE, BLOCKS)
    )


def blocks_of(content: bytes, entries: Iterable[PackMember]) -> Mapping[str, bytes]:
    """Path -> its part of `blocks.bin`; nothing when the sizes do not add up."""
    found, at = {}, 0
    for one in entries:
        if one.path != BLOCKS:
            length = -(-one.size // BLOCK_BYTES) * CHECK_BYTES
            found[one.path] = content[at : at + length]
            at += length
    return found if at == len(content) else {}


def first_difference(entry: PackMember, content: bytes, checks: bytes | None) -> str:
    """Where a changed member differs first, as exactly as what is known of the original tells it.

    Args:
        checks: the member's part of `blocks.bin`; None when that is not what it was.
    """
    if checks is None:
        return "the place is not known: blocks.bin is not what it was"
    for number, start in enumerate(range(0, max(entry.size, len(content)), BLOCK_BYTES)):
        block = content[start : start + BLOCK_BYTES]
        wanted = checks[number * CHECK_BYTES : (number + 1) * CHECK_BYTES]
        if block and _check(block) == wanted:
            continue
        exact = _restored(entry, content, start, wanted)
        if exact is not None:
            place, original = exact
            return f"byte {place} is the first that differs: {content[place]:#04x}, was {original:#04x}"
        if start >= entry.size:
            return f"byte {entry.size} is the first that differs: the member ended before it"
        if not block:
            return f"byte {len(content)} is the first that differs: it is missing"
        last = min(start + BLOCK_BYTES, entry.size) - 1
        return f"the first byte that differs is one of {start} to {last}"
    return "no block differs"


def _restored(
    entry: PackMember, content: bytes, start: int, wanted: bytes
) -> tuple[int, int] | None:
    """(place, original byte) when putting back one byte of the block gives the original, proven by its SHA-256."""
    if len(content) != entry.size:
        return None
    block = bytearray(content[start : start + BLOCK_BYTES])
    for place, now in enumerate(block):
        for value in range(256):
            block[place] = value
            if value != now and _check(block) == wanted:
                mended = content[:start] + bytes(block) + content[start + len(block) :]
                if hashlib.sha256(mended).hexdigest() == entry.sha256:
                    return start + place, value
        block[place] = now
    return None


def _check(block: bytes | bytearray) -> bytes:
    return hashlib.sha256(block).digest()[:CHECK_BYTES]


def _checks(content: bytes) -> bytes:
    return b"".join(
        _check(content[start : start + BLOCK_BYTES])
        for start in range(0, len(content), BLOCK_BYTES)
    )


def _entry(found: Any) -> PackMember:
    if not isinstance(found, dict) or found.keys() != {"path", "sha256", "size"}:
        raise ValueError("a member needs path, sha256 and size")
    texts = (found["path"], found["sha256"])
    if not all(isinstance(text, str) for text in texts) or type(found["size"]) is not int:
        raise ValueError("a member has a value of a wrong type")
    return PackMember(found["path"], found["sha256"], found["size"])
