"""The YAML between the first two `---` lines of a document, and what decisions, runbooks and plan are held to.

MkDocs reads front matter too, but takes YAML that it cannot read for no front matter, and knows no lines.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

from jsonschema import Draft201909Validator

from mbp.contracts.policy import TEXT, closed
from mbp.core.errors import MbpError
from mbp.core.schema_check import check
from mbp.core.yaml_io import load, loads

POLICY = "contracts/a110/documents.yaml"
Kind = Literal["adr", "runbook", "plan"]
KINDS: tuple[Kind, ...] = get_args(Kind)
FENCE = "---"
DAY = {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}
DECISION_ID = {"type": "string", "pattern": "^ADR-[0-9]{3}$"}
NAME = {"type": "string", "pattern": "^[a-z][a-z0-9_]*$"}
DECISION_STATES = {"enum": ["proposed", "accepted", "superseded", "rejected"]}
RUNBOOK_STATES = {"enum": ["draft", "active", "retired"]}


def _list(items: Mapping[str, Any], *, least: int = 0) -> dict[str, Any]:
    return {"type": "array", "minItems": least, "uniqueItems": True, "items": dict(items)}


_COMMON = {"title": TEXT, "date": DAY, "owners": _list(TEXT, least=1), "watchers": _list(NAME)}
_ADR = {
    **_COMMON,
    "id": DECISION_ID,
    "status": DECISION_STATES,
    "supersedes": _list(DECISION_ID),
    "superseded_by": _list(DECISION_ID),
}
_RUNBOOK = {
    **_COMMON,
    "id": NAME,
    "status": RUNBOOK_STATES,
    "hooks": _list(NAME),
    "alarms": _list(NAME),
}
_PLAN = {**_COMMON, "id": NAME, "status": DECISION_STATES}
VALIDATORS: Mapping[Kind, Draft201909Validator] = {
    "adr": Draft201909Validator(closed(_ADR, optional=("supersedes", "superseded_by"))),
    "runbook": Draft201909Validator(closed(_RUNBOOK, optional=("alarms",))),
    "plan": Draft201909Validator(closed(_PLAN, optional=("watchers",))),
}
POLICY_SCHEMA = closed(
    {
        "version": {"const": 1},
        "review_within_days": {"type": "integer", "minimum": 1},
        "programs": {"type": "object", "additionalProperties": TEXT},
    }
)


def load_document_policy(root: Path) -> Mapping[str, Any]:
    """`review_within_days` of a runbook or a plan, and `programs`: what a document may call beside mbp -> the reason.

    Raises:
        MbpError: missing, or not of its schema.
    """
    document = load(root / POLICY, shown_as=POLICY)
    policy: Mapping[str, Any] = check(document, Draft201909Validator(POLICY_SCHEMA), POLICY)
    return policy


def split(text: str, shown_as: str) -> tuple[Any, int]:
    """The front matter as `mbp.core.yaml_io` loads it, with the lines of the file; the lines it takes.

    Raises:
        MbpError: there is none, it does not end, it is not a mapping, or it is not YAML.
    """
    lines = text.split("\n")
    fix = "begin the file with --- lines around id, title, status, date, owners"
    if lines[0] != FENCE:
        raise MbpError("no front matter", path=shown_as, line=1, fix=fix)
    if FENCE not in lines[1:]:
        raise MbpError("the front matter does not end", path=shown_as, line=1, fix=fix)
    end = lines.index(FENCE, 1)
    # An empty line replaces the first fence: lines are then those of the file.
    front = loads("\n".join(["", *lines[1:end], ""]), shown_as=shown_as)
    if not isinstance(front, dict):
        raise MbpError("the front matter is not a mapping", path=shown_as, line=1, fix=fix)
    return front, end + 1
