"""contracts/gates/security.yaml: what the parts demand, and every exception with its reason."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mbp.contracts import load_contracts
from mbp.contracts.exceptions import (
    LIST,
    AllowedException,
    read_exceptions,
    refuse_old_keys,
)
from mbp.contracts.exceptions import SCHEMA as EXCEPTIONS
from mbp.contracts.policy import load_policy
from mbp.contracts.raw_columns import logged
from mbp.core.paths import shown
from mbp.core.schema_check import TEXT, check, closed
from mbp.core.yaml_io import load

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
# Section with exceptions -> the codes of its exceptions (any without them), and the keys that only it has.
SECTIONS: Mapping[str, tuple[Collection[str] | None, Mapping[str, Any]]] = {
    "locks": (("not_locked",), {}),
    "sast": (None, {}),
    "secrets": (("no_secret",), {}),
    "audit": (None, {}),
    "licences": (("licence_not_in_metadata",), {"licence": TEXT}),
}
OLD_LISTS = {"not_locked": LIST, "accepted": LIST, "reviewed": LIST}
NAMES = {"type": "array", "items": TEXT, "uniqueItems": True}
SOME_NAMES = {**NAMES, "minItems": 1}
PRIVILEGES = {"type": "array", "minItems": 1, "items": {"enum": list(RELATION_PRIVILEGES)}}
GRANT = closed(
    {
        "in": SOME_NAMES,
        "change_logs_in": SOME_NAMES,
        "relations": {**SOME_NAMES, "items": {"type": "string", "pattern": r"^\w+\.\w+$"}},
        "columns": SOME_NAMES,
        "privileges": PRIVILEGES,
        "optional": {"type": "boolean"},
    },
    optional=("in", "change_logs_in", "relations", "columns", "optional"),
) | {"oneOf": [{"required": [where]} for where in ("in", "change_logs_in", "relations")]}
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
                LIST: EXCEPTIONS,
            }
        ),
        "sast": closed(
            {
                "folders": SOME_NAMES,
                "fail_on": {"enum": list(SEVERITIES)},
                LIST: EXCEPTIONS,
            }
        ),
        "secrets": closed(
            {
                "baseline": TEXT,
                LIST: EXCEPTIONS,
            }
        ),
        "audit": closed(
            {
                "canary": closed({"package": TEXT, "version": TEXT}),
                LIST: EXCEPTIONS,
            }
        ),
        "licences": closed(
            {
                "allowed": SOME_NAMES,
                "forbidden": NAMES,
                LIST: EXCEPTIONS,
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

    def covers(self, schema: str, relation: str) -> bool:
        """It speaks of that relation."""
        return schema in self.schemas or f"{schema}.{relation}" in self.relations


@dataclass(frozen=True)
class DatabaseRole:
    """What a role may be and may do."""

    name: str
    attributes: frozenset[str]
    member_of: frozenset[str]
    schemas: Mapping[str, frozenset[str]]
    grants: tuple[Grant, ...]
    owns: frozenset[str]


@dataclass(frozen=True)
class SecurityPolicy:
    """The policy as read; the plain sections keep the shape of the file, which the schema checked.

    Attributes:
        exceptions: section -> its exceptions.
    """

    locks: Mapping[str, Any]
    sast: Mapping[str, Any]
    secrets: Mapping[str, Any]
    audit: Mapping[str, Any]
    licences: Mapping[str, Any]
    public_database: frozenset[str]
    warehouse: Mapping[str, DatabaseRole]
    source: Mapping[str, DatabaseRole]
    exceptions: Mapping[str, tuple[AllowedException, ...]]
    path: str = POLICY


def load_security(root: Path) -> SecurityPolicy:
    """Reads the policy.

    Raises:
        MbpError: missing, not of the schema, or with an exception that is not one; or the A89 policy, which
            knows the owners, cannot be read.
    """
    name = shown(root / POLICY, root)
    document = load(root / POLICY, shown_as=name)
    for section in SECTIONS:
        refuse_old_keys(document.get(section), name, OLD_LISTS)
    value = check(document, SCHEMA, name)
    owners = load_policy(root).owners
    exceptions = {
        section: read_exceptions(document[section][LIST], name, owners, codes=codes, more=more)
        for section, (codes, more) in SECTIONS.items()
    }
    privilege = value["least_privilege"]
    return SecurityPolicy(
        locks=value["locks"],
        sast=value["sast"],
        secrets=value["secrets"],
        audit=value["audit"],
        licences=value["licences"],
        public_database=frozenset(privilege["public"]["database"]),
        warehouse=_roles(privilege["warehouse"], root),
        source=_roles(privilege["source"], root),
        exceptions=exceptions,
        path=name,
    )


def _roles(value: Mapping[str, Any], root: Path) -> dict[str, DatabaseRole]:
    """The roles; the tables of `change_logs_in` are those of the contracts."""
    grants = [grant for entry in value.values() for grant in entry["relations"]]
    contracts = load_contracts(root) if any("change_logs_in" in grant for grant in grants) else ()
    tables = [log.table for _, log in logged(contracts)]
    return {
        name: DatabaseRole(
            name,
            _set(entry.get("attributes", ())),
            _set(entry.get("member_of", ())),
            {schema: _set(words) for schema, words in entry["schemas"].items()},
            tuple(
                Grant(
                    _set(grant.get("in", ())),
                    _set(grant.get("relations", ()))
                    | {
                        f"{schema}.{table}"
                        for schema in grant.get("change_logs_in", ())
                        for table in tables
                    },
                    _set(grant.get("columns", ())),
                    _set(grant["privileges"]),
                    bool(grant.get("optional", False)),
                )
                for grant in entry["relations"]
            ),
            _set(entry.get("owns", ())),
        )
        for name, entry in value.items()
    }


def _set(words: Sequence[str]) -> frozenset[str]:
    return frozenset(str(word) for word in words)
