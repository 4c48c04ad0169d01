"""A106, A87 and A108: what is wrong with a column: its name, types, key, reference, meaning and thresholds."""

from __future__ import annotations

from collections.abc import Iterator

from mbp.contracts.contract_file import ContractFile, reading_check, target_of
from mbp.contracts.document_node import DocumentNode, fault_at
from mbp.contracts.policy import Policy
from mbp.contracts.reading import (
    CLASSIFICATIONS,
    COLUMN_EXTRAS,
    CONTRACT_EXTRAS,
    ENGINES,
    NUMBERS,
    OPTIONS,
    REASONED_FAMILIES,
    RULE_EXTRAS,
    TYPE_NAME,
    engine_types,
)
from mbp.contracts.rules import BOUNDS, anchored, families_of_options, mixed
from mbp.core.errors import MbpError
from mbp.core.reporting import Finding
from mbp.core.schema_check import did_you_mean
from mbp.core.sql_guard import demand_expression


@reading_check("A106-017", "A106-018")
def has_one_key(contract: ContractFile, _policy: Policy | None) -> Iterator[Finding]:
    """Columns of one name each, and one of them identifies a row."""
    keys = []
    for subject, column in contract.all_columns():
        name = column.at("name").text
        if name and column.steps != contract.columns[name].steps:
            first = contract.columns[name].line
            message = f"column {name!r} is there twice, first on line {first}"
            yield fault_at(column, "A106-017", message, subject)
        if column.at("primaryKey").value is True:
            keys.append(name)
    properties = contract.table.at("properties")
    if properties.entries() and len(keys) != 1:
        names = ", ".join(keys) or "none"
        message = f"expected one column with primaryKey: true, found {names}"
        yield fault_at(properties, "A106-018", message, contract.dataset)


@reading_check("A106-026", "A106-040", "TRAP-008")
def has_types(contract: ContractFile, _policy: Policy | None) -> Iterator[Finding]:
    """A logical and a physical type."""
    for subject, column in contract.all_columns():
        logical, physical = column.at("logicalType"), column.at("physicalType")
        if logical.blank:
            yield fault_at(logical, "A106-026", "no logicalType", subject)
        if physical.blank:
            code = "TRAP-008" if logical.text in NUMBERS else "A106-026"
            yield fault_at(physical, code, "no physicalType", subject)
        elif not TYPE_NAME.fullmatch(physical.text):
            message = f"expected a type, found {physical.value!r}"
            yield fault_at(physical, "A106-040", message, subject)


@reading_check("A106-027")
def has_types_on_every_engine(contract: ContractFile, _policy: Policy | None) -> Iterator[Finding]:
    """One type per engine."""
    for subject, column in contract.all_columns():
        types = column.custom().get("physicalTypes", column.at("physicalTypes"))
        if not types.present and engine_types(column.at("physicalType").text):
            continue
        for engine in sorted(types.mapping.keys() - set(ENGINES)):
            fix, message = did_you_mean(engine, ENGINES), f"unknown engine {engine!r}"
            yield fault_at(
                types.at(engine), "A106-027", f"{message} in physicalTypes", subject, fix
            )
        missing = [engine for engine in ENGINES if not types.at(engine).text]
        if missing:
            message = f"physicalTypes has no type for {', '.join(missing)}"
            yield fault_at(types if types.present else column, "A106-027", message, subject)


@reading_check("A106-029")
def refers_by_one_key(contract: ContractFile, _policy: Policy | None) -> Iterator[Finding]:
    """A relationship is a foreign key of one column."""
    for subject, column in contract.all_columns():
        relationships = column.at("relationships").entries()
        if len(relationships) > 1:
            message = f"expected one relationship, found {len(relationships)}"
            yield fault_at(column.at("relationships"), "A106-029", message, subject)
        elif relationships:
            kind = relationships[0].at("type").value
            if kind not in (None, "foreignKey") or target_of(relationships[0], {}) is None:
                target = relationships[0].at("to").value
                message = f"expected type: foreignKey, to: <dataset>.<column>, found {target!r}"
                yield fault_at(relationships[0], "A106-029", message, subject)


