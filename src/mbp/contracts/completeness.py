"""What makes a pack complete, as judgements on plain values: `status` and `lint` both go by these."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import date, timedelta

from mbp.contracts.policy import FamilyException, Policy

COMPLETE_STATUS = "active"
PROMISES = ("freshness", "latency", "completeness", "retention")
NUMBERS = ("number", "integer")


def needs_unit(logical_type: str) -> bool:
    """A value of the type says nothing before one knows what one of it is."""
    return logical_type in NUMBERS


def only_repeats(description: str, name: str) -> bool:
    """The description says no more than the name does."""
    return _letters(description) in {_letters(name), ""}


def _letters(text: str) -> str:
    return "".join(character for character in text.lower() if character.isalnum())


def missing_families(families: Collection[str], dataset: str, policy: Policy) -> Iterator[str]:
    """Families that every dataset must carry, that are not there and not excepted."""
    for family in policy.required_families:
        if family not in families and not policy.excepted(dataset, family):
            yield family


def ended_exceptions(
    families: Collection[str], dataset: str, policy: Policy
) -> Iterator[FamilyException]:
    """Exceptions of the dataset for families that it carries by now."""
    for exception in policy.exceptions:
        if exception.dataset == dataset and exception.family in families:
            yield exception


def furthest_expiry(policy: Policy, today: date) -> date:
    """The last day on which a warning may end."""
    return today + timedelta(days=policy.max_days_ahead)
