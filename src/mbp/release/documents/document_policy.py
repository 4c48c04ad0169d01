"""contracts/a110/documents.yaml: sections, programs and the age of a review, in one place."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

from mbp.core.schema_check import TEXT, check, closed
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


def load_document_policy(root: Path) -> Mapping[str, Any]:
    """`review_within_days` of a runbook or a plan, `sections` (kind -> headings in order), and `programs` (beside mbp,
    what a document may call -> the reason).

    Raises:
        MbpError: missing, or not of its schema.
    """
    document = load(root / FILE, shown_as=FILE)
    policy: Mapping[str, Any] = check(document, SCHEMA, FILE)
    return policy