@reading_check("A106-034", "A106-035")
def uses_known_custom_properties(
    contract: ContractFile, _policy: Policy | None
) -> Iterator[Finding]:
    """Custom properties that are read, each once."""
    holders: list[tuple[str, DocumentNode, tuple[str, ...]]] = [
        (contract.dataset, contract.root, CONTRACT_EXTRAS),
        *((subject, column, COLUMN_EXTRAS) for subject, column in contract.all_columns()),
    ]
    holders += [(entry.id, entry.node, RULE_EXTRAS) for entry in contract.entries]
    for subject, holder, known in holders:
        seen: set[str] = set()
        for item in holder.at("customProperties").entries():
            name = item.at("property").text
            if name and name not in known:
                message = f"unknown customProperty {name!r}"
                yield fault_at(item, "A106-034", message, subject, did_you_mean(name, known))
            elif name in seen:
                yield fault_at(item, "A106-035", f"customProperty {name!r} is there twice", subject)
            seen.add(name)


@reading_check("A87-001", "A87-004", "A108-001", "A108-002")
def has_a_meaning_and_a_class(contract: ContractFile, _policy: Policy | None) -> Iterator[Finding]:
    """A description, a unit that says something, and a known class."""
    for subject, column in contract.all_columns():
        for key, code in (("classification", "A108-001"), ("description", "A87-001")):
            if column.at(key).blank:
                yield fault_at(column.at(key), code, f"missing or empty {key!r}", subject)
        node, unit = column.at("classification"), column.custom().get("unit")
        if node.text and node.text not in CLASSIFICATIONS:
            fix = did_you_mean(node.text, CLASSIFICATIONS)
            message = f"unknown classification {node.text!r}"
            yield fault_at(node, "A108-002", message, subject, fix)
        if unit is not None and not unit.text:
            yield fault_at(unit, "A87-004", f"expected a unit, found {unit.value!r}", subject)


@reading_check("A89-012", "A89-013", "A89-024", "A89-026", "A89-029")
def thresholds_can_be_tested(contract: ContractFile, _policy: Policy | None) -> Iterator[Finding]:
    """Options that a test exists for, each with its reason, and no other reason."""
    for subject, column in contract.all_columns():
        node = column.at("logicalTypeOptions")
        options = node.mapping
        for option in sorted(options.keys() - OPTIONS):
            message = f"no check exists for the option {option!r}"
            fix = did_you_mean(option, OPTIONS)
            yield fault_at(node.at(option), "A89-026", message, subject, fix)
        if mixed(BOUNDS & options.keys()):
            message = "one test cannot hold an open and a closed bound"
            yield fault_at(node, "A89-024", message, subject)
        for option in sorted(BOUNDS & options.keys()):
            yield from expression_faults(node.at(option), subject)
        yield from _reasons(column, set(families_of_options(options)), subject)


def _reasons(column: DocumentNode, families: set[str], subject: str) -> Iterator[Finding]:
    reasons = column.custom().get("ruleReasons", column.at("ruleReasons"))
    if reasons.present and not reasons.mapping:
        message = f"ruleReasons: expected family: reason, found {reasons.value!r}"
        yield fault_at(reasons, "A89-013", message, subject)
    for family in sorted(families):
        if not reasons.at(family).text:
            where = reasons.at(family) if reasons.present else column
            yield fault_at(where, "A89-012", f"the {family} has no reason", subject)
    for family in sorted(reasons.mapping.keys() - families):
        known = family in REASONED_FAMILIES
        message = f"a reason for a {family} that is not there"
        fix = None if known else did_you_mean(family, REASONED_FAMILIES)
        yield fault_at(reasons.at(family), "A89-013", message, subject, fix)


def expression_faults(node: DocumentNode, subject: str) -> Iterator[Finding]:
    """What a test puts into its SQL as it is written has to be one expression."""
    try:
        demand_expression(str(node.value))
    except MbpError as error:
        yield fault_at(node, "A89-029", error.what, subject, error.fix)


@reading_check("TRAP-003")
def patterns_are_anchored(contract: ContractFile, _policy: Policy | None) -> Iterator[Finding]:
    """Patterns that hold for the whole value."""
    for subject, column in contract.all_columns():
        node = column.at("logicalTypeOptions", "pattern")
        if node.text and not anchored(node.value):
            message = f"the pattern {node.value!r} would match a part of a value"
            yield fault_at(node, "TRAP-003", message, subject)
