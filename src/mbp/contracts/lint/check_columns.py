"""Columns: what loading accepts and the organisation does not, and limits that contradict each other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import localcontext

from mbp.contracts.compatibility.change_model import SchemaNode as Column
from mbp.contracts.compatibility.change_model import Unreadable
from mbp.contracts.compatibility.diff import DIGITS
from mbp.contracts.compatibility.odcs_tables import tables
from mbp.contracts.compatibility.values import allowed, empty
from mbp.contracts.contract_file import ContractFile, target_of
from mbp.contracts.document_node import DocumentNode, fault_at
from mbp.contracts.lint.checks import Project, contract_check
from mbp.contracts.reading import CLASSIFICATIONS, ENGINES, NUMBERS
from mbp.contracts.rules import BOUNDS, mixed
from mbp.core.errors import MbpError
from mbp.core.reporting import Finding

DECIMAL = re.compile(
    r"\s*(?:decimal|numeric|dec|number)\s*(?:\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\))?\s*", re.I
)
# Words of a column's name that mean a person. `name` alone is not one: things have names too.
PERSON = {
    *("address", "birth", "birthday", "cpf", "customer", "email", "employee", "ip", "mail"),
    *("passport", "person", "phone", "rg", "salary", "ssn", "surname", "user", "username"),
}
PERSONAL_NAME = re.compile(r"(?:^|_)(?:first|full|last|maiden)_?name(?:_|$)")
PSEUDONYM = re.compile(r"pseudonym", re.IGNORECASE)


@contract_check("A106-037")
def has_a_key_that_is_there(contract: ContractFile, _project: Project) -> Iterator[Finding]:
    """The key column is required."""
    for subject, column in contract.all_columns():
        if column.at("primaryKey").value is True and column.at("required").value is not True:
            yield fault_at(column, "A106-037", "the key column is not required", subject)


@contract_check("A106-028", "TRAP-009")
def has_one_precision(contract: ContractFile, _project: Project) -> Iterator[Finding]:
    """Decimals of one precision on every engine."""
    for subject, column in contract.all_columns():
        types = column.custom().get("physicalTypes", column.at("physicalTypes"))
        decimals: dict[str, tuple[str, str]] = {}
        for node in (column.at("physicalType"), *(types.at(engine) for engine in ENGINES)):
            match = DECIMAL.fullmatch(node.text)
            if match and match[1] is None:
                yield fault_at(node, "TRAP-009", f"{node.text} has no precision", subject)
            elif match:
                decimals[node.text] = (match[1], match[2] or "0")
        if len(set(decimals.values())) > 1:
            message = f"one number is stored as {' and as '.join(sorted(decimals))}"
            yield fault_at(types, "A106-028", message, subject)


@contract_check("A106-032")
def has_the_type_of_its_target(contract: ContractFile, project: Project) -> Iterator[Finding]:
    """A foreign key has the type of the column that it leads to."""
    for subject, column in contract.all_columns():
        dataset, name = target_of(column.at("relationships", 0), project.read.files) or ("", "")
        other = project.read.files.get(dataset)
        if other is None or name not in other.columns:
            continue
        for key in ("logicalType", "physicalType"):
            own, its = column.at(key).text, other.columns[name].at(key).text
            if own and its and own != its:
                message = f"{key} is {own}, that of {dataset}.{name} is {its}"
                yield fault_at(column.at(key), "A106-032", message, subject)


@contract_check("A87-002", "A87-003", "A87-005")
def means_something(contract: ContractFile, _project: Project) -> Iterator[Finding]:
    """A description that says more than the name, and the unit of numbers."""
    for subject, column in contract.all_columns():
        description, name = column.at("description"), column.at("name").text
        if description.text and only_repeats(description.text, name):
            message = f"the description {description.text!r} only repeats the name"
            yield fault_at(description, "A87-002", message, subject)
        unit, logical = column.custom().get("unit"), column.at("logicalType").text
        if unit is None:
            if needs_unit(logical) and not _identifies(column):
                message = f"a column of type {logical} has no unit"
                yield fault_at(column, "A87-003", message, subject)
        elif unit.text and logical and not needs_unit(logical):
            message = f"a column of type {logical} has the unit {unit.text!r}"
            yield fault_at(unit, "A87-005", message, subject)


def _identifies(column: DocumentNode) -> bool:
    """Its values name rows of this dataset or of another; a sum of them means nothing."""
    return bool(column.at("primaryKey").value) or column.at("relationships").present


@contract_check("A108-003", "A108-004", "A108-005")
def is_protected(contract: ContractFile, _project: Project) -> Iterator[Finding]:
    """Personal data has a reason and a form, and no other column seems personal."""
    for subject, column in contract.all_columns():
        node = column.at("classification")
        reason = column.custom().get("classificationReason")
        stated = reason is not None and bool(reason.text)
        if node.text == "personal":
            if not stated:
                message = "personal data without a classificationReason"
                yield fault_at(node, "A108-003", message, subject)
            if column.at("logicalTypeOptions", "pattern").blank:
                yield fault_at(node, "A108-004", "personal data without a pattern", subject)
        elif node.text in CLASSIFICATIONS and not stated and _looks_personal(column):
            message = f"the column seems personal and is classified as {node.text}"
            yield fault_at(node, "A108-005", message, subject)


@contract_check("A89-025")
def thresholds_leave_a_value(contract: ContractFile, _project: Project) -> Iterator[Finding]:
    """Bounds and lengths that some value can keep to."""
    for subject, column in contract.all_columns():
        node = column.at("logicalTypeOptions")
        options = node.mapping
        if mixed(BOUNDS & options.keys()):
            continue  # a fault of reading
        low = options.get("minimum", options.get("exclusiveMinimum"))
        high = options.get("maximum", options.get("exclusiveMaximum"))
        if _empty(low, high, open_ends="exclusiveMinimum" in options):
            yield fault_at(node, "A89-025", f"no value is between {low} and {high}", subject)
        low, high = options.get("minLength"), options.get("maxLength")
        if _empty(low, high, open_ends=False):
            message = f"no text has between {low} and {high} characters"
            yield fault_at(node, "A89-025", message, subject)


def _empty(low: object, high: object, *, open_ends: bool) -> bool:
    if isinstance(low, int | float) and isinstance(high, int | float):
        return low > high or (open_ends and low == high)
    return isinstance(low, str) and isinstance(high, str) and low > high


def names_a_person(column: str) -> bool:
    """The name of a column says that its values are of a person."""
    return bool(PERSON & set(column.split("_")) or PERSONAL_NAME.search(column))


def _looks_personal(column: DocumentNode) -> bool:
    text = column.at("description").text
    return names_a_person(column.at("name").text) or bool(PSEUDONYM.search(text))


def needs_unit(logical_type: str) -> bool:
    """A value of the type says nothing before one knows what one of it is."""
    return logical_type in NUMBERS


def only_repeats(description: str, name: str) -> bool:
    """The description says no more than the name does."""
    return _letters(description) in {_letters(name), ""}


def _letters(text: str) -> str:
    return "".join(character for character in text.lower() if character.isalnum())


@contract_check("ODCS-005", "ODCS-006", "ODCS-007")
def limits_can_be_met(contract: ContractFile, _project: Project) -> Iterator[Finding]:
    """Every column allows some value, and every listed value is one of its type."""
    if contract.root.standard_violations(house=contract.house):
        return  # the standard's own codes say what is wrong
    with localcontext() as context:
        context.prec = DIGITS
        try:
            nodes = tables(contract.root.mapping, contract.path)
        except MbpError as error:
            schema = contract.root.at("schema")
            yield fault_at(schema, "ODCS-007", error.what, contract.dataset, error.fix)
            return
        for index, table in enumerate(nodes.values()):
            yield from _columns(table, contract.root.at("schema", index))


def _columns(table: Column, node: DocumentNode) -> Iterator[Finding]:
    for index, column in enumerate(table.children):
        steps: tuple[str | int, ...] = {
            "[]": ("items",),
            "{key}": ("map", "key"),
            "{}": ("map", "value"),
        }.get(column.name, ("properties", index))
        inside = node.at(*steps)
        yield from _limits(column, inside)
        yield from _columns(column, inside)


def _limits(column: Column, node: DocumentNode) -> Iterator[Finding]:
    facets = column.facets
    for value, text in zip(facets.values or (), facets.texts, strict=True):
        if value is None or isinstance(value, Unreadable):
            message = f"the closed list holds {text!r}, which is no {column.logical.name}"
            yield fault_at(node, "ODCS-006", message, column.path)
        elif allowed(value, column) is False:
            message = f"the closed list holds {text!r}, which the other limits refuse"
            yield fault_at(node, "ODCS-005", message, column.path)
    if facets.values == ():
        message = "the closed lists of the column share no value"
        yield fault_at(node, "ODCS-005", message, column.path)
    elif not facets.values and empty(column):
        message = "no value is above the lower limit and below the upper one"
        yield fault_at(node, "ODCS-005", message, column.path)
