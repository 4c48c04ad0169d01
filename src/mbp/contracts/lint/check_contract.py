"""ODCS and A106: the contract as a document, and what it says about the dataset as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from mbp.contracts.completeness import COMPLETE_STATUS, PROMISES
from mbp.contracts.contract_loading import API_VERSION, SUFFIX
from mbp.contracts.lint.checks import Project, at, contract_check, project_check
from mbp.contracts.lint.linted_files import ContractFile, is_contract_name
from mbp.contracts.lint.nodes import DocumentNode
from mbp.contracts.model_columns import MODELS
from mbp.contracts.reading import PLAIN_NAME, SECONDS, SEMANTIC_VERSION, SERVICE_LEVELS
from mbp.core.paths import shown
from mbp.core.reporting import Finding
from mbp.core.schema_check import did_you_mean

SCHEMA_CODES = {"unknown key": "ODCS-001", "missing key": "ODCS-002", "wrong value": "ODCS-003"}
TIMED = ("freshness", "latency", "retention")


@contract_check("ODCS-001", "ODCS-002", "ODCS-003")
def follows_the_standard(contract: ContractFile, _project: Project) -> Iterator[Finding]:
    """The official schema, and every place that breaks it."""
    for violation in contract.root.standard_violations(house=contract.house):
        code = SCHEMA_CODES[violation.kind]
        yield Finding(code, violation.what, contract.path, violation.line, fix=violation.cure or "")


@contract_check("ODCS-004")
def follows_our_version(contract: ContractFile, _project: Project) -> Iterator[Finding]:
    """One version of the standard for all contracts."""
    version = contract.root.at("apiVersion")
    if not version.blank and version.value != API_VERSION:
        yield at(version, "ODCS-004", f"expected apiVersion {API_VERSION}, found {version.value}")


@contract_check("A106-001", "A106-002")
def stands_in_its_file(contract: ContractFile, _project: Project) -> Iterator[Finding]:
    """The file is named after the dataset."""
    name = PurePosixPath(contract.path).name
    if not is_contract_name(name):
        yield Finding("A106-001", "the loader reads no file of this name", contract.path)
    elif name != f"{contract.dataset}{SUFFIX}":
        yield at(
            contract.table.at("name"),
            "A106-002",
            f"the contract of {contract.dataset} stands in {name}",
            contract.dataset,
            f"name the file {contract.dataset}{SUFFIX}",
        )


@contract_check("A106-003", "A106-016")
def has_one_dataset(contract: ContractFile, _project: Project) -> Iterator[Finding]:
    """One dataset with columns."""
    schema = contract.root.at("schema")
    if schema.blank or (schema.is_list and len(schema.entries()) != 1):
        count = len(schema.entries())
        yield at(schema, "A106-003", f"expected one dataset under 'schema', found {count}")
    elif contract.table.at("properties").blank:
        yield at(contract.table, "A106-016", "the dataset has no columns", contract.dataset)


@contract_check("A106-004", "A106-005")
def is_named_plainly(contract: ContractFile, _project: Project) -> Iterator[Finding]:
    """Names that every engine takes as they stand."""
    name = contract.table.at("name")
    for node in (name, *(column.at("name") for column in contract.columns.values())):
        if node.text and not PLAIN_NAME.fullmatch(node.text):
            yield at(
                node, "A106-004", f"expected a lower-case name, found {node.text!r}", node.text
            )
    physical = contract.table.at("physicalName")
    if physical.text and name.text and physical.text != name.text:
        yield at(
            physical,
            "A106-005",
            f"expected {name.text!r}, the name of the dataset, found {physical.text!r}",
            contract.dataset,
        )


@contract_check("A106-006", "A106-007")
def is_in_force(contract: ContractFile, _project: Project) -> Iterator[Finding]:
    """A version that can be compared, and the status of a contract that holds."""
    version, status = contract.root.at("version"), contract.root.at("status")
    if version.present and not SEMANTIC_VERSION.fullmatch(str(version.value)):
        yield at(
            version, "A106-006", f"expected a semantic version like 1.0.0, found {version.value!r}"
        )
    if status.value != COMPLETE_STATUS:
        found = status.value if status.present else "none"
        yield at(status, "A106-007", f"expected status {COMPLETE_STATUS}, found {found}")


@contract_check("A106-008", "A106-009")
def has_an_owner(contract: ContractFile, project: Project) -> Iterator[Finding]:
    """A team that the policy knows."""
    owner = contract.root.at("team", "name")
    if owner.blank:
        yield at(owner, "A106-008", "no team owns the dataset", contract.dataset)
    elif project.policy and owner.text and owner.text not in project.policy.owners:
        cure = did_you_mean(owner.text, project.policy.owners)
        yield at(owner, "A106-009", f"unknown owner {owner.text!r}", contract.dataset, cure)


@contract_check("A106-010", "A106-011", "A106-012", "A106-013", "A106-014", "A106-015")
def says_what_readers_need(contract: ContractFile, _project: Project) -> Iterator[Finding]:
    """Name, description, domain, support, servers, grain."""
    root = contract.root
    support = root.at("support")
    parts = [
        ("A106-010", root.at("name"), "the contract has no name"),
        *(
            ("A106-011", root.at("description", key), f"description.{key} is missing")
            for key in ("purpose", "usage", "limitations")
        ),
        ("A106-012", root.at("domain"), "the contract has no domain"),
        ("A106-014", root.at("servers"), "no server is named"),
        (
            "A106-015",
            contract.table.at("dataGranularityDescription"),
            "the dataset does not say what one row is",
        ),
    ]
    for code, node, message in parts:
        if node.blank:
            yield at(node, code, message, contract.dataset)
    if all(entry.at("channel").blank for entry in support.entries()):
        yield at(support, "A106-013", "no support channel is named", contract.dataset)


@contract_check("A106-019", "A106-020", "A106-021")
def makes_its_promises(contract: ContractFile, _project: Project) -> Iterator[Finding]:
    """Every kind of promise once."""
    levels = contract.root.at("slaProperties")
    for kind in PROMISES:
        if kind not in contract.levels:
            yield at(levels, "A106-019", f"no service level {kind!r}", contract.dataset)
    for level in levels.entries():
        kind = level.at("property").text
        if kind and kind not in SERVICE_LEVELS:
            cure = did_you_mean(kind, SERVICE_LEVELS)
            yield at(level, "A106-020", f"unknown service level {kind!r}", contract.dataset, cure)
        if kind and level.steps != contract.levels[kind].steps:
            first = contract.levels[kind].line
            message = f"service level {kind!r} stands twice, first on line {first}"
            yield at(level, "A106-021", message, contract.dataset)


@contract_check("A106-022", "A106-023", "A106-024", "A106-025")
def promises_can_be_held(contract: ContractFile, _project: Project) -> Iterator[Finding]:
    """Values that a rule can be made of, about this dataset, with their reason."""
    for level in contract.root.at("slaProperties").entries():
        kind = level.at("property").text
        if kind in TIMED:
            yield from _duration(kind, level, contract.dataset)
        value, unit = level.at("value"), level.at("unit").text
        if kind == "completeness" and value.present and (value.value != 100 or unit != "percent"):  # noqa: PLR2004
            message = f"completeness: expected 100 percent, found {value.value} {unit}"
            yield at(value, "A106-023", message, contract.dataset)
        element = level.at("element")
        if element.present and element.text != contract.dataset:
            message = f"{kind}: expected element {contract.dataset!r}, found {element.value!r}"
            yield at(element, "A106-024", message, contract.dataset)
        if level.at("description").blank:
            message = f"the service level {kind!r} has no description"
            yield at(level, "A106-025", message, contract.dataset)


def _duration(kind: str, level: DocumentNode, dataset: str) -> Iterator[Finding]:
    unit, value = level.at("unit").text, level.at("value")
    if unit not in SECONDS:
        cure = did_you_mean(unit, SECONDS)
        yield at(level, "A106-022", f"{kind}: unknown unit of time {unit!r}", dataset, cure)
    number = value.value
    if value.present and (
        not isinstance(number, int | float) or isinstance(number, bool) or number <= 0
    ):
        message = f"{kind}: expected a number above 0, found {number!r}"
        yield at(value, "A106-022", message, dataset)


@contract_check("A106-033")
def has_an_id_of_its_own(contract: ContractFile, project: Project) -> Iterator[Finding]:
    """No two contracts of one id; the later one by file name is told."""
    own = contract.root.at("id")
    for other in project.contracts.values():
        if own.text and other.path < contract.path and other.root.at("id").text == own.text:
            message = f"duplicate contract id {own.text!r}, first in {other.path}"
            yield at(own, "A106-033", message, contract.dataset)


@project_check("A106-036")
def every_public_model_has_a_contract(project: Project) -> Iterator[Finding]:
    """A model in the folder of public datasets is a dataset."""
    for model in sorted((project.root / MODELS).glob("*.sql")):
        if model.stem not in {*project.contracts, *project.unread}:
            path = shown(model, project.root)
            yield Finding("A106-036", "the public model has no contract", path, subject=model.stem)
