"""contracts/a110/documents.yaml: sections, programs and the age of a review, in one place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from jsonschema import Draft201909Validator

from mbp.contracts.policy import TEXT, closed
from mbp.core.paths import shown
from mbp.core.schema_check import check
from mbp.core.yaml_io import load

FILE = "contracts/a110/documents.yaml"
Kind = Literal["adr", "runbook", "plan"]
KINDS: tuple[Kind, ...] = get_args(Kind)
TITLES = {"type": "array", "minItems": 1, "uniqueItems": True, "items": TEXT}
SCHEMA = closed(
    {
        "version": {"const": 1},
        "review_within_days": {"type": "integer", "minimum": 1},
        "sections": closed(dict.fromkeys(KINDS, TITLES)),
        "programs": {"type": "object", "additionalProperties": TEXT},
    }
)


@dataclass(frozen=True)
class DocumentPolicy:
    """What documents are held to.

    Attributes:
        review_within_days: age of the date of a runbook or a plan from which on it is overdue.
        sections: kind -> headings that it must have, in order.
        programs: beside mbp, what a document may call, with the reason.
    """

    review_within_days: int
    sections: Mapping[str, tuple[str, ...]]
    programs: Mapping[str, str]


def load_document_policy(root: Path) -> DocumentPolicy:
    """Reads the policy.

    Raises:
        MbpError: missing, or not of its schema.
    """
    path = shown(root / FILE, root)
    value = check(load(root / FILE, shown_as=path), Draft201909Validator(SCHEMA), path)
    return DocumentPolicy(
        value["review_within_days"],
        {kind: tuple(titles) for kind, titles in value["sections"].items()},
        value["programs"],
    )
