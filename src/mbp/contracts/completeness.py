"""What makes a contract complete, as judgements on plain values that lint makes findings of."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import date, timedelta

from mbp.contracts.exceptions import AllowedException, exception_findings
from mbp.contracts.model import Rule
from mbp.contracts.policy import Policy
from mbp.contracts.reading import LOGGED_LEVELS
from mbp.core.reporting import Finding

COMPLETE_STATUS = "active"
NUMBERS = ("number", "integer")


def needs_unit(logical_type: str) -> bool:
    """A value of the type says nothing before one knows what one of it is."""
    return logical_type in NUMBERS


def only_repeats(description: str, name: str) -> bool:
    """The description says no more than the name does."""
    return _letters(description) in {_letters(name), ""}


def _letters(text: str) -> str:
    return "".join(character for character in text.lower() if character.isalnum())


def missing_families(
    families: Collection[str], dataset: str, policy: Policy, *, has_log: bool
) -> Iterator[str]:
    """Families that every dataset must carry, that are not there and not excepted; without a log none of a log."""
    for family in policy.required_families:
        if family in LOGGED_LEVELS and not has_log:
            continue
        if family not in families and not policy.excepted(dataset, family):
            yield family


def exception_problems(
    rules: Mapping[str, Collection[Rule]],
    policy: Policy,
    today: date,
    unread: Collection[str] = (),
) -> Iterator[Finding]:
    """Exceptions of the policy that expired, are of no dataset, or are of a family that the dataset carries.

    A rule that only warns is an exception too: `warning` is allowed for the rule, until it expires.

    Args:
        rules: dataset -> its rules.
        unread: datasets whose contract cannot be read: their exceptions count as used.
    """
    entries = policy.family_exceptions
    families = {
        dataset: {rule.family for rule in rules_of_dataset}
        for dataset, rules_of_dataset in rules.items()
    }
    used = {entry.key for entry in entries if entry.code not in families.get(entry.object, ())}
    yield from exception_findings(entries, today, used=used, objects={*families, *unread})
    # Only a manifest knows the nodes: `mbp.runs.artifacts` judges those.
    others = [exception for exception in policy.exceptions if exception not in entries]
    yield from exception_findings(others, today)
    warnings = [
        AllowedException(
            "warning", rule.id, rule.owner, rule.reason or "", rule.expires, rule.path, rule.line
        )
        for rules_of_dataset in rules.values()
        for rule in rules_of_dataset
        if rule.severity == "warning" and rule.expires
    ]
    furthest = today + timedelta(days=policy.max_days_ahead)
    yield from exception_findings(warnings, today, furthest=furthest)
