"""The A89 policy: what every contract must carry and what the checks hold it to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

from mbp.contracts.exceptions import AllowedException, demand_known
from mbp.core.errors import MbpError
from mbp.core.forms import (
    SOME,
    SOME_KEYS,
    Above0,
    Narrowed,
    Percent,
    Positive,
    Version,
    form_of,
    schema_of,
)
from mbp.core.schema_check import did_you_mean, violations, wrong_at
from mbp.core.yaml_io import line_of, loads, read

POLICY = "contracts/a89/policy.yaml"
Dimension = Literal[
    "accuracy",
    "completeness",
    "conformity",
    "consistency",
    "coverage",
    "timeliness",
    "uniqueness",
]
Days = Annotated[int, Narrowed(minimum=3)]
# Projects (and copies of them) whose files are kept as read, by their content.
KEPT = 8
# Code of an exception for a node of dbt, or a rule, that a run need not cover to count for the whole project.
NOT_DEMANDED = "not_demanded"


@dataclass(frozen=True)
class Warnings:
    """What a rule that only warns must say; it may not expire later than that many days from today."""

    expiry_required: bool
    max_days_ahead: Positive


@dataclass(frozen=True)
class Documentation:
    """The share of columns and relations that are described."""

    threshold_percent: Percent


@dataclass(frozen=True)
class MonitorParameters:
    """Parameters of the models that watch results and arrivals."""

    rule_max_age_hours: Positive
    pass_rate_days: Positive
    window_days: Days
    minimum_days: Days
    robust_z_threshold: Above0
    smallest_scale_percent: Annotated[float, Narrowed(minimum=0)]


@dataclass(frozen=True)
class RuleFamily:
    """A kind of rule: its quality dimension and what it means.

    Attributes:
        nightly_because: why a daily run does not judge it; None when it does.
        judges: `row`: one row at a time, or all rows of one key.
    """

    dimension: Dimension
    meaning: str
    cadence: Literal["daily", "nightly"]
    nightly_because: str | None = None
    judges: Literal["row"] | None = None


@dataclass(frozen=True)
class Owner:
    """A team: its name for people, and where it is reached."""

    name: str
    channel: str


@dataclass(frozen=True)
class Policy:
    """The whole file.

    Attributes:
        exceptions: of datasets from families, and of what a run need not cover (`NOT_DEMANDED`).
    """

    version: Version
    severities: Annotated[tuple[Literal["error", "warning"], ...], SOME]
    warnings: Warnings
    documentation: Documentation
    monitor: MonitorParameters
    families: Annotated[Mapping[str, RuleFamily], SOME_KEYS]
    required_families: Annotated[tuple[str, ...], SOME]
    owners: Annotated[Mapping[str, Owner], SOME_KEYS]
    exceptions: tuple[AllowedException, ...] = ()

    def excused(self, today: date) -> dict[str, str]:
        """Nodes and rules that a run need not cover on that day -> why."""
        return {
            entry.object: entry.reason
            for entry in self.exceptions
            if entry.code == NOT_DEMANDED and not entry.expired(today)
        }

    @property
    def family_exceptions(self) -> tuple[AllowedException, ...]:
        """Those that free a dataset of a family."""
        return tuple(entry for entry in self.exceptions if entry.code != NOT_DEMANDED)

    @property
    def nightly(self) -> dict[str, str]:
        """Families that only the full verification judges -> why."""
        return {
            name: family.nightly_because
            for name, family in self.families.items()
            if family.nightly_because is not None
        }

    def excepted(self, dataset: str, family: str) -> bool:
        """An exception frees the dataset of the family."""
        return any(entry.key == (family, dataset) for entry in self.exceptions)

    def check_owner(self, owner: str, path: str, line: int | None) -> str:
        """`owner`, when the policy knows the team.

        Raises:
            MbpError: it does not.
        """
        if owner not in self.owners:
            fix = did_you_mean(owner, self.owners)
            raise MbpError(f"unknown owner {owner!r}", path=path, line=line, fix=fix)
        return owner


def load_policy(root: Path) -> Policy:
    """Reads contracts/a89/policy.yaml.

    Raises:
        MbpError: missing, unreadable, not of the schema, or a family that is not defined.
    """
    return policy_of(read(root / POLICY, shown_as=POLICY))


@lru_cache(maxsize=KEPT)
def policy_of(text: str) -> Policy:
    """The policy in a text; kept, because reading YAML with places is slow and every command asks often.

    Raises:
        MbpError: not of the schema, a family that is not defined, or one that is nightly without a reason.
    """
    document = loads(text, shown_as=POLICY)
    policy = form_of(Policy, document, POLICY)
    for name, family in policy.families.items():
        reason = family.nightly_because
        if (family.cadence == "nightly") != (reason is not None):
            raise MbpError(
                f"the family {name} is {family.cadence} and has {'a' if reason else 'no'} nightly_because",
                path=POLICY,
                line=line_of(document["families"], name),
                fix="say why a rule is nightly, and only then",
            )
    for index, name in enumerate(policy.required_families):
        if name not in policy.families:
            fix, node = did_you_mean(name, policy.families), document["required_families"]
            raise wrong_at(node, index, POLICY, f"unknown family {name!r}", fix)
    demand_known(policy.exceptions, policy.owners, (*policy.families, NOT_DEMANDED))
    return policy


def policy_violations(text: str) -> list[MbpError]:
    """Everything in which a text does not follow the schema of the policy."""
    return [
        MbpError(violation.what, path=POLICY, line=violation.line, fix=violation.fix)
        for violation in violations(loads(text, shown_as=POLICY), schema_of(Policy))
    ]
