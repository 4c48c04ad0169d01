"""The locks as data: what is pinned, with its hashes, and who asked for it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.markers import Marker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from mbp.core.errors import MbpError
from mbp.core.paths import shown
from mbp.core.yaml_io import read

HASH = re.compile(r"--hash=(sha256):([0-9a-f]{64})\b")
VIA = re.compile(r"#\s+(?:via\s+)?([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^]]*\])?(?:\s+\(.*\))?\s*")


@dataclass(frozen=True)
class Pinned:
    """One pinned package.

    Attributes:
        name: in canonical form.
        marker: where it is installed at all; None: everywhere.
        hashes: SHA-256 of every file that may be installed.
        via: canonical names of those who asked for it.
        path, line: where it is pinned.
    """

    name: str
    version: str
    marker: str | None
    hashes: tuple[str, ...]
    via: tuple[str, ...]
    path: str
    line: int

    @property
    def wanted_here(self) -> bool:
        """Its marker holds on this machine."""
        return self.marker is None or Marker(self.marker).evaluate()


def read_lock(root: Path, name: str) -> list[Pinned]:
    """Every pin of a lock, by name.

    Raises:
        MbpError: no such file, nothing in it, or an entry that is not `name==version` with a hash.
    """
    path = root / name
    where = shown(path, root)
    pinneds: list[Pinned] = []
    entry: list[str] = []
    first = 0
    lines = read(path, shown_as=where).splitlines()
    for number, line in enumerate([*lines, "end==0"], start=1):
        if line and not line[0].isspace() and not line.startswith("#"):
            if entry:
                pinneds.append(_pinned(entry, where, first))
            entry, first = [line], number
        elif entry:
            entry.append(line)
    names = [(pinned.name, pinned.version) for pinned in pinneds]
    if not pinneds or len(set(names)) != len(names):
        raise MbpError(
            "no pinned package, or one that appears twice", path=where, fix="make the lock again"
        )
    return sorted(pinneds, key=lambda pinned: (pinned.name, pinned.version))


def _pinned(lines: list[str], path: str, line: int) -> Pinned:
    head = lines[0].rstrip("\\").strip()
    hashes = tuple(sorted(match[2] for text in lines for match in HASH.finditer(text)))
    via: set[str] = set()
    for text in lines[1:]:
        match = VIA.fullmatch(text.strip())
        if match and match[1] != "via":
            via.add(canonicalize_name(match[1]))
    try:
        requirement = Requirement(head)
    except InvalidRequirement as error:
        raise MbpError(
            f"no requirement: {head!r}",
            path=path,
            line=line,
            fix="lock again: CONTRIBUTING.md has the command",
        ) from error
    exact = [specifier.version for specifier in requirement.specifier if specifier.operator == "=="]
    if len(exact) != 1 or len(requirement.specifier) != 1 or not hashes:
        raise MbpError(
            f"{requirement.name} is not pinned to one version with a hash",
            path=path,
            line=line,
            fix="make the lock again with --generate-hashes",
        )
    return Pinned(
        canonicalize_name(requirement.name),
        exact[0],
        str(requirement.marker) if requirement.marker else None,
        hashes,
        tuple(sorted(via)),
        path,
        line,
    )


def installed() -> dict[str, metadata.Distribution]:
    """Canonical name -> what is installed in this environment."""
    results: dict[str, metadata.Distribution] = {}
    for distribution in metadata.distributions():
        name = distribution.metadata["Name"]
        if name:
            # The first on the path is what is imported.
            results.setdefault(canonicalize_name(name), distribution)
    return results
