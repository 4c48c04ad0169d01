"""What a reviewer asks of a change: who reads the column, which rows break it, whether masking ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mbp.contracts.compatibility.change_codes import CATALOGUE
from mbp.contracts.compatibility.change_model import Change, SchemaNode


@dataclass(frozen=True)
class Impact:
    """The effect of one change.

    Attributes:
        readers: `metric depth` and the like; None where nothing is known of them.
        notes: other facts, as sentences without a full stop.
        row: one that the change makes invalid, classified values masked; empty where there is none.
    """

    readers: tuple[str, ...] | None = ()
    notes: tuple[str, ...] = ()
    row: Mapping[str, Any] = field(default_factory=dict)


# (dataset, fingerprint of the change) -> its effect.
Impacts = Mapping[tuple[str, str], Impact]


def changed_columns(change: Change, table: SchemaNode | None) -> frozenset[str] | None:
    """The columns of the dataset that the change is about; None means all of it.

    Documentation and classification change no value.

    Args:
        table: the dataset in the new contract.
    """
    if CATALOGUE[change.code].kind == "documentation" or change.code.startswith("classification_"):
        return frozenset()
    known = {child.name for child in table.children} if table is not None else set[str]()
    _, _, rest = change.path.partition(".")
    named = {name for name in known if rest == name or rest.startswith((f"{name}.", f"{name}["))}
    if rest.startswith("quality."):
        named = _of_rule(rest.split(".")[1], table) & known
    elif change.code == "column_removed":
        named = {rest}
    elif not named:
        listed = [value for value in (change.old, change.new) if isinstance(value, list)]
        named = {str(item) for value in listed for item in value} & known
    return frozenset(named) or None


def _of_rule(rule_id: str, table: SchemaNode | None) -> set[str]:
    """The columns that a rule of the dataset says it reads."""
    return {
        str(name)
        for rule in (table.raw.get("quality") if table is not None else None) or ()
        if str(rule.get("id")) == rule_id
        for item in rule.get("customProperties") or ()
        if item.get("property") == "columns" and isinstance(item.get("value"), list)
        for name in item["value"]
    }
