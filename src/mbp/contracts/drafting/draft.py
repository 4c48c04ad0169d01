"""A draft of a contract as plain values, and its text as ODCS."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mbp.contracts.contract_faults import API_VERSION
from mbp.contracts.engine_types import ENGINES, engine_types
from mbp.contracts.lint.check_columns import names_a_person
from mbp.contracts.lint.check_contract import TODO
from mbp.contracts.reading import PLAIN_NAME, TYPE_NAME
from mbp.contracts.rendering.yaml_text import yaml_text

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
    dataset = draft.dataset
    purpose = draft.description or f"{TODO}: what {dataset} is for."
    document: dict[str, Any] = {
        "apiVersion": API_VERSION,
        "kind": "DataContract",
        "id": f"urn:{project}:datacontract:{dataset}",
        "name": dataset.replace("_", " ").capitalize(),
        "version": "1.0.0",
        "status": "draft",
        "domain": project,
        "description": {
            "purpose": purpose,
            "usage": f"{TODO}: who uses it, and what for.",
            "limitations": f"{TODO}: what it cannot show.",
        },
        "team": {"name": owner},
        "support": [{"channel": channel, "tool": "slack"}],
    }
    if draft.log:
        document["customProperties"] = [{"property": "changeLog", "value": dict(draft.log)}]
    if draft.servers:
        document["servers"] = [dict(server) for server in draft.servers]
    document["schema"] = [
        {
            "name": dataset,
            "physicalName": dataset,
            "physicalType": draft.kind,
            "logicalType": "object",
            "description": purpose,
            "dataGranularityDescription": _grain(draft),
            "properties": [_property(column, dataset, owner) for column in draft.columns],
            "quality": [
                _rule(
                    f"{dataset}_volume",
                    {"metric": "rowCount", "mustBeGreaterOrEqualTo": 1},
                    ("completeness", "volume", owner),
                    "The dataset is not empty.",
                    {"reason": "A check of nothing proves nothing.", "columns": []},
                )
            ],
        }
    ]
    document["slaProperties"] = [dict(level) for level in draft.levels] or [
        {
            "id": "retention",
            "property": "retention",
            "value": 1,
            "unit": "y",
            "element": dataset,
            "description": f"{TODO}: how long rows are kept, and why.",
        }
    ]
    head = f"# A draft of {draft.origin}. Write what is marked {TODO}, then set status: active.\n"
    return head + "".join(_commented(yaml_text(document), draft))


def _grain(draft: Draft) -> str:
    key = next((column.name for column in draft.columns if column.key), None)
    return f"One row per {key}" if key else f"{TODO}: what one row is"


def _property(column: DraftColumn, dataset: str, owner: str) -> dict[str, Any]:
    physical = physical_type(column.type)
    logical = logical_type(physical)
    entry: dict[str, Any] = {
        "name": column.name,
        "description": column.description or f"{TODO}: what {column.name} means.",
        "logicalType": logical,
        "physicalType": physical,
    }
    if column.required or column.key:
        entry["required"] = True
    if column.key:
        entry |= {"primaryKey": True, "primaryKeyPosition": 1}
    if column.unique or column.key:
        entry["unique"] = True
    custom: list[dict[str, Any]] = []
    personal = names_a_person(column.name) and not column.name.endswith("_id")
    entry["classification"] = "confidential" if personal else "internal"
    if personal:
        why = f"{TODO}: who needs it, and what for."
        custom.append({"property": "classificationReason", "value": why})
    options = dict(column.options)
    if options:
        entry["logicalTypeOptions"] = options
        custom.append({"property": "ruleReasons", "value": _reasons(options)})
    if column.reference:
        entry["relationships"] = [{"type": "foreignKey", "to": column.reference}]
    if column.values:
        entry["quality"] = [
            _rule(
                f"{dataset}_{column.name}_accepted_values",
                {
                    "metric": "invalidValues",
                    "arguments": {"validValues": list(column.values)},
                    "mustBe": 0,
                },
                ("conformity", "accepted_values", owner),
                f"Every {column.name} is one of the list.",
                {},
            )
        ]
    if not engine_types(physical):
        types = dict.fromkeys(ENGINES, physical)
        custom.append({"property": "physicalTypes", "value": types})
    if custom:
        entry["customProperties"] = custom
    return entry


def _reasons(options: Mapping[str, Any]) -> dict[str, str]:
    from mbp.contracts.rules import families_of_options

    return dict.fromkeys(families_of_options(options), f"{TODO}: why this limit.")


def _rule(
    rule_id: str,
    body: Mapping[str, Any],
    place: tuple[str, str, str],
    description: str,
    more: Mapping[str, Any],
) -> dict[str, Any]:
    dimension, family, owner = place
    custom = {"owner": owner, "family": family, **more}
    return {
        "id": rule_id,
        "type": "library",
        **body,
        "dimension": dimension,
        "severity": "error",
        "description": description,
        "customProperties": [{"property": key, "value": value} for key, value in custom.items()],
    }


def _commented(text: str, draft: Draft) -> Iterator[str]:
    """The lines, with a comment above each column whose values were read."""
    seen = {f"- name: {column.name}\n": column.seen for column in draft.columns if column.seen}
    for line in text.splitlines(keepends=True):
        comment = seen.pop(line.lstrip(), None) if line.startswith("      - name: ") else None
        if comment:
            yield f"      # {' '.join(comment.split())}\n"
        yield line
