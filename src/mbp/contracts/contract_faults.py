"""ODCS and A106: what is wrong with the contract as a document, and with what it says of the dataset as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import PurePosixPath

from mbp.contracts.compatibility.standard import STANDARD
from mbp.contracts.compatibility.versions import read_version
from mbp.contracts.contract_file import SUFFIX, ContractFile, reading_check
from mbp.contracts.document_node import DocumentNode, fault_at, plain_text_faults
from mbp.contracts.fault_codes import fault
from mbp.contracts.policy import Policy
from mbp.contracts.raw_columns import SOURCE
from mbp.contracts.reading import LOGGED_LEVELS, PLAIN_NAME, SECONDS, SERVICE_LEVELS, TIMED
from mbp.core.reporting import Finding
from mbp.core.schema_check import did_you_mean

API_VERSION = "v3.1.0"
SCHEMA_CODES = {"unknown key": "ODCS-001", "missing key": "ODCS-002", "wrong value": "ODCS-003"}


# Before the schema: what is valid in another version of the standard is not what is wrong here.
@reading_check("ODCS-004")
def follows_our_version(contract: ContractFile, _policy: Policy | None) -> Iterator[Finding]:
    """One version of the standard for all contracts."""
    version = contract.root.at("apiVersion")
    if not version.blank and version.value != API_VERSION:
        message = f"expected apiVersion {API_VERSION}, found {version.value}"
        yield fault_at(version, "ODCS-004", message)


@reading_check("ODCS-001", "ODCS-002", "ODCS-003")
def follows_the_standard(contract: ContractFile, _policy: Policy | None) -> Iterator[Finding]:
    """The official schema, and every place that breaks it."""
    for violation in contract.root.standard_violations(house=contract.house):
        code = SCHEMA_CODES[violation.kind]
        yield fault(code, contract.path, violation.line, violation.what, fix=violation.fix)


@reading_check("TRAP-011")
def holds_no_templates(contract: ContractFile, _policy: Policy | None) -> Iterator[Finding]:
    """Texts that dbt would fill as templates; in the whole document, so with its first table."""
    if contract.index:
        return
    yield from (
        finding for finding in plain_text_faults(contract.root) if finding.code == "TRAP-011"
    )


@reading_check("A106-039")
def holds_plain_text(contract: ContractFile, _policy: Policy | None) -> Iterator[Finding]:
    """Texts that are shown as markup."""
    yield from (
        finding for finding in plain_text_faults(contract.root) if finding.code != "TRAP-011"
    )


@reading_check("A106-004", "A106-005")
def is_named_plainly(contract: ContractFile, _policy: Policy | None) -> Iterator[Finding]:
    """Names that every engine takes as they are."""
    name = contract.table.at("name")
    for node in (name, *(column.at("name") for column in contract.columns.values())):
        if node.text and not PLAIN_NAME.fullmatch(node.text):
            message = f"expected a lower-case name, found {node.text!r}"
            yield fault_at(node, "A106-004", message, node.text)
    physical = contract.table.at("physicalName")
    if physical.text and name.text and physical.text != name.text:
        message = f"expected {name.text!r}, the name of the dataset, found {physical.text!r}"
        yield fault_at(physical, "A106-005", message, contract.dataset)


@reading_check("A106-010", "A106-011", "A106-008", "A106-009", "A106-015", "A106-019")
def states_its_parts(contract: ContractFile, policy: Policy | None) -> Iterator[Finding]:
    """Name, purpose, owner, grain and service levels."""
    root = contract.root
    owner = root.at("team", "name")
    purpose, grain = root.at("description", "purpose"), contract.table
    for node, code, message in (
        (root.at("name"), "A106-010", "the contract has no name"),
        (purpose, "A106-011", "description.purpose is missing"),
        (owner, "A106-008", "no team owns the dataset: missing or empty 'name'"),
        (
            grain.at("dataGranularityDescription"),
            "A106-015",
            "the dataset does not say what one row is",
        ),
        (root.at("slaProperties"), "A106-019", "no service level at all"),
    ):
        if node.blank:
            yield fault_at(node, code, message, contract.dataset)
    if policy and owner.text and owner.text not in policy.owners:
        fix = did_you_mean(owner.text, policy.owners)
        yield fault_at(owner, "A106-009", f"unknown owner {owner.text!r}", contract.dataset, fix)


@reading_check("A106-006")
def has_a_version(contract: ContractFile, _policy: Policy | None) -> Iterator[Finding]:
    """A version that can be compared."""
    version = contract.root.at("version")
    if version.present and read_version(str(version.value)) is None:
        message = f"expected a semantic version like 1.0.0, found {version.value!r}"
        yield fault_at(version, "A106-006", message)


@reading_check("A106-003", "A106-016")
def has_one_dataset(contract: ContractFile, _policy: Policy | None) -> Iterator[Finding]:
    """One dataset with columns."""
    schema = contract.root.at("schema")
    if schema.blank or (schema.is_list and len(schema.entries()) != 1):
        message = f"expected one dataset under 'schema', found {len(schema.entries())}"
        yield fault_at(schema, "A106-003", message)
    elif contract.table.at("properties").blank:
        yield fault_at(contract.table, "A106-016", "the dataset has no columns", contract.dataset)


@reading_check("A106-001", "A106-002")
def stands_in_its_file(contract: ContractFile, _policy: Policy | None) -> Iterator[Finding]:
    """The file is named after the dataset."""
    name = PurePosixPath(contract.path).name
    if not name.endswith(SUFFIX):
        message = "not the name of a contract; it would not be read"
        yield fault("A106-001", contract.path, None, message)
    elif name != f"{contract.dataset}{SUFFIX}":
        yield fault_at(
            contract.table.at("name"),
            "A106-002",
            f"the contract of {contract.dataset} is in {name}",
            contract.dataset,
            f"name the file {contract.dataset}{SUFFIX}",
        )


@reading_check("A106-020", "A106-021", "A106-022", "A106-023", "A106-024", "A106-025")
def service_levels_can_be_held(contract: ContractFile, _policy: Policy | None) -> Iterator[Finding]:
    """Every kind once, with a value that a rule can be made of, about this dataset, with its reason."""
    dataset = contract.dataset
    for level in contract.root.at("slaProperties").entries():
        kind = level.at("property").text
        if kind and kind not in SERVICE_LEVELS:
            fix = did_you_mean(kind, SERVICE_LEVELS)
            yield fault_at(level, "A106-020", f"unknown service level {kind!r}", dataset, fix)
        if kind and level.steps != contract.levels[kind].steps:
            first = contract.levels[kind].line
            message = f"service level {kind!r} is there twice, first on line {first}"
            yield fault_at(level, "A106-021", message, dataset)
        if kind in TIMED:
            yield from _duration(kind, level, dataset)
        value, unit = level.at("value"), level.at("unit").text
        if kind == "completeness" and value.present and (value.value != 100 or unit != "percent"):  # noqa: PLR2004
            message = f"completeness: expected 100 percent, found {value.value} {unit}"
            yield fault_at(value, "A106-023", message, dataset)
        element = level.at("element")
        if element.present and element.text != dataset:
            message = f"{kind}: expected element {dataset!r}, found {element.value!r}"
            yield fault_at(element, "A106-024", message, dataset)
        if level.at("description").blank:
            message = f"the service level {kind!r} has no description"
            yield fault_at(level, "A106-025", message, dataset)


def _duration(kind: str, level: DocumentNode, dataset: str) -> Iterator[Finding]:
    unit, value = level.at("unit").text, level.at("value")
    if unit not in SECONDS:
        fix = did_you_mean(unit, SECONDS)
        yield fault_at(level, "A106-022", f"{kind}: unknown unit of time {unit!r}", dataset, fix)
    number = value.value
    if value.present and (
        not isinstance(number, int | float) or isinstance(number, bool) or number <= 0
    ):
        message = f"{kind}: expected a number above 0, found {number!r}"
        yield fault_at(value, "A106-022", message, dataset)
    elif value.present and Decimal(str(number)) * SECONDS.get(unit, 1) % 1:
        message = f"{kind}: expected whole seconds, found {number} {unit}; nothing measures parts of a second"
        yield fault_at(value, "A106-022", message, dataset)


@reading_check("A106-041", "A106-042", "A106-043")
def has_a_change_log_or_none(contract: ContractFile, _policy: Policy | None) -> Iterator[Finding]:
    """The log that the dataset is made of, the columns that are not in it, and guarantees that are measured on it."""
    node, dataset = contract.root.custom().get("changeLog"), contract.dataset
    columns = {name: column.custom().get("derived") for name, column in contract.columns.items()}
    if node is None:
        for kind in LOGGED_LEVELS:
            if kind in contract.levels:
                message = f"{kind} is measured on a change log, and the dataset has none"
                yield fault_at(contract.levels[kind], "A106-043", message, dataset)
    else:
        yield from _change_log(contract, node)
    for name, derived in columns.items():
        if derived is None:
            continue
        subject = f"{dataset}.{name}"
        if not isinstance(derived.value, bool):
            message = f"derived: expected true or false, found {derived.value!r}"
            yield fault_at(derived, "A106-042", message, subject)
        elif derived.value and node is None:
            message = "derived: without a change log every column is computed"
            yield fault_at(derived, "A106-042", message, subject)
        elif derived.value and contract.columns[name].at("primaryKey").value is True:
            message = "derived: the key of a change log is a column of the log"
            yield fault_at(derived, "A106-042", message, subject)


def _change_log(contract: ContractFile, node: DocumentNode) -> Iterator[Finding]:
    dataset, keys = contract.dataset, ("table", "key", "source")
    if set(node.mapping) != set(keys):
        message = f"changeLog: expected {', '.join(keys)}, found {node.value!r}"
        yield fault_at(node, "A106-041", message, dataset)
        return
    for name in keys:
        if not PLAIN_NAME.fullmatch(node.at(name).text):
            message = f"changeLog.{name}: expected a lower-case name, found {node.at(name).value!r}"
            yield fault_at(node.at(name), "A106-041", message, dataset)
    key, source = node.at("key"), node.at("source")
    primary = [
        name for name, column in contract.columns.items() if column.at("primaryKey").value is True
    ]
    # That a contract has no key is another finding.
    if primary and key.text not in primary:
        message = f"changeLog.key: {key.text!r} is not the column with primaryKey: true"
        yield fault_at(key, "A106-041", message, dataset)
    if source.text != SOURCE:
        message = f"changeLog.source: expected {SOURCE!r}, found {source.text!r}"
        yield fault_at(source, "A106-041", message, dataset)


@dataclass(frozen=True)
class HouseKeys:
    """The keys of one kind of element that a contract of this project may use, documentation apart.

    Attributes:
        enforced: a test, the loader, the registry or a grant follows from it.
        words: it informs people and states nothing of the data.
    """

    enforced: frozenset[str]
    words: frozenset[str]


def _house(enforced: str, words: str = "") -> HouseKeys:
    return HouseKeys(frozenset(enforced.split()), frozenset(words.split()))


# Any other key of the standard (`mbp.contracts.compatibility.standard`, which a test compares with the official
# schemas) would state something that nothing here checks: lint refuses it by name.
HOUSE: Mapping[str, HouseKeys] = {
    "": _house(
        "apiVersion description id kind schema servers slaProperties status team version",
        "dataProduct domain price roles tenant",
    ),
    "SchemaObject": _house(
        "dataGranularityDescription logicalType name physicalName properties quality",
        "authoritativeDefinitions physicalType",
    ),
    "SchemaProperty": _house(
        "classification logicalType logicalTypeOptions name physicalType primaryKey quality"
        " relationships required unique",
        "authoritativeDefinitions criticalDataElement primaryKeyPosition semanticType transformLogic",
    ),
    "ServiceLevelAgreementProperty": _house("element property unit value"),
}


def refused(element: str) -> frozenset[str]:
    """The keys of the element that nothing here enforces."""
    house = HOUSE[element]
    return STANDARD[element].judged - house.enforced - house.words


@reading_check("A106-044")
def is_enforced(contract: ContractFile, _policy: Policy | None) -> Iterator[Finding]:
    """No key whose statement nothing checks."""
    yield from _unenforced(contract.root, "", contract.dataset)
    yield from _unenforced(contract.table, "SchemaObject", contract.dataset)
    for subject, column in contract.all_columns():
        yield from _unenforced(column, "SchemaProperty", subject)
    for level in contract.root.at("slaProperties").entries():
        yield from _unenforced(level, "ServiceLevelAgreementProperty", contract.dataset)


def _unenforced(node: DocumentNode, element: str, subject: str) -> Iterator[Finding]:
    for key in sorted(refused(element) & node.mapping.keys()):
        # The same name twice is no second name.
        if key == "physicalName" and node.at(key).text == node.at("name").text:
            continue
        yield fault_at(node.at(key), "A106-044", f"nothing enforces {key!r}", subject)
