"""A89: what is wrong with a quality entry: its parts, its family, its end, and the test that it is made into."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from mbp.contracts.column_faults import expression_faults
from mbp.contracts.contract_file import ContractFile, QualityEntry, reading_check
from mbp.contracts.document_node import DocumentNode, fault_at
from mbp.contracts.policy import Policy
from mbp.contracts.reading import PLAIN_NAME
from mbp.contracts.rule_ids import LONGEST
from mbp.contracts.rules import LIBRARY_FAMILIES, OPERATORS, QUOTED, ROW_COUNT_BOUNDS, TEST_NAME
from mbp.core.reporting import Finding
from mbp.core.schema_check import did_you_mean

NEEDED = ("id", "type", "dimension", "severity", "description")
KNOWN_KEYS = ("arguments", "test")


@reading_check("A89-006", "A89-007", "A89-008", "A89-009", "A89-010", "A89-028")
def rules_are_complete(contract: ContractFile, policy: Policy | None) -> Iterator[Finding]:
    """What a finding of the rule will carry."""
    for entry in contract.entries:
        node, subject, more = entry.node, entry.subject, entry.node.custom()
        for key in NEEDED:
            if node.at(key).blank:
                yield fault_at(node, "A89-006", f"the rule has no {key!r}", subject)
        if entry.id and (len(entry.id) > LONGEST or not PLAIN_NAME.fullmatch(entry.id)):
            message = (
                f"expected a lower-case id of at most {LONGEST} characters, found {entry.id!r}"
            )
            yield fault_at(node.at("id"), "A89-028", message, subject)
        for key, code in (("owner", "A89-007"), ("family", "A89-008")):
            if key not in more or not more[key].text:
                yield fault_at(more.get(key, node), code, f"the rule has no {key}", subject)
        if policy:
            yield from _against_policy(node, subject, policy)


def _against_policy(node: DocumentNode, subject: str, policy: Policy) -> Iterator[Finding]:
    more = node.custom()
    owner, family, severity = more.get("owner"), more.get("family"), node.at("severity")
    if owner and owner.text and owner.text not in policy.owners:
        fix = did_you_mean(owner.text, policy.owners)
        yield fault_at(owner, "A89-007", f"unknown owner {owner.text!r}", subject, fix)
    if severity.text and severity.text not in policy.severities:
        message = f"the policy does not allow the severity {severity.text!r}"
        fix = did_you_mean(severity.text, policy.severities)
        yield fault_at(severity, "A89-010", message, subject, fix)
    if not family or not family.text:
        return
    if family.text not in policy.families:
        fix = did_you_mean(family.text, policy.families)
        yield fault_at(family, "A89-008", f"unknown family {family.text!r}", subject, fix)
        return
    wanted = LIBRARY_FAMILIES.get(node.at("metric").text, family.text)
    dimension, expected = node.at("dimension"), policy.families[family.text].dimension
    if family.text != wanted:
        message = f"expected the family {wanted!r} of its metric, found {family.text!r}"
        yield fault_at(family, "A89-009", message, subject)
    # A consistency rule may serve another dimension; every other family has its own.
    elif dimension.text and family.text != "consistency" and dimension.text != expected:
        message = (
            f"expected {expected!r}, the dimension of the family {family.text}, "
            f"found {dimension.text!r}"
        )
        yield fault_at(dimension, "A89-009", message, subject)


@reading_check("A89-011", "A89-014", "A89-017")
def warnings_have_an_end(contract: ContractFile, policy: Policy | None) -> Iterator[Finding]:
    """A warning has a reason and a day; an error has no day."""
    for entry in contract.entries:
        node, subject, more = entry.node, entry.subject, entry.node.custom()
        severity = node.at("severity").text
        reason, expires = more.get("reason"), more.get("expires")
        counts_rows = node.at("metric").text == "rowCount"
        if (severity == "warning" or counts_rows) and (reason is None or reason.blank):
            yield fault_at(reason or node, "A89-011", "the rule has no reason", subject)
        if severity != "warning":
            if expires is not None:
                yield fault_at(expires, "A89-017", "an error cannot expire", subject)
        elif expires is None:
            if policy is None or policy.warnings.expiry_required:
                yield fault_at(node, "A89-014", "the warning has no expiry", subject)
        else:
            try:
                date.fromisoformat(str(expires.value))
            except ValueError:
                message = f"expires: expected YYYY-MM-DD, found {expires.value!r}"
                yield fault_at(expires, "A89-014", message, subject)


@reading_check("A89-019")
def names_what_it_reads(contract: ContractFile, _policy: Policy | None) -> Iterator[Finding]:
    """The columns that a rule reads."""
    for entry in contract.entries:
        columns = entry.node.custom().get("columns")
        if columns is None:
            if entry.column is None:
                yield fault_at(entry.node, "A89-019", "the rule names no columns", entry.subject)
        elif not columns.is_list or not all(isinstance(name, str) for name in columns.value):
            message = f"columns: expected a list of names, found {columns.value!r}"
            yield fault_at(columns, "A89-019", message, entry.subject)
        optional = entry.node.custom().get("optionalDatasets")
        names = columns.value if columns and columns.is_list else []
        read = [str(name).rpartition(".")[0] for name in names]
        if optional and not (optional.is_list and all(name in read for name in optional.value)):
            message = "optionalDatasets: expected a list of datasets that `columns` names"
            yield fault_at(optional, "A89-019", message, entry.subject)


@reading_check("A89-021", "A89-023", "A89-029", "TRAP-005", "TRAP-006")
def can_be_made_into_a_test(contract: ContractFile, _policy: Policy | None) -> Iterator[Finding]:
    """The form of implementation and metric that a test is made of."""
    for entry in contract.entries:
        node, kind, engine = entry.node, entry.node.at("type").text, entry.node.at("engine").text
        if kind == "library" or (not kind and not node.at("metric").blank):
            yield from _library(entry)
        elif kind == "text":
            yield fault_at(node, "TRAP-005", "a rule in words is not checked", entry.id)
        elif kind == "custom" and engine == "dbt":
            yield from _implementation(node.at("implementation"), entry.id)
        elif kind == "custom" and engine:
            yield fault_at(node, "TRAP-006", f"no tool of ours runs rules of {engine!r}", entry.id)
        elif kind:
            message = f"no test is made for type {kind}" + ("" if engine else " without an engine")
            yield fault_at(node, "A89-021", message, entry.id)


def _implementation(node: DocumentNode, subject: str) -> Iterator[Finding]:
    if not node.mapping:
        message = "implementation: expected {test: ..., arguments: ...}"
        yield fault_at(node, "A89-021", message, subject)
        return
    singular, test, arguments = (node.at(key) for key in ("singular", "test", "arguments"))
    if singular.present:
        message = "singular: dbt forgets severity and owner of a singular test when it parses a part of the project"
        fix = "make it generic: `{% test name(model) %}` around its SQL, and `test: name` here"
        yield fault_at(singular, "A89-021", message, subject, fix)
        return
    for key in sorted(node.mapping.keys() - set(KNOWN_KEYS)):
        fix = did_you_mean(key, KNOWN_KEYS)
        yield fault_at(node.at(key), "A89-021", f"unknown key {key!r}", subject, fix)
    if not TEST_NAME.fullmatch(str(test.value)):
        message = f"expected test: the name of a test, found {test.value!r}"
        yield fault_at(test if test.present else node, "A89-021", message, subject)
    if arguments.present and not isinstance(arguments.value, dict):
        message = f"arguments: expected name: value, found {arguments.value!r}"
        yield fault_at(arguments, "A89-021", message, subject)
    yield from _arguments(arguments, subject)


def _arguments(node: DocumentNode, subject: str, key: str = "") -> Iterator[Finding]:
    """What a test puts into its SQL as it is is an expression; what it quotes may be any text."""
    for name in node.mapping:
        yield from _arguments(node.at(name), subject, name)
    for inner in node.entries():
        yield from _arguments(inner, subject, key)
    if isinstance(node.value, str) and key not in QUOTED and not PLAIN_NAME.fullmatch(node.value):
        yield from expression_faults(node, subject)


def _library(entry: QualityEntry) -> Iterator[Finding]:
    node, metric = entry.node, entry.node.at("metric").text
    operators = {key: node.at(key).value for key in OPERATORS if node.at(key).present}
    message = ""
    if metric == "invalidValues":
        message = _of_values(entry, operators)
        for value in node.at("arguments", "validValues").entries():
            if "'" in str(value.value):  # dbt's own test puts them between quotes as they are
                quoted = f"invalidValues: {value.value!r} holds a quote"
                yield fault_at(value, "A89-023", quoted, entry.id, "use a pattern")
    elif metric != "rowCount":
        message = f"no test is made for the metric {metric or 'that is missing'!r}"
    elif entry.column is not None:
        message = "rowCount belongs to the dataset, not to a column"
    elif not operators or not operators.keys() <= ROW_COUNT_BOUNDS.keys():
        message = f"rowCount: expected {' or '.join(ROW_COUNT_BOUNDS)}: <number>"
    if message:
        yield fault_at(node, "A89-023", message, entry.id)


def _of_values(entry: QualityEntry, operators: dict[str, object]) -> str:
    arguments = entry.node.at("arguments")
    if entry.column is None:
        return "invalidValues belongs to a column, not to the dataset"
    if not arguments.at("validValues").entries() or set(arguments.mapping) != {"validValues"}:
        return "invalidValues: expected arguments: {validValues: [...]}"
    if operators != {"mustBe": 0}:
        return f"invalidValues: expected mustBe: 0, found {operators}"
    return ""
