"""Rules that the loaded rows cannot show: they read something that none of their sources has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from mbp.ingest.loading.loaded_facts import SourceFacts


class ReadingRule(Protocol):
    """The part of a contract rule that says what it reads."""

    @property
    def id(self) -> str: ...
    @property
    def dataset(self) -> str: ...
    @property
    def columns(self) -> Sequence[str]: ...


def not_measurable(rules: Sequence[ReadingRule], facts: SourceFacts) -> dict[str, str]:
    """Rule id -> reason, for every rule that the loaded rows cannot show.

    Args:
        rules: their columns are names of the rule's dataset, or `dataset.column` of another one.
        facts: what none of the loaded sources has.
    """
    reasons: dict[str, str] = {}
    for rule in rules:
        reason = facts.rules.get(rule.id) or _missing(rule, facts)
        if reason:
            reasons[rule.id] = reason
    return reasons


def _missing(rule: ReadingRule, facts: SourceFacts) -> str | None:
    """The first thing that the rule reads and the source does not have, with the reason."""
    if rule.dataset in facts.datasets:
        return f"no {rule.dataset}: {facts.datasets[rule.dataset]}"
    for column in rule.columns:
        dataset, _, name = column.rpartition(".")
        dataset = dataset or rule.dataset
        if dataset in facts.datasets:
            return f"no {dataset}: {facts.datasets[dataset]}"
        if name in facts.columns.get(dataset, {}):
            shown = name if dataset == rule.dataset else f"{dataset}.{name}"
            return f"no {shown}: {facts.columns[dataset][name]}"
    return None
