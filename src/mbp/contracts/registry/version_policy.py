"""contracts/registry/policy.yaml and exceptions.yaml: how compatible versions stay, and what was agreed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from mbp.contracts.compatibility.shape import ReaderPolicy as Columns
from mbp.contracts.exceptions import AllowedException, demand_known, demand_objects
from mbp.contracts.policy import Policy as QualityPolicy
from mbp.core.forms import Narrowed, Version, read_as
from mbp.core.schema_check import did_you_mean, wrong_at

POLICY = "contracts/registry/policy.yaml"
EXCEPTIONS = "contracts/registry/exceptions.yaml"
Mode = Literal[
    "BACKWARD",
    "BACKWARD_TRANSITIVE",
    "FORWARD",
    "FORWARD_TRANSITIVE",
    "FULL",
    "FULL_TRANSITIVE",
]
ColumnOrder = Literal["by_name", "by_position"]


@dataclass(frozen=True)
class Default:
    """How compatible versions stay where a dataset says nothing else."""

    mode: Mode
    columns: ColumnOrder


@dataclass(frozen=True)
class Choice:
    """What a dataset says else, and why."""

    reason: str
    mode: Mode | None = None
    columns: ColumnOrder | None = None


@dataclass(frozen=True)
class PolicyFile:
    """The whole file."""

    version: Version
    default: Default
    datasets: Mapping[str, Choice]


@dataclass(frozen=True)
class ChangeException(AllowedException):
    """Of a change: `code` is its fingerprint, as `mbp contracts check` prints it; `object` is the dataset."""

    code: Annotated[str, Narrowed(pattern="^[0-9a-f]{16}$")]


@dataclass(frozen=True)
class ExceptionsFile:
    """The whole file."""

    version: Version
    exceptions: tuple[ChangeException, ...]


@dataclass(frozen=True)
class Rules:
    """How compatible one dataset's versions stay."""

    mode: str
    columns: Columns

    @property
    def directions(self) -> tuple[str, ...]:
        """Which verdicts must hold."""
        name = self.mode.removesuffix("_TRANSITIVE")
        return ("backward", "forward") if name == "FULL" else (name.lower(),)

    @property
    def transitive(self) -> bool:
        """Against all versions of the subject, not only the latest."""
        return self.mode.endswith("_TRANSITIVE")


def load_rules(root: Path, datasets: Sequence[str]) -> Mapping[str, Rules]:
    """Dataset -> its rules.

    Raises:
        MbpError: the policy is missing or wrong, or names a dataset that is not there.
    """
    document, policy = read_as(PolicyFile, root, POLICY)
    for dataset in policy.datasets:
        if dataset not in datasets:
            fix, what = did_you_mean(dataset, datasets), f"unknown dataset {dataset!r}"
            raise wrong_at(document["datasets"], dataset, POLICY, what, fix)
    default, rules = policy.default, {}
    for dataset in datasets:
        own = policy.datasets.get(dataset, default)
        by_position = (own.columns or default.columns) == "by_position"
        rules[dataset] = Rules(own.mode or default.mode, Columns(by_position))
    return rules


def load_exceptions(
    root: Path, datasets: Sequence[str], quality: QualityPolicy
) -> tuple[AllowedException, ...]:
    """Changes that may break their readers, expired exceptions included.

    Raises:
        MbpError: the file is missing or wrong, or names an unknown dataset or owner.
    """
    _, file = read_as(ExceptionsFile, root, EXCEPTIONS)
    demand_known(file.exceptions, quality.owners)
    demand_objects(file.exceptions, datasets)
    return file.exceptions
