"""Versions of contracts follow Semantic Versioning 2.0.0, pre-releases and build metadata too."""

from __future__ import annotations

import pytest

from mbp.contracts.compatibility.versions import demanded, least_version, read_version, serves


@pytest.mark.parametrize(
    "text",
    ["1.0.0", "0.0.4", "1.0.0-rc.1", "1.0.0-0A.is.legal", "2.0.0+build.1", "1.0.0-a-b+exp.5114"],
)
def test_versions_of_the_standard_are_read(text: str) -> None:
    assert str(read_version(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1.0",
        "01.0.0",
        "1.0.1-01..x",
        "1.0.0-01",
        "1.0.0-",
        "1.0.0+",
        "v1.0.0",
        "1.0.0.0",
        "1.0.0 ",
    ],
)
def test_what_is_no_version_is_refused(text: str) -> None:
    assert read_version(text) is None


@pytest.mark.parametrize(
    ("head", "release", "since_head", "since_release", "version", "allowed"),
    [
        # The first column is published last, the second is the newest release of all.
        ("1.0.0", "1.0.0", "minor", "minor", "1.1.0", True),
        ("1.0.0", "1.0.0", "minor", "minor", "1.0.1", False),
        ("1.0.0", "1.0.0", "none", "none", "1.0.0", True),
        # A pre-release of the version that is demanded, and another after it.
        ("1.0.0", "1.0.0", "minor", "minor", "1.1.0-rc.1", True),
        ("1.1.0-rc.1", "1.0.0", "minor", "minor", "1.1.0-rc.2", True),
        ("1.1.0-rc.1", "1.0.0", "minor", "minor", "1.1.0", True),
        ("1.1.0-rc.1", "1.0.0", "none", "minor", "1.1.0-rc.1", True),
        ("1.1.0-rc.2", "1.0.0", "minor", "minor", "1.1.0-rc.1", False),
        ("1.1.0-rc.9", "1.0.0", "patch", "minor", "1.1.0-rc.10", True),
        # It breaks readers of 1.0.0: a pre-release of 1.1.0 does not say so.
        ("1.1.0-rc.1", "1.0.0", "major", "major", "1.1.0-rc.2", False),
        ("1.1.0-rc.1", "1.0.0", "major", "major", "2.0.0-rc.1", True),
        ("1.0.0", "1.0.0", "major", "major", "1.1.0-rc.1", False),
        # Before the first release pre-releases follow each other whatever changed.
        ("1.0.0-rc.1", None, "major", "major", "1.0.0-rc.2", True),
        ("1.0.0-rc.1", None, "major", "major", "1.0.0-rc.1", False),
        # Build metadata makes no version higher.
        ("1.0.0", "1.0.0", "patch", "patch", "1.0.0+build.2", False),
        ("1.0.0+build.1", "1.0.0+build.1", "none", "none", "1.0.0+build.2", True),
        ("1.0.0+build.1", "1.0.0+build.1", "patch", "patch", "1.0.1", True),
    ],
)
def test_a_version_says_how_much_changed(
    head: str, release: str | None, since_head: str, since_release: str, version: str, allowed: bool
) -> None:
    newest, wanted = read_version(head), read_version(version)
    assert newest is not None
    assert wanted is not None
    last = read_version(release) if release else None
    core = demanded(last, since_release) if last else newest.finalize_version()
    assert serves(wanted, newest, since_head, core) is allowed
    assert serves(least_version(newest, since_head, core), newest, since_head, core)
