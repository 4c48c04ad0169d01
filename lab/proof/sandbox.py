"""A throw-away database in which a fault lives inside one transaction that is rolled back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol


class Sandbox(Protocol):
    """What the proof needs of an engine. Errors of the engine are raised as `SandboxError`."""

    def execute(self, statement: str) -> None:
        """Runs statements that return nothing."""

    def query(
        self, sql: str, params: Sequence[Any] | None = None
    ) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Names and all rows of one query, as a warehouse gives them."""
        ...

    def create_raw(self, relation: str, columns: Sequence[tuple[str, str]]) -> None:
        """An empty raw table: `columns` are (name, type of this engine)."""

    def fill(self, relation: str, columns: Sequence[tuple[str, str]], rows: Any) -> None:
        """Adds the rows of one raw table, in the shape that the simulator gives."""

    def begin(self) -> None:
        """Opens the transaction of one fault."""

    def rollback(self) -> None:
        """Brings everything back to before `begin`."""

    def close(self) -> None:
        """Frees the database."""


class SandboxError(Exception):
    """The engine refused a statement; the open transaction can only be rolled back."""
