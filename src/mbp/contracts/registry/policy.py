"""contracts/registry/policy.yaml and exemptions.yaml: how compatible versions stay, and what was agreed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from jsonschema import Draft201909Validator

from mbp.contracts.compatibility.shape import Policy as Columns
from mbp.contracts.policy import Policy as QualityPolicy
from mbp.contracts.policy import closed
from mbp.core.errors import MbpError
from mbp.core.paths import shown
from mbp.core.schema_check import check, did_you_mean
from mbp.core.yaml_io import line_of, load

POLICY = "contracts/registry/policy.yaml"
EXEMPTIONS = "contracts/registry/exemptions.yaml"
MODES = (
    "BACKWARD",
    "BACKWARD_TRANSITIVE",
    "FORWARD",
    "FORWARD_TRANSITIVE",
    "FULL",
    "FULL_TRANSITIVE",
)
TEXT = {"type": "string", "minLength": 1}
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
EXEMPTIONS_SCHEMA = closed(
    {
        "version": {"const": 1},
        "exemptions": {
            "type": "array",
            "items": closed(
                {
                    "fingerprint": {"type": "string", "pattern": "^[0-9a-f]{16}$"},
                    "dataset": TEXT,
                    "owner": TEXT,
                    "reason": TEXT,
                    "expires": {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"},
                }
            ),
        },
    }
)


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


@dataclass(frozen=True)
class Exemption:
    """One change that may break, until a day."""

    fingerprint: str
    dataset: str
    owner: str
    reason: str
    expires: date
    line: int | None


def load_rules(root: Path, datasets: Sequence[str]) -> Mapping[str, Rules]:
    """Dataset -> its rules.

    Raises:
        MbpError: the policy is missing or wrong, or names a dataset that is not there.
    """
    name = shown(root / POLICY, root)
    document = load(root / POLICY, shown_as=name)
    value = check(document, Draft201909Validator(POLICY_SCHEMA), name)
    for dataset in value["datasets"]:
        if dataset not in datasets:
            raise MbpError(
                f"unknown dataset {dataset!r}",
                path=name,
                line=line_of(document["datasets"], dataset),
                cure=did_you_mean(dataset, datasets),
            )
    found: dict[str, Rules] = {}
    for dataset in datasets:
        chosen = {**value["default"], **value["datasets"].get(dataset, {})}
        found[dataset] = Rules(chosen["mode"], Columns(chosen["columns"] == "by_position"))
    return found


def load_exemptions(root: Path, datasets: Sequence[str], quality: QualityPolicy) -> list[Exemption]:
    """Every exemption, expired ones included: whoever asks must say so.

    Raises:
        MbpError: the file is missing or wrong, or names an unknown dataset or owner.
    """
    name = shown(root / EXEMPTIONS, root)
    document = load(root / EXEMPTIONS, shown_as=name)
    value = check(document, Draft201909Validator(EXEMPTIONS_SCHEMA), name)
    found: dict[str, Exemption] = {}
    for index, entry in enumerate(value["exemptions"]):
        line = line_of(document["exemptions"][index])
        if entry["dataset"] not in datasets:
            raise MbpError(
                f"unknown dataset {entry['dataset']!r}",
                path=name,
                line=line,
                cure=did_you_mean(entry["dataset"], datasets),
            )
        quality.check_owner(entry["owner"], name, line)
        expires = _day(entry["expires"], name, line)
        if entry["fingerprint"] in found:
            raise MbpError(
                f"the exemption {entry['fingerprint']} stands twice",
                path=name,
                line=line,
                cure="keep one of the two",
            )
        found[entry["fingerprint"]] = Exemption(**{**entry, "expires": expires}, line=line)
    return list(found.values())


def _day(text: Any, path: str, line: int | None) -> date:
    try:
        return date.fromisoformat(str(text))
    except ValueError as error:
        raise MbpError(
            f"expires: {text!r} is no day", path=path, line=line, cure="write YYYY-MM-DD"
        ) from error
