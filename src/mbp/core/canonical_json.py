"""Canonical JSON (RFC 8785) and what is signed of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import rfc8785

from mbp.core.errors import MbpError


def canonical(document: Any, path: str = "") -> bytes:
    """The document in RFC 8785 form; a number of more digits than a double keeps each of them.

    Raises:
        MbpError: a value that canonical JSON cannot hold, like NaN.
    """
    numbers: list[str] = []
    try:
        text = rfc8785.dumps(_marked(document, numbers))
        for index, number in enumerate(numbers):
            text = text.replace(f'"{_MARK}{index}"'.encode(), number.encode(), 1)
        return text
    except (rfc8785.CanonicalizationError, RecursionError) as error:
        raise MbpError(
            f"no canonical JSON: {error}", path=path or None, fix="write the value as text"
        ) from error


@dataclass(frozen=True)
class Subject:
    """What is signed.

    Attributes:
        sha256: of the canonical document.
        parts: digest of each part of it, so that a reader learns what is another one now.
    """

    name: str
    sha256: str
    parts: Mapping[str, str]

    @classmethod
    def of(cls, name: str, document: Mapping[str, Any], **more: str) -> Subject:
        """The subject that a document is; each of its keys is a part.

        Args:
            more: digests of further parts.

        Raises:
            MbpError: a value that canonical JSON cannot hold.
        """
        parts = {key: digest(value) for key, value in document.items()}
        return cls(name, digest(document), {**parts, **more})

    def document(self) -> dict[str, Any]:
        """As the statement contains it."""
        return {"name": self.name, "sha256": self.sha256, "parts": dict(self.parts)}


def digest(value: Any, path: str = "") -> str:
    """SHA-256 of the canonical JSON, as hexadecimal digits.

    Raises:
        MbpError: a value that canonical JSON cannot hold.
    """
    return hashlib.sha256(canonical(value, path)).hexdigest()


# The largest integer below which a double has each integer.
LARGEST_SAFE = 2**53 - 1
# In the private use area of Unicode, which no contract writes.
_MARK = "\uf8ffnumber:"


def _marked(value: Any, numbers: list[str]) -> Any:
    """With a mark in the place of every number that a double cannot hold."""
    large = isinstance(value, int) and abs(value) > LARGEST_SAFE
    if large or isinstance(value, Decimal):
        numbers.append(format(value, "f") if isinstance(value, Decimal) else str(value))
        return f"{_MARK}{len(numbers) - 1}"
    if isinstance(value, Mapping):
        return {key: _marked(item, numbers) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_marked(item, numbers) for item in value]
    return value
