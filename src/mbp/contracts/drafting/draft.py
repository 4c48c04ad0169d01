"""A draft of a contract as plain values, and its text as ODCS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mbp.contracts.contract_faults import API_VERSION
from mbp.contracts.lint.check_columns import names_a_person
from mbp.contracts.lint.check_contract import TODO
from mbp.contracts.reading import ENGINES, PLAIN_NAME, TYPE_NAME, engine_types
from mbp.contracts.rendering.yaml_text import flow, yaml_text
from mbp.contracts.rules import families_of_options
from mbp.core.templates import templates

# Type of an engine without its length -> logical type of ODCS; anything else is text.
LOGICAL = {
    **dict.fromkeys(("bigint", "integer", "smallint", "tinyint", "hugeint"), "integer"),
    **dict.fromkeys(("ubigint", "uinteger", "usmallint", "utinyint"), "integer"),
    **dict.fromkeys(("decimal", "numeric", "double", "float", "real"), "number"),
    "boolean": "boolean",
    "date": "date",
    **dict.fromkeys(("timestamp", "timestamptz"), "timestamp"),
}
SAME = {
    "varchar": "string",
    "text": "string",
    "character varying": "string",
    "double precision": "double",
    "timestamp with time zone": "timestamptz",
    "timestamp without time zone": "timestamp",
}


@dataclass(frozen=True)
class DraftColumn:
    """What is known of a column.

    Attributes:
        type: as an engine writes it.
        values: a closed list, of a test that accepts no other.
        reference: `dataset.column`.
        options: logicalTypeOptions with a reason each.
        seen: what its values are now, as a comment.
    """

    name: str
    type: str
    description: str = ""
    required: bool = False
    unique: bool = False
    key: bool = False
    values: Sequence[Any] = ()
    reference: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    seen: str = ""


@dataclass(frozen=True)
class Draft:
    """What is known of a dataset.

    Attributes:
        origin: what it was made of, for the first line.
        kind: table or view.
        relation: its name in the warehouse, where that is known.
        log: the change log that it is the latest state of.
        levels: its service levels; retention alone without them.
    """

    dataset: str
    columns: Sequence[DraftColumn]
    origin: str
    description: str = ""
    servers: Sequence[Mapping[str, Any]] = ()
    kind: str = "table"
    relation: str | None = None
    log: Mapping[str, str] | None = None
    levels: Sequence[Mapping[str, Any]] = ()


def problems(draft: Draft) -> list[str]:
    """Why no contract can be made of it; empty when one can."""
    facts = []
    if not draft.columns:
        facts.append("it has no columns")
    if draft.relation not in (None, draft.dataset):
        facts.append(f"its table has another name: {draft.relation}")
    for name in (draft.dataset, *(column.name for column in draft.columns)):
        if not PLAIN_NAME.fullmatch(name):
            facts.append(f"{name!r} is not a lower-case name of letters, digits and _")
    facts += [
        f"the type {column.type} of {column.name} is not one of a contract"
        for column in draft.columns
        if not TYPE_NAME.fullmatch(physical_type(column.type))
    ]
    if draft.columns and sum(column.key for column in draft.columns) != 1:
        facts.append("no column identifies a row: unique and never empty")
    return facts


def physical_type(text: str) -> str:
    """The type as contracts write it, where they have a word for it."""
    lower = text.strip().lower()
    if lower.startswith("numeric"):
        lower = lower.replace("numeric", "decimal", 1)
    if lower.startswith(("varchar(", "character varying(")):
        lower = "varchar"
    return SAME.get(lower, lower)


def logical_type(physical: str) -> str:
    """The logical type of ODCS."""
    return LOGICAL.get(physical.partition("(")[0].strip(), "string")


def contract_text(draft: Draft, *, project: str, owner: str, channel: str) -> str:
    """The contract as YAML, with what its values are now as comments."""
    key = next((column.name for column in draft.columns if column.key), None)
    environment = templates("mbp.contracts")
    environment.filters.update(
        yaml=flow,
        block=lambda value: yaml_text(value).rstrip("\n"),
        physical_type=physical_type,
        logical_type=logical_type,
        engine_types=engine_types,
        names_a_person=names_a_person,
        families=families_of_options,
    )
    return environment.get_template("contract.yaml.j2").render(
        draft=draft,
        grain=f"One row per {key}" if key else f"{TODO}: what one row is",
        project=project,
        owner=owner,
        channel=channel,
        todo=TODO,
        engines=ENGINES,
        api_version=API_VERSION,
    )
