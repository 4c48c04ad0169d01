"""A dataclass is the form of a file: what follows it is read into it, what does not is refused by key and line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import pytest

from mbp.core.errors import MbpError
from mbp.core.forms import SOME, Count, Name, Version, read_as


@dataclass(frozen=True)
class Part:
    """An entry of the list."""

    id: Name
    kind: Literal["small", "large"] = "small"
    weight: Count | None = None


@dataclass(frozen=True)
class PartsFile:
    """The whole file."""

    version: Version
    parts: Annotated[tuple[Part, ...], SOME]
    owners: Mapping[str, str]


GOOD = "version: 1\nparts:\n  - id: a\n  - {id: b, kind: large, weight: 2}\nowners: {DATA: data}\n"


def test_a_file_becomes_the_dataclass(tmp_path: Path) -> None:
    (tmp_path / "parts.yaml").write_text(GOOD)
    _, form = read_as(PartsFile, tmp_path, "parts.yaml")
    assert form == PartsFile(1, (Part("a"), Part("b", "large", 2)), {"DATA": "data"})


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("kind: large", "kin: large", r"parts.yaml:4: unknown key 'kin' in parts\[1\].*'kind'"),
        ("kind: large", "kind: huge", r":4: parts\[1\].kind: expected one of \['small', 'large'\]"),
        ("weight: 2", "weight: -1", r"parts\[1\].weight: -1 is less than"),
        ("id: a", "id: A", r":3: parts\[0\].id: expected text like"),
        ("id: a", "kind: small", r":3: parts\[0\]: missing key 'id'"),
        ("version: 1", "version: 2", "version: expected 1, found 2"),
        ("{DATA: data}", "{DATA: 1}", "owners.DATA: expected string, found 1"),
    ],
)
def test_what_does_not_follow_is_refused(tmp_path: Path, old: str, new: str, told: str) -> None:
    (tmp_path / "parts.yaml").write_text(GOOD.replace(old, new))
    with pytest.raises(MbpError, match=told):
        read_as(PartsFile, tmp_path, "parts.yaml")
