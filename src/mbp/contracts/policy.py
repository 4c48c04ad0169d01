"""The A89 policy: what every contract must carry and what the checks hold it to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path

from mbp.contracts.exceptions import (
    LIST,
    AllowedException,
    read_exceptions,
    refuse_old_keys,
)
from mbp.contracts.exceptions import SCHEMA as EXCEPTIONS
from mbp.core.errors import MbpError
from mbp.core.schema_check import TEXT, check, closed, did_you_mean, violations, wrong_at
from mbp.core.yaml_io import line_of, loads, read

POLICY = "contracts/a89/policy.yaml"
DIMENSIONS = (
    "accuracy",
    "completeness",
    "conformity",
    "consistency",
    "coverage",
    "timeliness",
    "uniqueness",
)
CADENCES = ("daily", "nightly")
# Projects (and copies of them) whose files are kept as read, by their content.
KEPT = 8
# Code of an exception for a node of dbt, or a rule, that a run need not cover to count for the whole project.
NOT_DEMANDED = "not_demanded"


SCHEMA = closed(
    {
        "version": {"const": 1},
        "severities": {
            "type": "array",
            "minItems": 1,
            "items": {"enum": ["error", "warning"]},
        },
        "warnings": closed(
            {
                "expiry_required": {"type": "boolean"},
                "max_days_ahead": {"type": "integer", "minimum": 1},
            }
        ),
        "documentation": closed(
            {"threshold_percent": {"type": "number", "minimum": 0, "maximum": 100}}
        ),
        "monitor": closed(
            {
                "rule_max_age_hours": {"type": "integer", "minimum": 1},
                "pass_rate_days": {"type": "integer", "minimum": 1},
                "window_days": {"type": "integer", "minimum": 3},
                "minimum_days": {"type": "integer", "minimum": 3},
                "robust_z_threshold": {"type": "number", "exclusiveMinimum": 0},
                "smallest_scale_percent": {"type": "number", "minimum": 0},
            }
        ),
        "families": {
            "type": "object",
            "minProperties": 1,
            "additionalProperties": closed(
                {
                    "dimension": {"enum": DIMENSIONS},
                    "meaning": TEXT,
                    "cadence": {"enum": CADENCES},
                    "nightly_because": TEXT,
                    "judges": {"const": "row"},
                },
                optional=("nightly_because", "judges"),
            ),
        },
        "required_families": {"type": "array", "minItems": 1, "items": TEXT},
        LIST: EXCEPTIONS,
        "owners": {
            "type": "object",
            "minProperties": 1,
            "additionalProperties": closed({"name": TEXT, "channel": TEXT}),
        },
    },
    optional=(LIST,),
)


@dataclass(frozen=True)
class RuleFamily:
    """A kind of rule: its quality dimension and what it means.

    Attributes:
        nightly_because: why a daily run does not judge it; None when it does.
        by_row: whether a rule judges one row at a time, or all rows of one key.
    """

    name: str
    dimension: str
    meaning: str
    nightly_because: str | None = None
    by_row: bool = False


@dataclass(frozen=True)
class Policy:
    """The policy as read.

    Attributes:
        max_days_ahead: a warning may not expire later than that many days from today.
        exceptions: of datasets from families, and of what a run need not cover (`NOT_DEMANDED`).
        monitor: parameter -> value, for the models that watch results and arrivals.
        owners: team -> name for people.
    """

    severities: tuple[str, ...]
    expiry_required: bool
    max_days_ahead: int
    documentation_percent: float
    monitor: Mapping[str, float]
    families: Mapping[str, RuleFamily]
    required_families: tuple[str, ...]
    exceptions: tuple[AllowedException, ...]
    owners: Mapping[str, str]
    path: str = POLICY

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
    return policy_of(policy_text(root))


def policy_text(root: Path) -> str:
    """The policy's file.

    Raises:
        MbpError: missing or unreadable.
    """
    return read(root / POLICY, shown_as=POLICY)


@lru_cache(maxsize=KEPT)
def policy_of(text: str) -> Policy:
    """The policy in a text; kept, because reading YAML with places is slow and every command asks often.

    Raises:
        MbpError: not of the schema, a family that is not defined, or one that is nightly without a reason.
    """
    name = POLICY
    document = loads(text, shown_as=name)
    refuse_old_keys(document, name, {NOT_DEMANDED: LIST})
    value = check(document, SCHEMA, name)
    families = {
        family: _family(family, entry, line_of(document["families"], family))
        for family, entry in value["families"].items()
    }
    for index, family in enumerate(value["required_families"]):
        if family not in families:
            fix, node = did_you_mean(family, families), document["required_families"]
            raise wrong_at(node, index, name, f"unknown family {family!r}", fix)
    return Policy(
        severities=tuple(value["severities"]),
        expiry_required=value["warnings"]["expiry_required"],
        max_days_ahead=value["warnings"]["max_days_ahead"],
        documentation_percent=float(value["documentation"]["threshold_percent"]),
        monitor=dict(value["monitor"]),
        families=families,
        required_families=tuple(value["required_families"]),
        exceptions=read_exceptions(
            document.get(LIST, ()), name, value["owners"], codes=(*families, NOT_DEMANDED)
        ),
        owners={team: entry["name"] for team, entry in value["owners"].items()},
        path=name,
    )


def policy_violations(text: str) -> list[MbpError]:
    """Everything in which a text does not follow the schema of the policy."""
    return [
        MbpError(violation.what, path=POLICY, line=violation.line, fix=violation.fix)
        for violation in violations(loads(text, shown_as=POLICY), SCHEMA)
    ]


def _family(name: str, entry: Mapping[str, str], line: int | None) -> RuleFamily:
    reason = entry.get("nightly_because")
    if (entry["cadence"] == "nightly") != (reason is not None):
        raise MbpError(
            f"the family {name} is {entry['cadence']} and has {'a' if reason else 'no'} nightly_because",
            path=POLICY,
            line=line,
            fix="say why a rule is nightly, and only then",
        )
    return RuleFamily(
        name,
        entry["dimension"],
        entry["meaning"].strip(),
        reason and reason.strip(),
        "judges" in entry,
    )
