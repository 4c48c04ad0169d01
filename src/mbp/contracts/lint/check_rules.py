"""A89: the rules of a contract, explicit ones and those that follow from thresholds."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from mbp.contracts.completeness import furthest_expiry, missing_families
from mbp.contracts.contract_loading import SINGULAR_TESTS
from mbp.contracts.lint.check_columns import columns_of
from mbp.contracts.lint.checks import Project, at, contract_check
from mbp.contracts.lint.linted_files import ContractFile, QualityEntry, families_of_options
from mbp.contracts.lint.nodes import DocumentNode
from mbp.contracts.quality import LIBRARY_FAMILIES
from mbp.contracts.reading import OPTIONS, REASONED_FAMILIES
from mbp.contracts.rules import BOUNDS, mixed
from mbp.core.reporting import Finding
from mbp.core.schema_check import did_you_mean

NEEDED = ("id", "type", "dimension", "severity", "description")


def _subject(contract: ContractFile, entry: QualityEntry) -> str:
    return entry.id or f"a rule of {contract.dataset}"


@contract_check("A89-004")
def has_every_family(contract: ContractFile, project: Project) -> Iterator[Finding]:
    """Each required family of rules, or an exception."""
    if project.policy:
        for family in missing_families(contract.families, contract.dataset, project.policy):
            message = f"no rule of the family {family}"
            yield at(contract.table, "A89-004", message, contract.dataset)


@contract_check("A89-006", "A89-007", "A89-008", "A89-009", "A89-010")
def rules_are_complete(contract: ContractFile, project: Project) -> Iterator[Finding]:
    """What a finding of the rule will carry."""
    for entry in contract.entries:
        node, subject, more = entry.node, _subject(contract, entry), entry.node.custom()
        for key in NEEDED:
            if node.at(key).blank:
                yield at(node, "A89-006", f"the rule has no {key!r}", subject)
        owner = more.get("owner")
        if owner is None or not owner.text:
            yield at(owner or node, "A89-007", "the rule has no owner", subject)
        family = more.get("family")
        if family is None or not family.text:
            yield at(family or node, "A89-008", "the rule has no family", subject)
        if project.policy:
            yield from _against_policy(node, subject, project)


def _against_policy(node: DocumentNode, subject: str, project: Project) -> Iterator[Finding]:
    policy, more = project.policy, node.custom()
    assert policy is not None  # noqa: S101 (the caller asked)
    owner, family, severity = more.get("owner"), more.get("family"), node.at("severity")
    if owner and owner.text and owner.text not in policy.owners:
        cure = did_you_mean(owner.text, policy.owners)
        yield at(owner, "A89-007", f"unknown owner {owner.text!r}", subject, cure)
    if severity.text and severity.text not in policy.severities:
        message = f"the policy does not allow the severity {severity.text!r}"
        cure = did_you_mean(severity.text, policy.severities)
        yield at(severity, "A89-010", message, subject, cure)
    if not family or not family.text:
        return
    if family.text not in policy.families:
        cure = did_you_mean(family.text, policy.families)
        yield at(family, "A89-008", f"unknown family {family.text!r}", subject, cure)
        return
    wanted = LIBRARY_FAMILIES.get(node.at("metric").text, family.text)
    if family.text != wanted:
        message = f"expected the family {wanted!r} of its metric, found {family.text!r}"
        yield at(family, "A89-009", message, subject)
        return
    found, expected = node.at("dimension"), policy.families[family.text].dimension
    # A consistency rule may serve another dimension; every other family has its own.
    if found.text and family.text != "consistency" and found.text != expected:
        message = f"expected {expected!r}, the dimension of the family {family.text}, found {found.text!r}"
        yield at(found, "A89-009", message, subject)


@contract_check("A89-011", "A89-014", "A89-015", "A89-016", "A89-017")
def warnings_end(contract: ContractFile, project: Project) -> Iterator[Finding]:
    """A warning has a reason and a day; an error has no day."""
    for entry in contract.entries:
        node, subject, more = entry.node, _subject(contract, entry), entry.node.custom()
        severity = node.at("severity").text
        reason, expires = more.get("reason"), more.get("expires")
        counts_rows = node.at("metric").text == "rowCount"
        if (severity == "warning" or counts_rows) and (reason is None or reason.blank):
            yield at(reason or node, "A89-011", "the rule has no reason", subject)
        if severity == "error" and expires is not None:
            yield at(expires, "A89-017", "an error cannot expire", subject)
        if severity == "warning":
            yield from _end(node, expires, subject, project)


def _end(
    node: DocumentNode, expires: DocumentNode | None, subject: str, project: Project
) -> Iterator[Finding]:
    policy = project.policy
    if expires is None:
        if policy is None or policy.expiry_required:
            yield at(node, "A89-014", "the warning has no expiry", subject)
        return
    try:
        day = date.fromisoformat(str(expires.value))
    except ValueError:
        message = f"expires: expected YYYY-MM-DD, found {expires.value!r}"
        yield at(expires, "A89-014", message, subject)
        return
    if day < project.today:
        yield at(expires, "A89-015", f"the warning expired on {day}", subject)
    elif policy and day > furthest_expiry(policy, project.today):
        message = f"expected a day up to {furthest_expiry(policy, project.today)}, found {day}"
        yield at(expires, "A89-016", message, subject)


@contract_check("A89-012", "A89-013")
def thresholds_say_why(contract: ContractFile, _project: Project) -> Iterator[Finding]:
    """A reason for every threshold, and no other reason."""
    for subject, column in columns_of(contract):
        families = set(families_of_options(column))
        reasons = column.custom().get("ruleReasons", column.at("ruleReasons"))
        if reasons.present and not reasons.mapping:
            message = f"ruleReasons: expected family: reason, found {reasons.value!r}"
            yield at(reasons, "A89-013", message, subject)
        for family in sorted(families):
            if not reasons.at(family).text:
                where = reasons.at(family) if reasons.present else column
                yield at(where, "A89-012", f"the {family} has no reason", subject)
        for family in sorted(reasons.mapping.keys() - families):
            known = family in REASONED_FAMILIES
            message = f"a reason for a {family} that is not there"
            cure = "" if known else did_you_mean(family, REASONED_FAMILIES)
            yield at(reasons.at(family), "A89-013", message, subject, cure)


@contract_check("A89-018")
def ids_are_unique(contract: ContractFile, project: Project) -> Iterator[Finding]:
    """A rule id once over all contracts, those of derived rules too; the later ones are told."""
    for rule_id, places in project.rule_places.items():
        for place in places[1:]:
            if place.path == contract.path:
                message = (
                    f"duplicate rule id {rule_id!r}, first at {places[0].path}:{places[0].line}"
                )
                yield at(place, "A89-018", message, rule_id)


@contract_check("A89-019", "A89-020")
def reads_what_is_there(contract: ContractFile, project: Project) -> Iterator[Finding]:
    """The columns that a rule reads are named, and they exist."""
    for entry in contract.entries:
        subject, columns = _subject(contract, entry), entry.node.custom().get("columns")
        if columns is None:
            if entry.column is None:
                yield at(entry.node, "A89-019", "the rule names no columns", subject)
            continue
        if not columns.is_list or not all(isinstance(name, str) for name in columns.value):
            message = f"columns: expected a list of names, found {columns.value!r}"
            yield at(columns, "A89-019", message, subject)
            continue
        for node in columns.entries():
            dataset, _, name = node.value.rpartition(".")
            other = project.contracts.get(dataset or contract.dataset)
            if other is not None and name not in other.columns:
                message = f"unknown column {name!r} of {other.dataset}"
                yield at(node, "A89-020", message, subject, did_you_mean(name, other.columns))
            elif other is None and dataset not in project.unread:
                cure = did_you_mean(dataset, project.contracts)
                yield at(node, "A89-020", f"unknown dataset {dataset!r}", subject, cure)


@contract_check("A89-024", "A89-025", "A89-026")
def thresholds_can_be_held(contract: ContractFile, _project: Project) -> Iterator[Finding]:
    """Options that a test exists for, and that some value can keep to."""
    for subject, column in columns_of(contract):
        node = column.at("logicalTypeOptions")
        options = node.mapping
        for option in sorted(options.keys() - OPTIONS):
            message = f"no check exists for the option {option!r}"
            cure = did_you_mean(option, OPTIONS)
            yield at(node.at(option), "A89-026", message, subject, cure)
        if mixed([option for option in options if option in BOUNDS]):
            yield at(node, "A89-024", "one test cannot hold an open and a closed bound", subject)
            continue
        low = options.get("minimum", options.get("exclusiveMinimum"))
        high = options.get("maximum", options.get("exclusiveMaximum"))
        if _empty(low, high, open_ends="exclusiveMinimum" in options):
            yield at(node, "A89-025", f"no value lies between {low} and {high}", subject)
        low, high = options.get("minLength"), options.get("maxLength")
        if _empty(low, high, open_ends=False):
            yield at(node, "A89-025", f"no text has between {low} and {high} characters", subject)


def _empty(low: object, high: object, *, open_ends: bool) -> bool:
    if isinstance(low, int | float) and isinstance(high, int | float):
        return low > high or (open_ends and low == high)
    return isinstance(low, str) and isinstance(high, str) and low > high


@contract_check("A89-022")
def singular_tests_are_there(contract: ContractFile, project: Project) -> Iterator[Finding]:
    """The file of a singular test."""
    for entry in contract.entries:
        singular = entry.node.at("implementation", "singular")
        test = f"{SINGULAR_TESTS}/{singular.text}.sql"
        if singular.text and not (project.root / test).is_file():
            yield at(singular, "A89-022", f"there is no test {test}", _subject(contract, entry))
