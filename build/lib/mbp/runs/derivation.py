"""What the functions that derive a verdict share: how they register, and how they demand a measurement."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Content = Mapping[str, Any]


# Path in the project (and in the pack) -> content of a file that a measurement names; None: it is not there.
ReadFile = Callable[[str], bytes | None]


class UnmeasuredError(Exception):
    """The content shows no measurement; the text says why."""


class ContradictionError(UnmeasuredError):
    """Two parts of the content exclude each other."""


Derivation = Callable[[Content, ReadFile], list[str]]


DERIVATIONS: dict[str, Derivation] = {}


def derivation(*names: str) -> Callable[[Derivation], Derivation]:
    """Registers a function as the derivation of these measurements. A name that ends in `_` is a prefix.

    The function gives what is wrong (nothing: pass), and raises `UnmeasuredError` where nothing was measured.
    """

    def add(function: Derivation) -> Derivation:
        DERIVATIONS.update(dict.fromkeys(names, function))
        return function

    return add


def demand(holds: bool, reason: str) -> None:
    """Raises:
    UnmeasuredError: it does not hold.
    """
    if not holds:
        raise UnmeasuredError(reason)


def consistent(holds: bool, what: str) -> None:
    """Raises:
    ContradictionError: it does not hold.
    """
    if not holds:
        raise ContradictionError(f"the content contradicts itself: {what}")


def count(value: Any) -> int:
    """A whole number, not below zero.

    Raises:
        ContradictionError: anything else, `true` among it.
    """
    consistent(type(value) is int and value >= 0, f"{value!r} is no count")
    return int(value)
