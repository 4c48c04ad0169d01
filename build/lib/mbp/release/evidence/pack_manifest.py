"""What a pack holds: size and SHA-256 of each member."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from mbp.core.canonical_json import canonical
from mbp.core.errors import MbpError

NAME = "manifest.json"
STATEMENT = "statement.dsse.json"
GROUPS = "groups.json"
# Neither hashed in the manifest: it would have to hold its own digest, and the statement holds the manifest's.
OUTSIDE = (NAME, STATEMENT)
# Version 1 (until 0.1) had a Merkle root and a member `blocks.bin`.
VERSION, OLD_VERSIONS = 2, (1,)


@dataclass(frozen=True)
class PackMember:
    """One member."""

    path: str
    sha256: str
    size: int


@dataclass(frozen=True)
class Manifest:
    """All members but manifest and statement, sorted by path."""

    gate: str
    entries: tuple[PackMember, ...]

    @cached_property
    def root(self) -> str:
        """SHA-256 of `manifest.json`, hexadecimal: it identifies the whole pack."""
        return hashlib.sha256(self.content()).hexdigest()

    def content(self) -> bytes:
        """The member `manifest.json`, canonical."""
        members = [
            {"path": entry.path, "sha256": entry.sha256, "size": entry.size}
            for entry in self.entries
        ]
        return canonical({"version": VERSION, "gate": self.gate, "members": members})


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
        MbpError: the manifest of an older format.
    """
    try:
        document = json.loads(content)
        version = document["version"]
        if version in OLD_VERSIONS:
            raise MbpError(
                f"the pack has format {version}, this release reads format {VERSION}",
                path=NAME,
                fix="verify it with the release that built it, or build it again",
            )
        manifest = Manifest(
            document["gate"],
            tuple(
                PackMember(member["path"], member["sha256"], member["size"])
                for member in document["members"]
            ),
        )
        paths = [entry.path for entry in manifest.entries]
        right = manifest.content() == content and paths == sorted(set(paths))
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"is no manifest ({type(error).__name__}: {error})") from error
    if not right:
        raise ValueError(f"is not the canonical form of a manifest of version {VERSION}")
    return manifest
