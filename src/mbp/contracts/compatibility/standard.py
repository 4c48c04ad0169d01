"""Every key of ODCS 3.0 to 3.2: judged by the engine, or documentation for people.

A test compares these lists with the official schemas and changes each key once, so that none can
change without a finding. A key in neither list is judged as unknown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

from mbp.contracts.compatibility.change_model import Change, entry_change


@dataclass(frozen=True)
class Keys:
    """The keys of one kind of element."""

    judged: frozenset[str]
    documentation: frozenset[str]


def _keys(judged: str, documentation: str = "") -> Keys:
    return Keys(frozenset(judged.split()), frozenset(documentation.split()))


# By the names of the definitions in the official schemas; "" is the contract itself.
STANDARD: Mapping[str, Keys] = {
    "": _keys(
        "apiVersion dataProduct description domain id kind price roles schema servers"
        " slaDefaultElement slaProperties status team tenant version",
        "authoritativeDefinitions context contractCreatedTs customProperties name support tags",
    ),
    "description": _keys("", "authoritativeDefinitions customProperties limitations purpose usage"),
    "Server": _keys("environment roles server type", "customProperties description id"),
    "SchemaObject": _keys(
        "dataGranularityDescription logicalType name physicalName physicalType properties quality"
        " relationships authoritativeDefinitions",
        "businessName context customProperties deprecated description id synonyms tags",
    ),
    "SchemaProperty": _keys(
        "authoritativeDefinitions classification criticalDataElement encryptedName enum items"
        " logicalType logicalTypeOptions map name partitionKeyPosition partitioned physicalName"
        " physicalType primaryKey primaryKeyPosition properties quality relationships required"
        " semanticType transformLogic unique",
        "businessName customProperties deprecated description examples id synonyms tags"
        " transformDescription transformSourceObjects",
    ),
    "logicalTypeOptions": _keys(
        "defaultTimezone dimensions distanceMetric elementType embeddingModel embeddingModelVersion"
        " exclusiveMaximum exclusiveMinimum format maxItems maxLength maxProperties maximum minItems"
        " minLength minProperties minimum multipleOf normalized pattern required timezone"
        " uniqueItems"
    ),
    "map": _keys("key value"),
    "DataQuality": _keys(
        "arguments engine implementation metric mustBe mustBeBetween mustBeGreaterOrEqualTo"
        " mustBeGreaterThan mustBeLessOrEqualTo mustBeLessThan mustNotBe mustNotBeBetween query rule"
        " severity type unit",
        "authoritativeDefinitions businessImpact customProperties description dimension id method"
        " name schedule scheduler tags",
    ),
    "Role": _keys(
        "access firstLevelApprovers role secondLevelApprovers", "customProperties description id"
    ),
    "Team": _keys("members name", "authoritativeDefinitions customProperties description id tags"),
    "TeamMember": _keys(
        "dateIn dateOut name replacedByUsername role username",
        "authoritativeDefinitions customProperties description id tags",
    ),
    "ServiceLevelAgreementProperty": _keys(
        "element property unit value valueExt",
        "authoritativeDefinitions customProperties description driver id schedule scheduler",
    ),
    "RelationshipBase": _keys("from to type", "customProperties id"),
    "EnumValue": _keys(
        "value", "authoritativeDefinitions customProperties description id label tags"
    ),
    "Synonym": _keys("", "customProperties description id locale source status synonym"),
    "CustomProperty": _keys("property value", "description id vendor"),
    "AuthoritativeDefinitions": _keys("type url", "description id"),
    "SupportItem": _keys(
        "", "channel customProperties description id invitationUrl scope tool url"
    ),
    "Pricing": _keys("", "id priceAmount priceCurrency priceUnit"),
    "Context": _keys("", "constraints instructions verifiedStatements"),
    "verifiedStatements": _keys(
        "", "answer authoritativeDefinitions customProperties id question tags"
    ),
    "constraints": _keys("", "authoritativeDefinitions constraint customProperties id tags"),
}
# What a key that is not there means.
DEFAULTS: Mapping[str, Any] = {
    "criticalDataElement": False,
    "deprecated": False,
    "elementType": "float32",
    "partitionKeyPosition": -1,
    "partitioned": False,
    "primaryKey": False,
    "primaryKeyPosition": -1,
    "required": False,
    "timezone": False,
    "unique": False,
    "uniqueItems": False,
}
# Read as a whole: two spellings that give no change mean the same.
READ_WHOLE = _keys(
    "enum items logicalTypeOptions map partitioned partitionKeyPosition physicalName physicalType"
    " primaryKey primaryKeyPosition properties quality relationships required unique"
).judged


# Texts in which blanks may count, and what is handed to programs that are not known here.
SQL = frozenset({"query", "transformLogic"})
EXACT = frozenset({"arguments", "implementation"})
# A quoted text, a comment to the end of its line, or blanks.
_SQL_PARTS = re.compile(r"""('(?:[^']|'')*'|"[^"]*"|`[^`]*`|--[^\n]*(?:\n|$))|\s+""")


