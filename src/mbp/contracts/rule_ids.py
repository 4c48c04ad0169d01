"""Ids of derived rules. A published id belongs to its column and family for good; a newcomer takes another one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import count
from pathlib import Path

from mbp.contracts.model import Contract, Rule
from mbp.contracts.published_versions import Published, datasets, newest_published

# Bytes of a name in PostgreSQL: the table of a test's failing rows is named after its rule.
LONGEST = 63
DIGEST = 8
# (dataset, what the rule follows from) -> id.
Known = Mapping[tuple[str, str], str]


def origin_of(rule: Rule) -> str:
    """`market_id foreign_key`, or `freshness` of a rule of the dataset: what a derived rule follows from."""
    return f"{rule.column} {rule.family}" if rule.column else rule.family


def with_ids(derived: Iterable[Rule], explicit: Iterable[Rule], known: Known) -> Iterator[Rule]:
    """The derived rules under ids that nothing else has.

    Args:
        known: the ids that published versions have recorded.
    """
    taken = {*known.values(), *(rule.id for rule in explicit)}
    for rule in derived:
        published = known.get((rule.dataset, origin_of(rule)))
        rule_id = published or next(each for each in _candidates(rule.id) if each not in taken)
        taken.add(rule_id)
        yield replace(rule, id=rule_id)


def _candidates(rule_id: str) -> Iterator[str]:
    yield _short(rule_id)
    for number in count(2):
        yield _short(f"{rule_id}_{number}")


def _short(rule_id: str) -> str:
    if len(rule_id) <= LONGEST:
        return rule_id
    digest = hashlib.sha256(rule_id.encode()).hexdigest()[:DIGEST]
    return f"{rule_id[: LONGEST - DIGEST - 1]}_{digest}"


KEY = "rule_ids"


def recorded_ids(root: Path) -> dict[tuple[str, str], str]:
    """(dataset, what the rule follows from) -> id, over all published datasets.

    Raises:
        MbpError: a version that cannot be read.
    """
    heads = (newest_published(root, dataset) for dataset in datasets(root))
    return {
        (version.dataset, origin): str(rule_id)
        for version in heads
        if version
        for origin, rule_id in version.document.get(KEY, {}).items()
    }


def to_record(contract: Contract, parent: Published | None) -> dict[str, str]:
    """What a new version records: all that its parent knew, and the ids of its derived rules."""
    own = {origin_of(rule): rule.id for rule in contract.rules if rule.origin == "derived"}
    return {**(parent.document.get(KEY, {}) if parent else {}), **own}
