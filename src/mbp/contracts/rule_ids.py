"""Ids of derived rules. A published id belongs to its column and family for good; a newcomer takes another one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import count

from mbp.contracts.model import Rule

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
