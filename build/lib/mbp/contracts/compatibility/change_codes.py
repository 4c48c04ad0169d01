"""Every kind of change: its stable code, its class, what it is and why it is judged as it is."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib import resources
from typing import Literal

from mbp.contracts.reading import SERVICE_LEVELS

Class = Literal["shape", "value set", "promise", "governance", "documentation"]
_SLA_CHANGES = {
    "added": ("is guaranteed", "One more guarantee."),
    "tightened": ("has a better guarantee", "A better guarantee; rows stay as they are."),
    "loosened": ("has a worse guarantee", "Readers rely on the old guarantee."),
    "removed": ("is not guaranteed any more", "Readers rely on it."),
    "changed": (
        "is guaranteed for something else",
        "The old guarantee was removed, and how the new one compares is not known.",
    ),
}


@dataclass(frozen=True)
class Code:
    """One kind of change.

    Attributes:
        loosening: governance gets weaker: a major change, whatever rows do.
        row_level: it decides on single rows, so a break is shown by a row.
    """

    name: str
    kind: Class
    what: str
    why: str
    loosening: bool = False
    row_level: bool = False


def snake(name: str) -> str:
    """`timeToDetect` -> `time_to_detect`."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


def _catalogue() -> dict[str, Code]:
    text = resources.files(__package__).joinpath("codes.toml").read_text(encoding="utf-8")
    codes = {
        name: Code(
            name,
            entry["class"],
            entry["what"],
            entry["why"],
            entry.get("loosening", False),
            entry.get("row_level", False),
        )
        for name, entry in tomllib.loads(text).items()
    }
    for level in SERVICE_LEVELS:
        for change, (what, why) in _SLA_CHANGES.items():
            name = f"sla_{snake(level)}_{change}"
            codes[name] = Code(name, "promise", f"{level} {what}.", why)
    return codes


CATALOGUE = _catalogue()
