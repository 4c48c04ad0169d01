"""contracts/gates/security.yaml: what the parts demand, and every exception with its reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from jsonschema import Draft201909Validator

from mbp.contracts.policy import TEXT, closed
from mbp.core.errors import MbpError
from mbp.core.paths import shown
from mbp.core.schema_check import check
from mbp.core.yaml_io import line_of, load

POLICY = "contracts/gates/security.yaml"
SEVERITIES = ("low", "medium", "high")
ATTRIBUTES = ("LOGIN", "SUPERUSER", "CREATEROLE", "CREATEDB", "REPLICATION", "BYPASSRLS")
RELATION_PRIVILEGES = (
    "SELECT",
    "INSERT",
    "UPDATE",
    "DELETE",
    "TRUNCATE",
    "REFERENCES",
    "TRIGGER",
    "MAINTAIN",
)
DAY = {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$"}
NAMES = {"type": "array", "items": TEXT, "uniqueItems": True}
SOME_NAMES = {**NAMES, "minItems": 1}
PRIVILEGES = {"type": "array", "minItems": 1, "items": {"enum": list(RELATION_PRIVILEGES)}}
GRANT = closed(
    {
        "in": SOME_NAMES,
        "relations": {**SOME_NAMES, "items": {"type": "string", "pattern": r"^\w+\.\w+$"}},
        "columns": SOME_NAMES,
        "privileges": PRIVILEGES,
        "optional": {"type": "boolean"},
    },
    optional=("in", "relations", "columns", "optional"),
) | {"oneOf": [{"required": ["in"]}, {"required": ["relations"]}]}
ROLE = closed(
    {
        "attributes": {"type": "array", "items": {"enum": list(ATTRIBUTES)}},
        "member_of": NAMES,
        "schemas": {
            "type": "object",
            "additionalProperties": {
                "type": "array",
                "minItems": 1,
                "items": {"enum": ["USAGE", "CREATE"]},
            },
        },
        "relations": {"type": "array", "minItems": 1, "items": GRANT},
        "owns": NAMES,
    },
    optional=("attributes", "member_of", "owns"),
)
ROLES = {"type": "object", "minProperties": 1, "additionalProperties": ROLE}
SCHEMA = closed(
    {
        "version": {"const": 1},
        "locks": closed(
            {
                "environment": TEXT,
                "beside": NAMES,
                "not_locked": {
                    "type": "array",
                    "items": closed({"package": TEXT, "reason": TEXT}),
                },
            }
        ),
        "sast": closed(
            {
                "folders": SOME_NAMES,
                "fail_on": {"enum": list(SEVERITIES)},
                "accepted": {
                    "type": "array",
                    "items": closed({"test": TEXT, "path": TEXT, "reason": TEXT}),
                },
            }
        ),
        "secrets": closed(
            {
                "baseline": TEXT,
                "reviewed": {"type": "array", "items": closed({"path": TEXT, "reason": TEXT})},
            }
        ),
        "audit": closed(
            {
                "max_age_days": {"type": "integer", "minimum": 1},
                "canary": closed({"package": TEXT, "version": TEXT}),
                "accepted": {
                    "type": "array",
                    "items": closed({"id": TEXT, "package": TEXT, "reason": TEXT, "until": DAY}),
                },
            }
        ),
        "licences": closed(
            {
                "allowed": SOME_NAMES,
                "forbidden": NAMES,
                "reviewed": {
                    "type": "array",
                    "items": closed({"package": TEXT, "licence": TEXT, "reason": TEXT}),
                },
            }
        ),
        "least_privilege": closed(
            {
                "public": closed({"database": NAMES, "reason": TEXT}),
                "warehouse": ROLES,
                "source": ROLES,
            }
        ),
    }
)


@dataclass(frozen=True)
class Grant:
    """Privileges on all relations of `schemas`, or on `relations`, or on columns of one relation."""

    schemas: frozenset[str]
    relations: frozenset[str]
    columns: frozenset[str]
    privileges: frozenset[str]
    optional: bool
    line: int | None

    def covers(self, schema: str, relation: str) -> bool:
        """It speaks of that relation."""
        return schema in self.schemas or f"{schema}.{relation}" in self.relations


@dataclass(frozen=True)
class Role:
    """What a role may be and may do."""

    name: str
    attributes: frozenset[str]
    member_of: frozenset[str]
    schemas: Mapping[str, frozenset[str]]
    grants: tuple[Grant, ...]
    owns: frozenset[str]
    line: int | None


@dataclass(frozen=True)
class SecurityPolicy:
    """The policy as read; the plain sections keep the shape of the file, which the schema checked.

    Attributes:
        lines: (section, index) of an exception -> its line.
    """

    locks: Mapping[str, Any]
    sast: Mapping[str, Any]
    secrets: Mapping[str, Any]
    audit: Mapping[str, Any]
    licences: Mapping[str, Any]
    public_database: frozenset[str]
    warehouse: Mapping[str, Role]
    source: Mapping[str, Role]
    lines: Mapping[tuple[str, int], int | None]
    path: str = POLICY

    def place(self, section: str, index: int) -> str:
        """Where an exception stands."""
        line = self.lines.get((section, index))
        return f"{self.path}:{line}" if line else self.path


def load_security(root: Path) -> SecurityPolicy:
    """Reads the policy.

    Raises:
        MbpError: missing, not of the schema, a day that is none, or one exception that stands twice.
    """
    name = shown(root / POLICY, root)
    document = load(root / POLICY, shown_as=name)
    value = check(document, Draft201909Validator(SCHEMA), name)
    lines: dict[tuple[str, int], int | None] = {}
    for section, key in (
        ("sast", "accepted"),
        ("secrets", "reviewed"),
        ("audit", "accepted"),
        ("licences", "reviewed"),
    ):
        seen: list[object] = []
        for index, entry in enumerate(value[section][key]):
            lines[section, index] = line_of(document[section][key], index)
            facts = {name: text for name, text in entry.items() if name not in ("reason", "until")}
            if facts in seen:
                raise MbpError(
                    f"{section}: an exception stands twice",
                    path=name,
                    line=lines[section, index],
                    cure="keep one of the two",
                )
            seen.append(facts)
            if "until" in entry:
                _day(entry["until"], name, lines[section, index])
    privilege, node = value["least_privilege"], document["least_privilege"]
    return SecurityPolicy(
        locks=value["locks"],
        sast=value["sast"],
        secrets=value["secrets"],
        audit=value["audit"],
        licences=value["licences"],
        public_database=frozenset(privilege["public"]["database"]),
        warehouse=_roles(privilege["warehouse"], node["warehouse"]),
        source=_roles(privilege["source"], node["source"]),
        lines=lines,
        path=name,
    )


def _day(text: str, path: str, line: int | None) -> None:
    try:
        date.fromisoformat(text)
    except ValueError as error:
        raise MbpError(
            f"until: no day: {text!r}", path=path, line=line, cure="write it as YYYY-MM-DD"
        ) from error


def _roles(value: Mapping[str, Any], node: Any) -> dict[str, Role]:
    found = {}
    for name, entry in value.items():
        grants = tuple(
            _grant(one, line_of(node[name]["relations"], index))
            for index, one in enumerate(entry["relations"])
        )
        found[name] = Role(
            name,
            _set(entry.get("attributes", ())),
            _set(entry.get("member_of", ())),
            {schema: _set(words) for schema, words in entry["schemas"].items()},
            grants,
            _set(entry.get("owns", ())),
            line_of(node, name),
        )
    return found


def _grant(entry: Mapping[str, Any], line: int | None) -> Grant:
    return Grant(
        _set(entry.get("in", ())),
        _set(entry.get("relations", ())),
        _set(entry.get("columns", ())),
        _set(entry["privileges"]),
        bool(entry.get("optional", False)),
        line,
    )


def _set(words: Sequence[str]) -> frozenset[str]:
    return frozenset(str(word) for word in words)
