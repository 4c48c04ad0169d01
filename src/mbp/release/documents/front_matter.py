"""The YAML between the first two `---` lines of a document: its schema, and its values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mbp.core.errors import MbpError
from mbp.core.schema_check import TEXT, closed
from mbp.core.yaml_io import loads
from mbp.release.documents.document_policy import Kind

FENCE = "---"
DAY = {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}
DECISION_ID = {"type": "string", "pattern": "^ADR-[0-9]{3}$"}
NAME = {"type": "string", "pattern": "^[a-z][a-z0-9_]*$"}
DECISION_STATES = ("proposed", "accepted", "superseded", "rejected")
RUNBOOK_STATES = ("draft", "active", "retired")


def _list(items: Mapping[str, Any], *, least: int = 0) -> dict[str, Any]:
    return {"type": "array", "minItems": least, "uniqueItems": True, "items": dict(items)}


_COMMON: dict[str, Any] = {"title": TEXT, "date": DAY, "owners": _list(TEXT, least=1)}
SCHEMAS: Mapping[Kind, Mapping[str, Any]] = {
    "adr": closed(
        {
            **_COMMON,
            "id": DECISION_ID,
            "status": {"enum": list(DECISION_STATES)},
            "watchers": _list(NAME),
            "supersedes": _list(DECISION_ID),
            "superseded_by": _list(DECISION_ID),
        },
        optional=("supersedes", "superseded_by"),
    ),
    "runbook": closed(
        {
            **_COMMON,
            "id": NAME,
            "status": {"enum": list(RUNBOOK_STATES)},
            "watchers": _list(NAME),
            "hooks": _list(NAME),
            "alarms": _list(NAME),
        },
        optional=("alarms",),
    ),
    "plan": closed(
        {
            **_COMMON,
            "id": NAME,
            "status": {"enum": list(DECISION_STATES)},
            "watchers": _list(NAME),
        },
        optional=("watchers",),
    ),
}


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
    try:
        # An empty line replaces the first fence: lines are then those of the file.
        front = loads("\n".join(["", *lines[1:end], ""]), shown_as=shown_as)
    except ValueError as error:
        raise MbpError(f"not valid YAML: {error}", path=shown_as, line=1, fix=fix) from error
    if not isinstance(front, dict):
        raise MbpError("the front matter is not a mapping", path=shown_as, line=1, fix=fix)
    return front, end + 1
