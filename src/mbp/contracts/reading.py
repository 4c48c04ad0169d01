"""One ODCS document -> one `Contract`, without its rules. Every refusal names file and line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from mbp.contracts.engine_types import ENGINES, engine_types
from mbp.contracts.model import Column, Contract, Reference, ServiceLevel
from mbp.contracts.policy import Policy
from mbp.core.errors import MbpError
from mbp.core.schema_check import did_you_mean, line_at

CLASSIFICATIONS = ("public", "internal", "confidential", "personal")
# What rules.py can turn into a test. Any other option would be a promise that nobody checks.
OPTIONS = {
    "exclusiveMaximum",
    "exclusiveMinimum",
    "maxLength",
    "maximum",
    "minLength",
    "minimum",
    "pattern",
    "timezone",
}
SERVICE_LEVELS = (
    "availability",
    "completeness",
    "endOfLife",
    "endOfSupport",
    "errorRate",
    "frequency",
    "freshness",
    "generalAvailability",
    "latency",
    "retention",
    "throughput",
    "timeToDetect",
    "timeToNotify",
    "timeToRepair",
)
COLUMN_EXTRAS = ("classificationReason", "physicalTypes", "ruleReasons", "unit")
REASONED_FAMILIES = ("length", "pattern", "range")
SEMANTIC_VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?")
# A type stands in DDL as it is written: words, and at most a length or a precision with its scale.
TYPE_NAME = re.compile(r"[A-Za-z]\w*( \w+)*(\(\d+(, ?\d+)?\))?( \w+)*(\[\])?", re.ASCII)
PLAIN_NAME = re.compile(r"[a-z][a-z0-9_]*")
_UNITS = {
    1: ("s", "second", "seconds"),
    60: ("m", "min", "minute", "minutes"),
    3600: ("h", "hour", "hours"),
    86400: ("d", "day", "days"),
    31536000: ("y", "yr", "year", "years"),
}
SECONDS = {name: seconds for seconds, names in _UNITS.items() for name in names}


class ReadingPlace:
    """Where the reader stands in a document, to say it when something is wrong."""

    def __init__(self, document: Any, path: str, *steps: str | int) -> None:
        self.document, self.path, self.steps = document, path, steps

    def at(self, *steps: str | int) -> ReadingPlace:
        """The place further in."""
        return ReadingPlace(self.document, self.path, *self.steps, *steps)

    @property
    def line(self) -> int | None:
        """1-based line."""
        return line_at(self.document, self.steps)

    def refuse(self, what: str, cure: str | None = None) -> MbpError:
        """The error to raise here."""
        return MbpError(what, path=self.path, line=self.line, cure=cure)


def contract_of(value: Mapping[str, Any], place: ReadingPlace, policy: Policy) -> Contract:
    """The contract in `value`, which follows the ODCS schema; `rules` is still empty.

    Raises:
        MbpError: a part that we demand beyond the standard is missing or wrong.
    """
    for key in ("name", "description", "team", "schema", "slaProperties"):
        if not value.get(key):
            raise place.refuse(f"missing key {key!r}", f"state the contract's {key}")
    if not SEMANTIC_VERSION.fullmatch(str(value["version"])):
        found = value["version"]
        raise place.at("version").refuse(f"expected a semantic version like 1.0.0, found {found!r}")
    purpose = _text(value["description"], "purpose", place.at("description"))
    owner = _text(value["team"], "name", place.at("team"))
    policy.check_owner(owner, place.path, place.at("team", "name").line)
    if len(value["schema"]) != 1:
        raise place.at("schema").refuse(f"expected one dataset, found {len(value['schema'])}")
    table, inside = value["schema"][0], place.at("schema", 0)
    dataset = _dataset(table, inside)
    grain = _text(table, "dataGranularityDescription", inside).rstrip(".")
    levels = tuple(
        _service_level(entry, place.at("slaProperties", index), dataset)
        for index, entry in enumerate(value["slaProperties"])
    )
    _no_twins([level.kind for level in levels], place.at("slaProperties"), "service level")
    description = value["description"]
    return Contract(
        dataset=dataset,
        contract_id=value["id"],
        name=value["name"],
        version=str(value["version"]),
        status=str(value.get("status", "")),
        domain=value.get("domain"),
        owner=owner,
        purpose=purpose,
        usage=_optional(description.get("usage")),
        limitations=_optional(description.get("limitations")),
        grain=grain,
        columns=_columns(table, inside),
        service_levels=levels,
        support_channels=tuple(entry.get("channel", "") for entry in value.get("support", ())),
        servers=tuple(entry.get("server", "") for entry in value.get("servers", ())),
        rules=(),
        path=place.path,
    )


def extras(
    entry: Mapping[str, Any], place: ReadingPlace, known: Iterable[str]
) -> dict[str, tuple[Any, ReadingPlace]]:
    """The customProperties of `entry` as name -> (value, place).

    Raises:
        MbpError: an unknown or a repeated name.
    """
    found: dict[str, tuple[Any, ReadingPlace]] = {}
    for index, item in enumerate(entry.get("customProperties", ())):
        inside = place.at("customProperties", index)
        name = item["property"]
        if name not in known:
            raise inside.refuse(f"unknown customProperty {name!r}", did_you_mean(name, known))
        if name in found:
            raise inside.refuse(f"customProperty {name!r} stands twice", "keep one of the two")
        found[name] = (item.get("value"), inside.at("value"))
    return found


def _dataset(table: Mapping[str, Any], place: ReadingPlace) -> str:
    dataset = str(table["name"])
    if not PLAIN_NAME.fullmatch(dataset):
        raise place.at("name").refuse(f"expected a lower-case name, found {dataset!r}")
    if table.get("physicalName", dataset) != dataset:
        raise place.at("physicalName").refuse(
            f"expected {dataset!r}, the name of the dataset, found {table['physicalName']!r}"
        )
    wanted = f"{dataset}.odcs.yaml"
    if place.path.rsplit("/", 1)[-1] != wanted:
        raise place.at("name").refuse(f"the contract of {dataset} stands in another file", wanted)
    return dataset


def _columns(table: Mapping[str, Any], place: ReadingPlace) -> tuple[Column, ...]:
    if not table.get("properties"):
        raise place.refuse("the dataset has no columns", "describe them under 'properties'")
    columns = tuple(
        _column(entry, place.at("properties", index))
        for index, entry in enumerate(table["properties"])
    )
    _no_twins([column.name for column in columns], place.at("properties"), "column")
    keys = [column.name for column in columns if column.primary_key]
    if len(keys) != 1:
        raise place.at("properties").refuse(
            f"expected one column with primaryKey: true, found {', '.join(keys) or 'none'}"
        )
    return columns


def _column(entry: Mapping[str, Any], place: ReadingPlace) -> Column:
    name = str(entry["name"])
    if not PLAIN_NAME.fullmatch(name):
        raise place.at("name").refuse(f"expected a lower-case name, found {name!r}")
    classification = _text(entry, "classification", place, of=f"column {name!r}")
    if classification not in CLASSIFICATIONS:
        raise place.at("classification").refuse(
            f"unknown classification {classification!r}",
            did_you_mean(classification, CLASSIFICATIONS),
        )
    physical_type = _text(entry, "physicalType", place, of=f"column {name!r}")
    if not TYPE_NAME.fullmatch(physical_type):
        raise place.at("physicalType").refuse(f"expected a type, found {physical_type!r}")
    more = extras(entry, place, COLUMN_EXTRAS)
    options = dict(entry.get("logicalTypeOptions", {}))
    for option in options:
        if option not in OPTIONS:
            raise place.at("logicalTypeOptions", option).refuse(
                f"no check exists for the option {option!r}", did_you_mean(option, OPTIONS)
            )
    unit = more["unit"][0] if "unit" in more else None
    if unit is not None and not (isinstance(unit, str) and unit.strip()):
        raise more["unit"][1].refuse(f"expected a unit, found {unit!r}")
    return Column(
        name=name,
        logical_type=_text(entry, "logicalType", place, of=f"column {name!r}"),
        physical_type=physical_type,
        physical_types=_physical_types(name, physical_type, more, place),
        required=bool(entry.get("required", False)),
        unique=bool(entry.get("unique", False)) or bool(entry.get("primaryKey", False)),
        primary_key=bool(entry.get("primaryKey", False)),
        classification=classification,
        description=_text(entry, "description", place, of=f"column {name!r}"),
        unit=unit,
        reference=_reference(entry, place),
        options=options,
        rule_reasons=_reasons(more),
        line=place.line,
    )


def _physical_types(
    column: str,
    physical_type: str,
    more: Mapping[str, tuple[Any, ReadingPlace]],
    place: ReadingPlace,
) -> dict[str, str]:
    """Those of the one table; a contract states them only for a type that is not in it."""
    types, where = more.get("physicalTypes", (engine_types(physical_type), place))
    if not isinstance(types, dict):
        raise where.refuse(f"physicalTypes: expected engine: type, found {types!r}")
    for engine in types:
        if engine not in ENGINES:
            raise where.at(engine).refuse(
                f"unknown engine {engine!r} in physicalTypes", did_you_mean(engine, ENGINES)
            )
    for engine in ENGINES:
        if not isinstance(types.get(engine), str) or not types[engine].strip():
            raise where.refuse(
                f"column {column!r}: physicalTypes has no type for {engine}",
                f"name the type as the catalog of {engine} tells it",
            )
    return {engine: types[engine] for engine in ENGINES}


def _reasons(more: Mapping[str, tuple[Any, ReadingPlace]]) -> dict[str, str]:
    reasons, where = more.get("ruleReasons", ({}, None))
    if where is None:
        return {}
    if not isinstance(reasons, dict):
        raise where.refuse(f"ruleReasons: expected family: reason, found {reasons!r}")
    for family, reason in reasons.items():
        if family not in REASONED_FAMILIES:
            raise where.at(family).refuse(
                f"unknown family {family!r} in ruleReasons",
                did_you_mean(family, REASONED_FAMILIES),
            )
        if not isinstance(reason, str) or not reason.strip():
            raise where.at(family).refuse(f"ruleReasons.{family}: expected a reason")
    return {family: reason.strip() for family, reason in reasons.items()}


def _reference(entry: Mapping[str, Any], place: ReadingPlace) -> Reference | None:
    relationships = entry.get("relationships", ())
    if not relationships:
        return None
    inside = place.at("relationships", 0)
    if len(relationships) != 1:
        raise place.at("relationships").refuse("expected one relationship of a column")
    target = relationships[0].get("to")
    if relationships[0].get("type", "foreignKey") != "foreignKey" or not isinstance(target, str):
        raise inside.refuse("expected type: foreignKey, to: <dataset>.<column>")
    dataset, dot, column = target.partition(".")
    if not (dot and dataset and column):
        raise inside.at("to").refuse(f"expected <dataset>.<column>, found {target!r}")
    return Reference(dataset, column, inside.line)


def _service_level(entry: Mapping[str, Any], place: ReadingPlace, dataset: str) -> ServiceLevel:
    kind = str(entry["property"])
    if kind not in SERVICE_LEVELS:
        raise place.refuse(f"unknown service level {kind!r}", did_you_mean(kind, SERVICE_LEVELS))
    element = str(entry.get("element", dataset))
    if element != dataset:
        raise place.at("element").refuse(f"expected {dataset!r}, found {element!r}")
    unit, value = str(entry.get("unit", "")), entry["value"]
    seconds = None
    if kind in ("freshness", "latency", "retention"):
        if unit not in SECONDS:
            raise place.refuse(
                f"{kind}: unknown unit of time {unit!r}", did_you_mean(unit, SECONDS)
            )
        if not isinstance(value, int | float) or isinstance(value, bool) or value <= 0:
            raise place.at("value").refuse(f"{kind}: expected a number above 0, found {value!r}")
        seconds = round(value * SECONDS[unit])
    if kind == "completeness" and (value != 100 or unit != "percent"):  # noqa: PLR2004
        raise place.at("value").refuse(
            f"completeness: expected 100 percent, found {value} {unit}",
            "a lost row has no tolerance: the rule cdc_no_loss compares keys",
        )
    return ServiceLevel(
        kind=kind,
        value=value,
        unit=unit,
        seconds=seconds,
        driver=entry.get("driver"),
        description=_text(entry, "description", place, of=f"service level {kind!r}"),
        line=place.line,
    )


def _text(value: Mapping[str, Any], key: str, place: ReadingPlace, *, of: str | None = None) -> str:
    found = value.get(key)
    subject = f"{of}: " if of else ""
    if not isinstance(found, str) or not found.strip():
        raise place.at(key).refuse(f"{subject}missing or empty {key!r}", f"state its {key}")
    return " ".join(found.split())


def _optional(value: Any) -> str | None:
    return " ".join(str(value).split()) if value else None


def _no_twins(names: list[str], place: ReadingPlace, kind: str) -> None:
    for index, name in enumerate(names):
        if name in names[:index]:
            raise place.at(index).refuse(f"{kind} {name!r} stands twice", "keep one of the two")
