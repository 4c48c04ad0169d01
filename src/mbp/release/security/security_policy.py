"""contracts/gates/security.yaml: what the parts demand, and every exception with its reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal, get_args

from mbp.contracts import load_contracts
from mbp.contracts.exceptions import AllowedException, demand_known
from mbp.contracts.policy import load_policy
from mbp.contracts.raw_columns import logged
from mbp.core.forms import SOME, SOME_KEYS, Beside, Narrowed, Version, read_as

POLICY = "contracts/gates/security.yaml"
Severity = Literal["low", "medium", "high"]
SEVERITIES = get_args(Severity)
Attribute = Literal["LOGIN", "SUPERUSER", "CREATEROLE", "CREATEDB", "REPLICATION", "BYPASSRLS"]
Privilege = Literal[
    "SELECT",
    "INSERT",
    "UPDATE",
    "DELETE",
    "TRUNCATE",
    "REFERENCES",
    "TRIGGER",
    "MAINTAIN",
]
RELATION_PRIVILEGES = get_args(Privilege)
Names = Annotated[tuple[str, ...], Narrowed(uniqueItems=True)]
SomeNames = Annotated[frozenset[str], SOME]
Relation = Annotated[str, Narrowed(pattern=r"^\w+\.\w+$")]
NOTHING: frozenset[str] = frozenset()


@dataclass(frozen=True)
class NotLocked(AllowedException):
    """A package that is installed and in no lock."""

    code: Literal["not_locked"]


@dataclass(frozen=True)
class NoSecret(AllowedException):
    """What resembles a secret."""

    code: Literal["no_secret"]


@dataclass(frozen=True, kw_only=True)
class StatedLicence(AllowedException):
    """The licence of a package whose metadata does not state it."""

    code: Literal["licence_not_in_metadata"]
    licence: str


@dataclass(frozen=True)
class Locks:
    """The lock of the environment, and those beside it."""

    environment: str
    beside: Names
    exceptions: tuple[NotLocked, ...]


@dataclass(frozen=True)
class StaticAnalysis:
    """The folders that are analysed, and the lowest severity that fails."""

    folders: Annotated[Names, SOME]
    fail_on: Severity
    exceptions: tuple[AllowedException, ...]


@dataclass(frozen=True)
class Secrets:
    """The file of what was found before."""

    baseline: str
    exceptions: tuple[NoSecret, ...]


@dataclass(frozen=True)
class Canary:
    """A release with a known advisory: a source that does not report it knows none."""

    package: str
    version: str


@dataclass(frozen=True)
class Audit:
    """The audit of the locked packages."""

    canary: Canary
    exceptions: tuple[AllowedException, ...]


@dataclass(frozen=True)
class Licences:
    """SPDX identifiers."""

    allowed: SomeNames
    forbidden: frozenset[str]
    exceptions: tuple[StatedLicence, ...]


@dataclass(frozen=True)
class Grant:
    """Privileges on all relations of the schemas `in`, or on `relations`, or on columns of one relation.

    Those of `change_logs_in` are the tables whose changes the contracts log; `load_security` adds them to `relations`.
    """

    privileges: Annotated[frozenset[Privilege], SOME]
    in_: SomeNames = NOTHING
    change_logs_in: SomeNames = NOTHING
    relations: Annotated[frozenset[Relation], SOME] = NOTHING
    columns: SomeNames = NOTHING
    optional: bool = False

    def covers(self, schema: str, relation: str) -> bool:
        """It speaks of that relation."""
        return schema in self.in_ or f"{schema}.{relation}" in self.relations


WHERE = [{"required": [where]} for where in ("in", "change_logs_in", "relations")]


@dataclass(frozen=True)
class DatabaseRole:
    """What a role may be and may do."""

    schemas: Mapping[str, Annotated[frozenset[Literal["USAGE", "CREATE"]], SOME]]
    relations: Annotated[tuple[Annotated[Grant, Narrowed(oneOf=WHERE)], ...], SOME]
    attributes: frozenset[Attribute] = frozenset()
    member_of: frozenset[str] = NOTHING
    owns: frozenset[str] = NOTHING
    name: Beside[str] = ""


@dataclass(frozen=True)
class Everybody:
    """What every role has, and why."""

    database: frozenset[str]
    reason: str


@dataclass(frozen=True)
class LeastPrivilege:
    """Roles by name: of the warehouse, and of the source that change data capture reads."""

    public: Everybody
    warehouse: Annotated[Mapping[str, DatabaseRole], SOME_KEYS]
    source: Annotated[Mapping[str, DatabaseRole], SOME_KEYS]


@dataclass(frozen=True)
class SecurityPolicy:
    """The whole file."""

    version: Version
    locks: Locks
    sast: StaticAnalysis
    secrets: Secrets
    audit: Audit
    licences: Licences
    least_privilege: LeastPrivilege

    @property
    def exceptions(self) -> Mapping[str, tuple[AllowedException, ...]]:
        """Section -> its exceptions."""
        sections = ("locks", "sast", "secrets", "audit", "licences")
        return {section: getattr(self, section).exceptions for section in sections}


def load_security(root: Path) -> SecurityPolicy:
    """Reads the policy.

    Raises:
        MbpError: missing, not of the schema, or with an exception that is not one; or the A89 policy, which
            knows the owners, cannot be read.
    """
    _, policy = read_as(SecurityPolicy, root, POLICY)
    owners = load_policy(root).owners
    for exceptions in policy.exceptions.values():
        demand_known(exceptions, owners)
    sides = policy.least_privilege
    return replace(
        policy,
        least_privilege=replace(
            sides, warehouse=_roles(sides.warehouse, root), source=_roles(sides.source, root)
        ),
    )


def _roles(roles: Mapping[str, DatabaseRole], root: Path) -> dict[str, DatabaseRole]:
    """The roles with their names; the tables of `change_logs_in` are those of the contracts."""
    logs = any(grant.change_logs_in for role in roles.values() for grant in role.relations)
    tables = [log.table for _, log in logged(load_contracts(root) if logs else ())]

    def with_tables(grant: Grant) -> Grant:
        names = (f"{schema}.{table}" for schema in grant.change_logs_in for table in tables)
        return replace(grant, relations=grant.relations.union(names))

    return {
        name: replace(role, name=name, relations=tuple(map(with_tables, role.relations)))
        for name, role in roles.items()
    }
