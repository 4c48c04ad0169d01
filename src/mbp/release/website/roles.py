"""Who reads the site: the roles, and the way of each through it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from jsonschema import Draft201909Validator

from mbp.contracts.policy import TEXT, closed
from mbp.core.schema_check import check
from mbp.core.yaml_io import load

FILE = Path(__file__).parent / "roles.yaml"
STEP = closed(
    {"told": TEXT, "page": TEXT, "doc": TEXT, "command": TEXT}, optional=("page", "doc", "command")
)
SCHEMA = closed(
    {
        "version": {"const": 1},
        "roles": {
            "type": "array",
            "minItems": 1,
            "items": closed(
                {
                    "id": {"type": "string", "pattern": "^[a-z_]+$"},
                    "title": TEXT,
                    "question": TEXT,
                    "steps": {
                        "type": "array",
                        "minItems": 1,
                        "items": {**STEP, "minProperties": 2, "maxProperties": 2},
                    },
                }
            ),
        },
    }
)


@dataclass(frozen=True)
class RoleStep:
    """One thing that a role looks at: a page of the site, a document, or a command."""

    told: str
    page: str = ""
    doc: str = ""
    command: str = ""


@dataclass(frozen=True)
class SiteRole:
    """One kind of reader."""

    id: str
    title: str
    question: str
    steps: tuple[RoleStep, ...]


def load_roles() -> list[SiteRole]:
    """The roles in the order of the file.

    Raises:
        MbpError: the file is missing or not of the schema.
    """
    value = check(load(FILE, shown_as=FILE.name), Draft201909Validator(SCHEMA), FILE.name)
    return [
        SiteRole(
            one["id"],
            one["title"],
            one["question"],
            tuple(RoleStep(**step) for step in one["steps"]),
        )
        for one in value["roles"]
    ]
