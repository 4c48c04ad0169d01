"""contracts/registry/policy.yaml and exceptions.yaml: how compatible versions stay, and what was agreed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mbp.contracts.compatibility.shape import ReaderPolicy as Columns
from mbp.contracts.exceptions import (
    LIST,
    AllowedException,
    demand_objects,
    read_exceptions,
    refuse_old_keys,
)
from mbp.contracts.exceptions import SCHEMA as ENTRIES
from mbp.contracts.policy import Policy as QualityPolicy
from mbp.core.schema_check import TEXT, check, closed, did_you_mean, read_form, wrong_at
from mbp.core.yaml_io import load

POLICY = "contracts/registry/policy.yaml"
EXCEPTIONS = "contracts/registry/exceptions.yaml"
MODES = (
    "BACKWARD",
    "BACKWARD_TRANSITIVE",
    "FORWARD",
    "FORWARD_TRANSITIVE",
    "FULL",
    "FULL_TRANSITIVE",
)
CHOICE = {"mode": {"enum": list(MODES)}, "columns": {"enum": ["by_name", "by_position"]}}
POLICY_SCHEMA = closed(
    {
        "version": {"const": 1},
        "default": closed(CHOICE),
        "datasets": {
            "type": "object",
            "additionalProperties": closed(
                {**CHOICE, "reason": TEXT}, optional=("mode", "columns")
            ),
        },
    }
)
EXCEPTIONS_SCHEMA = closed({"version": {"const": 1}, LIST: ENTRIES})
# Of a change, as `mbp contracts check` prints it: the code of an exception; its object is the dataset.
FINGERPRINT = {"type": "string", "pattern": "^[0-9a-f]{16}$"}


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
    document, value = read_form(root, POLICY, POLICY_SCHEMA)
    for dataset in value["datasets"]:
        if dataset not in datasets:
            fix, what = did_you_mean(dataset, datasets), f"unknown dataset {dataset!r}"
            raise wrong_at(document["datasets"], dataset, POLICY, what, fix)
    ruleses: dict[str, Rules] = {}
    for dataset in datasets:
        chosen = {**value["default"], **value["datasets"].get(dataset, {})}
        ruleses[dataset] = Rules(chosen["mode"], Columns(chosen["columns"] == "by_position"))
    return ruleses


def load_exceptions(
    root: Path, datasets: Sequence[str], quality: QualityPolicy
) -> tuple[AllowedException, ...]:
    """Changes that may break their readers, expired exceptions included.

    Raises:
        MbpError: the file is missing or wrong, or names an unknown dataset or owner.
    """
    document = load(root / EXCEPTIONS, shown_as=EXCEPTIONS)
    refuse_old_keys(document, EXCEPTIONS, {"exemptions": LIST})
    check(document, EXCEPTIONS_SCHEMA, EXCEPTIONS)
    entries = read_exceptions(
        document[LIST], EXCEPTIONS, quality.owners, more={"code": FINGERPRINT}
    )
    demand_objects(entries, datasets)
    return entries
