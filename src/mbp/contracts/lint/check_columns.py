"""A106, A87 and A108 of the columns: types, keys, references, meaning, unit, classification."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mbp.contracts.completeness import NUMBERS, needs_unit, only_repeats
from mbp.contracts.engine_types import ENGINES, engine_types
from mbp.contracts.lint.checks import Project, at, contract_check
from mbp.contracts.lint.linted_files import ContractFile
from mbp.contracts.lint.nodes import DocumentNode
from mbp.contracts.quality import EXTRAS
from mbp.contracts.reading import CLASSIFICATIONS, COLUMN_EXTRAS
from mbp.core.reporting import Finding
from mbp.core.schema_check import did_you_mean

DECIMAL = re.compile(
    r"\s*(?:decimal|numeric|dec|number)\s*(?:\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\))?\s*", re.I
)
# Words of a column's name that stand for a person. `name` alone is not one: things have names too.
PERSON = {
    *("address", "birth", "birthday", "cpf", "customer", "email", "employee", "ip", "mail"),
    *("passport", "person", "phone", "rg", "salary", "ssn", "surname", "user", "username"),
}
PERSONAL_NAME = re.compile(r"(?:^|_)(?:first|full|last|maiden)_?name(?:_|$)")
PSEUDONYM = re.compile(r"pseudonym", re.IGNORECASE)


def columns_of(contract: ContractFile) -> Iterator[tuple[str, DocumentNode]]:
    """(subject, column) of every column, those of one name too."""
    for column in contract.table.at("properties").entries():
        yield f"{contract.dataset}.{column.at('name').text or '?'}", column


@contract_check("A106-017", "A106-018", "A106-037")
def has_one_key(contract: ContractFile, _project: Project) -> Iterator[Finding]:
    """Columns of one name each, and one of them identifies a row."""
    for subject, column in columns_of(contract):
        name = column.at("name").text
        if name and column.steps != contract.columns[name].steps:
            first = contract.columns[name].line
            message = f"the column stands twice, first on line {first}"
            yield at(column, "A106-017", message, subject)
    keys = [
        (subject, column)
        for subject, column in columns_of(contract)
        if column.at("primaryKey").value is True
    ]
    properties = contract.table.at("properties")
    if properties.entries() and len(keys) != 1:
        found = ", ".join(subject.rpartition(".")[2] for subject, _ in keys) or "none"
        message = f"expected one column with primaryKey: true, found {found}"
        yield at(properties, "A106-018", message, contract.dataset)
    for subject, column in keys:
        if column.at("required").value is not True:
            yield at(column, "A106-037", "the key column is not required", subject)


@contract_check("A106-026", "TRAP-008")
def has_types(contract: ContractFile, _project: Project) -> Iterator[Finding]:
    """A logical and a physical type."""
    for subject, column in columns_of(contract):
        logical, physical = column.at("logicalType"), column.at("physicalType")
        if logical.blank:
            yield at(logical, "A106-026", "no logicalType", subject)
        if physical.blank:
            code = "TRAP-008" if logical.text in NUMBERS else "A106-026"
            yield at(physical, code, "no physicalType", subject)


@contract_check("A106-027", "A106-028", "TRAP-009")
def has_types_on_every_engine(contract: ContractFile, _project: Project) -> Iterator[Finding]:
    """One type per engine, and decimals of one precision."""
    for subject, column in columns_of(contract):
        types = column.custom().get("physicalTypes", column.at("physicalTypes"))
        if not types.present and engine_types(column.at("physicalType").text):
            continue
        given = types.mapping
        for engine in sorted(given.keys() - set(ENGINES)):
            cure = did_you_mean(engine, ENGINES)
            yield at(types.at(engine), "A106-027", f"unknown engine {engine!r}", subject, cure)
        missing = [engine for engine in ENGINES if not types.at(engine).text]
        if missing:
            message = f"physicalTypes has no type for {', '.join(missing)}"
            yield at(types if types.present else column, "A106-027", message, subject)
        decimals: dict[str, tuple[str, str]] = {}
        for node in (column.at("physicalType"), *(types.at(engine) for engine in ENGINES)):
            match = DECIMAL.fullmatch(node.text)
            if match and match[1] is None:
                yield at(node, "TRAP-009", f"{node.text} has no precision", subject)
            elif match:
                decimals[node.text] = (match[1], match[2] or "0")
        if len(set(decimals.values())) > 1:
            message = f"one number is stored as {' and as '.join(sorted(decimals))}"
            yield at(types, "A106-028", message, subject)


@contract_check("A106-029", "A106-030", "A106-031", "A106-032")
def refers_to_what_is_there(contract: ContractFile, project: Project) -> Iterator[Finding]:
    """A foreign key leads to a column of a contract, of the same type."""
    for subject, column in columns_of(contract):
        relationships = column.at("relationships").entries()
        if not relationships:
            continue
        first = relationships[0]
        dataset, _, name = first.at("to").text.partition(".")
        if len(relationships) > 1:
            message = f"expected one relationship, found {len(relationships)}"
            yield at(column.at("relationships"), "A106-029", message, subject)
        elif first.at("type").value not in (None, "foreignKey") or not (dataset and name):
            message = "expected type: foreignKey, to: <dataset>.<column>"
            yield at(first, "A106-029", message, subject)
        elif dataset in project.contracts:
            yield from _target(subject, column, first, project.contracts[dataset], name)
        elif dataset not in project.unread:
            cure = did_you_mean(dataset, project.contracts)
            yield at(first, "A106-030", f"unknown dataset {dataset!r}", subject, cure)


def _target(
    subject: str, column: DocumentNode, reference: DocumentNode, other: ContractFile, name: str
) -> Iterator[Finding]:
    if name not in other.columns:
        message = f"unknown column {name!r} of {other.dataset}"
        cure = did_you_mean(name, other.columns)
        yield at(reference, "A106-031", message, subject, cure)
        return
    for key in ("logicalType", "physicalType"):
        own, its = column.at(key).text, other.columns[name].at(key).text
        if own and its and own != its:
            message = f"{key} is {own}, that of {other.dataset}.{name} is {its}"
            yield at(column.at(key), "A106-032", message, subject)


@contract_check("A106-034", "A106-035")
def uses_known_custom_properties(contract: ContractFile, _project: Project) -> Iterator[Finding]:
    """Custom properties that are read, each once."""
    holders: list[tuple[str, DocumentNode, tuple[str, ...]]] = [
        (subject, column, COLUMN_EXTRAS) for subject, column in columns_of(contract)
    ]
    holders += [(entry.id, entry.node, EXTRAS) for entry in contract.entries]
    for subject, holder, known in holders:
        seen: set[str] = set()
        for item in holder.at("customProperties").entries():
            name = item.at("property").text
            if name and name not in known:
                message = f"unknown customProperty {name!r}"
                yield at(item, "A106-034", message, subject, did_you_mean(name, known))
            elif name in seen:
                yield at(item, "A106-035", f"customProperty {name!r} stands twice", subject)
            seen.add(name)


@contract_check("A87-001", "A87-002", "A87-003", "A87-004", "A87-005")
def means_something(contract: ContractFile, _project: Project) -> Iterator[Finding]:
    """A description that tells more than the name, and the unit of numbers."""
    for subject, column in columns_of(contract):
        description, name = column.at("description"), column.at("name").text
        if description.blank:
            yield at(description, "A87-001", "no description", subject)
        elif description.text and only_repeats(description.text, name):
            message = f"the description {description.text!r} only repeats the name"
            yield at(description, "A87-002", message, subject)
        unit, logical = column.custom().get("unit"), column.at("logicalType").text
        if unit is None:
            if needs_unit(logical):
                yield at(column, "A87-003", f"a column of type {logical} has no unit", subject)
        elif not unit.text:
            yield at(unit, "A87-004", f"expected a unit, found {unit.value!r}", subject)
        elif logical and not needs_unit(logical):
            message = f"a column of type {logical} has the unit {unit.text!r}"
            yield at(unit, "A87-005", message, subject)


@contract_check("A108-001", "A108-002", "A108-003", "A108-004", "A108-005")
def is_classified(contract: ContractFile, _project: Project) -> Iterator[Finding]:
    """A class for every column, and for personal data its reason and its form."""
    for subject, column in columns_of(contract):
        node = column.at("classification")
        reason = column.custom().get("classificationReason")
        stated = reason is not None and bool(reason.text)
        if node.blank:
            yield at(node, "A108-001", "no classification", subject)
        elif node.text and node.text not in CLASSIFICATIONS:
            cure = did_you_mean(node.text, CLASSIFICATIONS)
            yield at(node, "A108-002", f"unknown classification {node.text!r}", subject, cure)
        elif node.text == "personal":
            if not stated:
                yield at(node, "A108-003", "personal data without a classificationReason", subject)
            if column.at("logicalTypeOptions", "pattern").blank:
                yield at(node, "A108-004", "personal data without a pattern", subject)
        elif node.text and not stated and _looks_personal(column):
            message = f"the column looks personal and is classified as {node.text}"
            yield at(node, "A108-005", message, subject)


def _looks_personal(column: DocumentNode) -> bool:
    name = column.at("name").text
    return bool(
        PERSON & set(name.split("_"))
        or PERSONAL_NAME.search(name)
        or PSEUDONYM.search(column.at("description").text)
    )
