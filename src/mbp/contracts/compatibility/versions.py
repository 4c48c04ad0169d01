"""Semantic versions, and the version that changes demand."""

from __future__ import annotations

import re

from semver import Version

BUMPS = ("none", "patch", "minor", "major")


def read_version(text: str) -> Version | None:
    """The version in `text` (Semantic Versioning 2.0.0); None when it is not a version."""
    return Version.parse(text) if Version.is_valid(text) else None


def release_order(text: str) -> Version | None:
    """As `read_version`, also of `v1.2` and the like: ODCS takes any text."""
    numbers = re.fullmatch(r"v?(\d{1,9})(?:\.(\d{1,9}))?(?:\.(\d{1,9}))?", text, re.ASCII)
    if numbers is None:
        return read_version(text)
    return Version(*(int(number or 0) for number in numbers.groups()))


def largest(bumps: list[str]) -> str:
    """The bump that serves all of them."""
    return max(bumps, key=BUMPS.index, default="none")


def demanded(release: Version, bump: str) -> Version:
    """The smallest release that is at least that bump; before 1.0.0 a minor bump counts as major."""
    if release.major == 0 and bump in ("major", "minor"):
        bump = {"major": "minor", "minor": "patch"}[bump]
    return {
        "none": release.finalize_version(),
        "patch": release.bump_patch(),
        "minor": release.bump_minor(),
        "major": release.bump_major(),
    }[bump]


def least_version(head: Version, bump: str, core: Version) -> Version:
    """The lowest version that may follow.

    Args:
        head: the newest published version.
        bump: that the changes since `head` demand.
        core: the release that the changes since the newest release demand. Its pre-releases serve too, and follow
            each other until it is published.
    """
    if core > head.finalize_version():
        return core
    if bump == "none":
        return head
    return head.bump_prerelease() if head.prerelease else core


def serves(version: Version, head: Version, bump: str, core: Version) -> bool:
    """Whether the version says how much changed; parameters as of `least_version`."""
    higher = version >= head if bump == "none" else version > head
    return higher and version.finalize_version() >= core
