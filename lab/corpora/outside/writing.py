"""What the makers of values share: a value as it is written, and unusual ways to write digits."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

DIGITS = "0123456789"
Item = TypeVar("Item")

FULL_WIDTH = str.maketrans(DIGITS, "".join(chr(0xFF10 + digit) for digit in range(10)))


@dataclass(frozen=True)
class Value:
    """One value as it is written.

    `fields` are names, in snake case, that a field with this value has. `plain` says that a reader
    recognises the value without any name beside it.
    """

    label: str
    text: str
    fields: tuple[str, ...]
    plain: bool = False


Spelling = tuple[str, bool]  # the text, and whether it is plain


def digits(rng: random.Random, count: int, alphabet: str = DIGITS) -> str:
    return "".join(rng.choice(alphabet) for _ in range(count))


def chance(rng: random.Random, share: float) -> bool:
    return rng.random() < share


def weighted(rng: random.Random, *choices: tuple[int, Item]) -> Item:
    return rng.choices([item for _, item in choices], [weight for weight, _ in choices])[0]


def unusual(rng: random.Random, groups: Sequence[str], usual: str) -> str:
    """Groups of digits with other separators, other digits or invisible characters."""
    joined = "".join(groups)
    joints = (" ", ".", "-", ",", ", ", "/", "_", " - ", " . ", "  ", "\u00a0", "\u2013", "\u2009")
    hyphens = ("\u2010", "\u2011", "\u2013", "\u2212")
    invisible = ("\u200b", "\u2060", "\u00ad", "\u200d")
    return weighted(
        rng,
        (5, rng.choice(joints).join(groups)),
        (2, rng.choice((" ", "-", ".", ",", ", ")).join(joined)),
        (1, usual.translate(FULL_WIDTH)),
        (1, usual.replace("-", rng.choice(hyphens))),
        (1, rng.choice(invisible).join(groups)),
    )
