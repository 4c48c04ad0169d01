"""What a fault is: the smallest change of a clean world that breaks exactly one rule."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from lab.simulate.faults.editor import Editor
from lab.simulate.raw_world import RawWorld

Stage = Literal["raw", "mart"]
Change = Callable[[Editor], None]


class FaultRule(Protocol):
    """What a fault needs to know of a contract rule; `mbp.contracts.rules.Rule` has it."""

    @property
    def id(self) -> str:
        """Rule id; also the name of its test and of its fault."""

    @property
    def dataset(self) -> str:
        """Public dataset, such as mbp_quotes."""

    @property
    def test(self) -> str:
        """dbt test that checks the rule, such as not_null."""

    @property
    def columns(self) -> Sequence[str]:
        """Columns that the rule reads; the first one is the one it is about."""

    @property
    def arguments(self) -> Mapping[str, Any]:
        """Arguments of the dbt test."""


@dataclass(frozen=True)
class Fault:
    """One fault.

    Attributes:
        rule_id: the rule that must find it.
        description: what is wrong, for a person.
        tables: raw tables that it changes; none for a fault of the marts.
        change: makes the fault in the raw tables.
        statements: SQL to run after the models were built; names such as marts.mbp_quotes, valid on
            DuckDB and PostgreSQL. No raw log can produce what they do.
        rows: how many rows break the rule; two where they are the same.
    """

    rule_id: str
    description: str
    tables: tuple[str, ...] = ()
    change: Change | None = field(default=None, repr=False)
    statements: tuple[str, ...] = ()
    rows: int = 1

    @property
    def stage(self) -> Stage:
        """`raw`: in the change logs; `mart`: in the built marts."""
        return "mart" if self.statements else "raw"

    def apply(self, world: RawWorld) -> None:
        """Changes the raw tables of `world` in place; tables not in `tables` stay the same."""
        if self.change is None:
            return
        editor = Editor(world)
        self.change(editor)
        editor.save()