def form(value: Any) -> Any:
    """A value without its layout: two of one form say the same."""
    if isinstance(value, str):
        return " ".join(value.split())
    if isinstance(value, Mapping):
        results = {
            str(key): sql_form(item) if key in SQL else exact(item) if key in EXACT else form(item)
            for key, item in value.items()
            if item is not None and item != DEFAULTS.get(str(key), None)
        }
        return {key: item for key, item in results.items() if item not in ({}, [])}
    if isinstance(value, list | tuple):
        return [form(item) for item in value]
    return exact(value)


def exact(value: Any) -> Any:
    """A value with all its blanks and keys; only numbers are one however they are written."""
    if isinstance(value, str):
        return value.rstrip()
    if isinstance(value, Mapping):
        return {str(key): exact(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [exact(item) for item in value]
    if isinstance(value, bool):
        return (value,)  # True is 1 to Python
    return Decimal(str(value)) if isinstance(value, int | float | Decimal) else value


def sql_form(value: Any) -> Any:
    """A query without its layout; what is quoted and where a comment ends belongs to its meaning."""
    if not isinstance(value, str):
        return exact(value)
    return _SQL_PARTS.sub(lambda match: match[1] or " ", value).strip()


Entry = TypeVar("Entry", bound=Mapping[str, Any])


def paired(
    before: Sequence[Entry],
    after: Sequence[Entry],
    identities: Sequence[Callable[[Entry], Any]],
) -> tuple[list[tuple[Entry, Entry]], list[Entry], list[Entry]]:
    """Entries of both sides that are one, by the first identity that two share; and those of each side alone."""
    pairs: list[tuple[Entry, Entry]] = []
    left, right = list(before), list(after)
    for identity in identities:
        twins: dict[str, list[Entry]] = {}
        for entry in reversed(right):
            if key := identity(entry):
                twins.setdefault(repr(key), []).append(entry)
        alone = []
        for entry in left:
            same = twins.get(repr(identity(entry)))
            if same:
                pairs.append((entry, same.pop()))
            else:
                alone.append(entry)
        left = alone
        taken = {id(other) for _, other in pairs}
        right = [entry for entry in right if id(entry) not in taken]
    return pairs, left, right


def remainder(
    old: Mapping[str, Any], new: Mapping[str, Any], path: str, inner: frozenset[str] = frozenset()
) -> Iterator[Change]:
    """What differs between two elements of which no other change was said.

    Args:
        inner: keys whose elements are compared on their own.
    """
    for key in sorted({*old, *new} - inner):
        before, after = old.get(key), new.get(key)
        if form({key: before}) == form({key: after}):
            continue
        where = f"{path}.{key}" if path else key
        yield entry_change(where, before, after, known=key in READ_WHOLE)
