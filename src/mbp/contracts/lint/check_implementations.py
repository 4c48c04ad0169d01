"""A89 and TRAP: can a quality entry be made into a test, and does every tool run it?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from mbp.contracts.lint.checks import Project, at, contract_check
from mbp.contracts.lint.linted_files import ContractFile, QualityEntry
from mbp.contracts.lint.nodes import DocumentNode
from mbp.contracts.quality import OPERATORS, ROW_COUNT_BOUNDS
from mbp.core.reporting import Finding
from mbp.core.schema_check import did_you_mean

KNOWN_KEYS = ("arguments", "singular", "test")


@contract_check("A89-021", "A89-023", "TRAP-005", "TRAP-006")
def can_be_made_into_a_test(contract: ContractFile, _project: Project) -> Iterator[Finding]:
    """The form of implementation and metric that the loader knows."""
    for entry in contract.entries:
        node, kind, engine = entry.node, entry.node.at("type").text, entry.node.at("engine").text
        if kind == "library" or (not kind and not node.at("metric").blank):
            yield from _library(entry)
        elif kind == "text":
            yield at(node, "TRAP-005", "a rule in words is not checked", entry.id)
        elif kind == "custom" and engine == "dbt":
            yield from _implementation(node.at("implementation"), entry.id)
        elif kind == "custom" and engine:
            yield at(node, "TRAP-006", f"no tool of ours runs rules of {engine!r}", entry.id)
        elif kind:
            message = f"no test is made for type {kind}" + ("" if engine else " without an engine")
            yield at(node, "A89-021", message, entry.id)


def _implementation(node: DocumentNode, subject: str) -> Iterator[Finding]:
    if not node.mapping:
        message = "implementation: expected {test: ..., arguments: ...} or {singular: ...}"
        yield at(node, "A89-021", message, subject)
        return
    for key in sorted(node.mapping.keys() - set(KNOWN_KEYS)):
        cure = did_you_mean(key, KNOWN_KEYS)
        yield at(node.at(key), "A89-021", f"unknown key {key!r}", subject, cure)
    test, singular, arguments = (node.at(key) for key in ("test", "singular", "arguments"))
    if test.present == singular.present or (singular.present and arguments.present):
        message = "expected either test (with arguments) or singular, and not both"
        yield at(node, "A89-021", message, subject)
    for name in (test, singular):
        if name.present and not name.text:
            message = f"expected the name of a test, found {name.value!r}"
            yield at(name, "A89-021", message, subject)
    if arguments.present and not isinstance(arguments.value, dict):
        message = f"arguments: expected name: value, found {arguments.value!r}"
        yield at(arguments, "A89-021", message, subject)


def _library(entry: QualityEntry) -> Iterator[Finding]:
    node, metric = entry.node, entry.node.at("metric").text
    operators = {key: node.at(key).value for key in OPERATORS if node.at(key).present}
    if metric == "invalidValues":
        message = _of_values(entry, operators)
    elif metric == "rowCount":
        if entry.column is not None:
            message = "rowCount stands on the dataset, not on a column"
        elif not operators or not operators.keys() <= ROW_COUNT_BOUNDS.keys():
            message = f"rowCount: expected {' or '.join(ROW_COUNT_BOUNDS)}: <number>"
        else:
            message = ""
    else:
        message = f"no test is made for the metric {metric or 'that is missing'!r}"
    if message:
        yield at(node, "A89-023", message, entry.id)


def _of_values(entry: QualityEntry, operators: dict[str, object]) -> str:
    arguments = entry.node.at("arguments")
    values = arguments.at("validValues")
    if entry.column is None:
        return "invalidValues stands on a column, not on the dataset"
    if not values.entries() or set(arguments.mapping) != {"validValues"}:
        return "invalidValues: expected arguments: {validValues: [...]}"
    if operators != {"mustBe": 0}:
        return f"invalidValues: expected mustBe: 0, found {operators}"
    return ""


@contract_check("TRAP-002")
def one_rule_of_a_metric(contract: ContractFile, _project: Project) -> Iterator[Finding]:
    """datacontract-cli names a check after table, column and metric, and needs each name once."""
    seen: Counter[tuple[str | None, str]] = Counter()
    for entry in contract.entries:
        metric = entry.node.at("metric").text
        seen[entry.column, metric] += 1
        if metric and seen[entry.column, metric] > 1:
            where = entry.column or contract.dataset
            yield at(entry.node, "TRAP-002", f"another rule of {metric} on {where}", entry.id)
