"""Semantic versions, and the bump that changes demand."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import total_ordering

from mbp.contracts.reading import SEMANTIC_VERSION

BUMPS = ("none", "patch", "minor", "major")


@total_ordering
@dataclass(frozen=True, eq=True)
class Version:
    """major.minor.patch, with an optional pre-release (Semantic Versioning 2.0.0)."""

    major: int
    minor: int
    patch: int
    pre: tuple[str, ...] = ()

    @classmethod
    def read(cls, text: str) -> Version | None:
        """The version in `text`; None when it is not a version."""
        if not SEMANTIC_VERSION.fullmatch(text):
            return None
        core, _, pre = text.partition("-")
        major, minor, patch = map(int, core.split("."))
        return cls(major, minor, patch, tuple(pre.split(".")) if pre else ())

    def _key(self) -> tuple[int, int, int, bool, tuple[tuple[bool, int, str], ...]]:
        # A pre-release comes before its release; numbers before words.
        parts = tuple(
            (not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in self.pre
        )
        return (self.major, self.minor, self.patch, not self.pre, parts)

    def __lt__(self, other: Version) -> bool:
        return self._key() < other._key()

    def __str__(self) -> str:
        core = f"{self.major}.{self.minor}.{self.patch}"
        return f"{core}-{'.'.join(self.pre)}" if self.pre else core


def largest(bumps: list[str]) -> str:
    """The bump that serves all of them."""
    return max(bumps, key=BUMPS.index, default="none")


def demanded(old: Version, bump: str) -> Version:
    """The smallest version that is at least that bump; before 1.0.0 a minor bump counts as major."""
    if old.major == 0 and bump in ("major", "minor"):
        bump = {"major": "minor", "minor": "patch"}[bump]
    base = Version(old.major, old.minor, old.patch)
    if old.pre and bump != "none" and re.fullmatch(r"\d+\.0\.0", str(base)):
        return base  # 2.0.0-rc.1 may become 2.0.0 whatever changed
    return {
        "none": old,
        "patch": Version(old.major, old.minor, old.patch + (0 if old.pre else 1)),
        "minor": Version(old.major, old.minor + 1, 0),
        "major": Version(old.major + 1, 0, 0),
    }[bump]
