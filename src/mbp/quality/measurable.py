"""Rules that a loaded source cannot show: they read a column that the source does not have."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol


class ReadingRule(Protocol):
    """The part of a contract rule that says what it reads."""

    @property
    def id(self) -> str: ...
    @property
    def dataset(self) -> str: ...
    @property
    def columns(self) -> Sequence[str]: ...


def not_measurable(
    rules: Sequence[ReadingRule], absent: Mapping[str, Collection[str]]
) -> dict[str, str]:
    """Rule id -> reason, for every rule that reads an absent column.

    Args:
        rules: their columns are names of the rule's dataset, or `dataset.column` of another one.
        absent: public dataset -> columns that the loaded source does not have.
    """
    reasons: dict[str, str] = {}
    for rule in rules:
        missing: list[str] = []
        for column in rule.columns:
            dataset, _, name = column.rpartition(".")
            dataset = dataset or rule.dataset
            if name in absent.get(dataset, ()):
                missing.append(name if dataset == rule.dataset else f"{dataset}.{name}")
        if missing:
            reasons[rule.id] = f"the source has no {', '.join(sorted(missing))}"
    return reasons
