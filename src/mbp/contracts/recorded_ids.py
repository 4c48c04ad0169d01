"""The rule ids that published versions have recorded: who was first is a fact of the registry."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mbp.contracts.contract_file import ContractFile
from mbp.contracts.document_node import DocumentNode
from mbp.contracts.model import Contract
from mbp.contracts.published_versions import Published, datasets, newest, published
from mbp.contracts.reading import contract_of
from mbp.contracts.rule_ids import origin_of
from mbp.contracts.rules import derived_rules

KEY = "rule_ids"


def recorded_ids(root: Path) -> dict[tuple[str, str], str]:
    """(dataset, what the rule follows from) -> id, over all published datasets.

    Raises:
        MbpError: a version that cannot be read.
    """
    heads = (newest(published(root, dataset)) for dataset in datasets(root))
    return {
        (head.dataset, origin): str(rule_id)
        for head in heads
        if head
        for origin, rule_id in _of(head).items()
    }


def to_record(contract: Contract, parent: Published | None) -> dict[str, str]:
    """What a new version records: all that its parent knew, and the ids of its derived rules."""
    own = {origin_of(rule): rule.id for rule in contract.rules if rule.origin == "derived"}
    return {**(_of(parent) if parent else {}), **own}


def _of(head: Published) -> Mapping[str, Any]:
    """Before versions recorded ids, the first foreign key of a contract was called `<dataset>_fk`."""
    if KEY in head.document:
        recorded: Mapping[str, Any] = head.document[KEY]
        return recorded
    file = ContractFile(DocumentNode.root(head.contract, head.path))
    rules = derived_rules(contract_of(file), None)
    ids = {origin_of(rule): rule.id for rule in rules}
    first = next((origin_of(rule) for rule in rules if rule.family == "foreign_key"), None)
    return ids if first is None else {**ids, first: f"{head.dataset}_fk"}
