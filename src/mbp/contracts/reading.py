"""One ODCS document -> one `Contract`, as far as it can be read.

What is missing or of the wrong kind is left empty here: the reading checks say what is wrong with it and where.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from mbp.contracts.contract_file import ContractFile, target_of
from mbp.contracts.document_node import DocumentNode
from mbp.contracts.model import ChangeLog, Column, Contract, Reference, ServiceLevel

ENGINES = ("duckdb", "postgres", "spark")
# Name of the physical type -> its name in the catalog of each engine, in the order of ENGINES.
NAMES = {
    "bigint": ("BIGINT", "bigint", "bigint"),
    "boolean": ("BOOLEAN", "boolean", "boolean"),
    "date": ("DATE", "date", "date"),
    "decimal": ("DECIMAL", "numeric", "decimal"),
    "double": ("DOUBLE", "double precision", "double"),
    "integer": ("INTEGER", "integer", "int"),
    "smallint": ("SMALLINT", "smallint", "smallint"),
    "string": ("VARCHAR", "text", "string"),
    "timestamp": ("TIMESTAMP", "timestamp without time zone", "timestamp_ntz"),
    "timestamptz": ("TIMESTAMP WITH TIME ZONE", "timestamp with time zone", "timestamp"),
}
PLAIN = "|".join(sorted(NAMES.keys() - {"decimal"}))
TYPE = re.compile(rf"({PLAIN})|decimal(\(\d+,\d+\))")
CLASSIFICATIONS = ("public", "internal", "confidential", "personal")
# What rules.py can turn into a test. Nothing would check any other option.
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
NUMBERS = ("number", "integer")
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
TIMED = ("freshness", "latency", "retention")
# What rules of a change log measure; nothing else can show them.
LOGGED_LEVELS = ("freshness", "latency", "completeness")
CONTRACT_EXTRAS = ("changeLog",)
COLUMN_EXTRAS = ("classificationReason", "derived", "physicalTypes", "ruleReasons", "unit")
RULE_EXTRAS = ("columns", "expires", "family", "optionalDatasets", "owner", "reason")
REASONED_FAMILIES = ("length", "pattern", "range")
# A type is copied into DDL: words, and at most a length or a precision with its scale.
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


def engine_types(physical_type: str) -> dict[str, str]:
    """Engine -> type, for each of ENGINES; empty where the contract has to state them itself."""
    match = TYPE.fullmatch(physical_type)
    if match is None:
        return {}
    names = NAMES[match[1] or "decimal"]
    return {engine: f"{name}{match[2] or ''}" for engine, name in zip(ENGINES, names, strict=True)}


def contract_of(file: ContractFile, files: Mapping[str, ContractFile] | None = None) -> Contract:
    """The contract in a document, without its rules.

    Args:
        files: dataset -> contract, where its foreign keys lead.
    """
    root, table = file.root, file.table
    description = root.at("description")
    return Contract(
        dataset=file.dataset,
        contract_id=root.at("id").text,
        name=root.at("name").text,
        version=str(root.at("version").value),
        status=root.at("status").text,
        owner=root.at("team", "name").text,
        purpose=description.at("purpose").text,
        usage=description.at("usage").text or None,
        limitations=description.at("limitations").text or None,
        grain=table.at("dataGranularityDescription").text.rstrip("."),
        columns=tuple(
            _column(name, node, files or {}) for name, node in file.columns.items() if name
        ),
        service_levels=tuple(
            _service_level(kind, node) for kind, node in file.levels.items() if kind
        ),
        support_channels=tuple(entry.at("channel").text for entry in root.at("support").entries()),
        rules=(),
        path=file.path,
        change_log=_change_log(root.custom()),
        schemas=_schemas(root.at("servers")),
    )


def _schemas(servers: DocumentNode) -> dict[str, str]:
    schemas: dict[str, str] = {}
    for key in ("type", "server"):
        for entry in servers.entries():
            if entry.at(key).text and entry.at("schema").text:
                schemas[entry.at(key).text] = entry.at("schema").text
    return schemas


def _change_log(more: Mapping[str, DocumentNode]) -> ChangeLog | None:
    if "changeLog" not in more:
        return None
    node = more["changeLog"]
    return ChangeLog(node.at("table").text, node.at("key").text, node.at("source").text)


def _column(name: str, node: DocumentNode, files: Mapping[str, ContractFile]) -> Column:
    more = node.custom()
    physical_type = node.at("physicalType").text
    key = node.at("primaryKey").value is True
    types = (
        more["physicalTypes"].mapping if "physicalTypes" in more else engine_types(physical_type)
    )
    reasons = more["ruleReasons"].mapping if "ruleReasons" in more else {}
    return Column(
        name=name,
        logical_type=node.at("logicalType").text,
        physical_type=physical_type,
        physical_types={engine: str(types.get(engine, "")) for engine in ENGINES},
        required=node.at("required").value is True,
        unique=node.at("unique").value is True or key,
        primary_key=key,
        classification=node.at("classification").text,
        description=node.at("description").text,
        unit=more["unit"].value if "unit" in more and more["unit"].text else None,
        reference=_reference(node.at("relationships", 0), files),
        options=dict(node.at("logicalTypeOptions").mapping),
        rule_reasons={family: str(reason).strip() for family, reason in reasons.items()},
        derived="derived" in more and more["derived"].value is True,
        line=node.line,
    )


def _reference(node: DocumentNode, files: Mapping[str, ContractFile]) -> Reference | None:
    dataset, column = target_of(node, files) or (node.at("to").text, "")
    return Reference(dataset, column, node.line) if node.present else None


def _service_level(kind: str, node: DocumentNode) -> ServiceLevel:
    value, unit = node.at("value").value, str(node.at("unit").value or "")
    timed = kind in TIMED and isinstance(value, int | float) and unit in SECONDS
    return ServiceLevel(
        kind=kind,
        value=value,
        unit=unit,
        seconds=round(value * SECONDS[unit]) if timed else None,
        driver=node.at("driver").value,
        description=node.at("description").text,
        line=node.line,
    )
