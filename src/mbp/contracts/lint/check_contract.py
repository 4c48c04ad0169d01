"""A106 and A89 of a contract as a whole: whether it is in force, what readers need, and its families of rules."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import date, timedelta

from mbp.contracts.contract_file import ContractFile
from mbp.contracts.document_node import fault_at, texts
from mbp.contracts.exceptions import AllowedException, exception_findings
from mbp.contracts.fault_codes import fault
from mbp.contracts.lint.checks import Project, contract_check, project_check
from mbp.contracts.model import Rule
from mbp.contracts.model_columns import MODELS
from mbp.contracts.policy import POLICY, Policy
from mbp.contracts.reading import LOGGED_LEVELS
from mbp.core.paths import shown
from mbp.core.reporting import Finding

# How a text of a draft begins that is still to be written.
TODO = "TODO"
EXPOSURES = "models/_exposures.yml"
# Code of the checker of exceptions -> code of lint: of the exceptions of the policy, and of rules that only warn.
EXCEPTION_CODES = {"exception_unused": "A89-005", "exception_expired": "A89-027"}
WARNING_CODES = {"exception_expired": "A89-015", "exception_too_far": "A89-016"}


@contract_check("A106-007", "A106-011", "A106-012", "A106-013", "A106-014", "A106-019")
def says_what_readers_need(contract: ContractFile, _project: Project) -> Iterator[Finding]:
    """In force, with usage, limitations, domain, support, servers and every kind of service level."""
    root, levels = contract.root, contract.root.at("slaProperties")
    status = root.at("status")
    if status.value != "active":
        message = f"expected status active, found {status.value or 'none'}"
        yield fault_at(status, "A106-007", message)
    for node, code, message in (
        (root.at("description", "usage"), "A106-011", "description.usage is missing"),
        (root.at("description", "limitations"), "A106-011", "description.limitations is missing"),
        (root.at("domain"), "A106-012", "the contract has no domain"),
        (root.at("servers"), "A106-014", "no server is named"),
    ):
        if node.blank:
            yield fault_at(node, code, message, contract.dataset)
    if all(entry.at("channel").blank for entry in root.at("support").entries()):
        message = "no support channel is named"
        yield fault_at(root.at("support"), "A106-013", message, contract.dataset)
    needed = (*(LOGGED_LEVELS if "changeLog" in root.custom() else ()), "retention")
    for kind in needed if levels.entries() else ():
        if kind not in contract.levels:
            yield fault_at(levels, "A106-019", f"no service level {kind!r}", contract.dataset)


@contract_check("A106-045")
def is_written(contract: ContractFile, _project: Project) -> Iterator[Finding]:
    """No placeholder of a draft is left."""
    for place, text in texts(contract.root.value, ()):
        if text.startswith(TODO):
            yield fault_at(contract.root.at(*place), "A106-045", text, contract.dataset)


@contract_check("A89-004")
def has_the_rules_of_the_policy(contract: ContractFile, project: Project) -> Iterator[Finding]:
    """Each required family of rules, or an exception."""
    policy = project.read.policy
    if policy is None:
        return
    read = next(
        candidate
        for candidate in project.read.contracts.values()
        if candidate.path == contract.path
    )
    families = {rule.family for rule in read.rules}
    has_log = read.change_log is not None
    for family in missing_families(families, contract.dataset, policy, has_log=has_log):
        message = f"no rule of the family {family}"
        yield fault_at(contract.table, "A89-004", message, contract.dataset)


@contract_check("A87-006", "A87-007")
def is_explained_and_used(contract: ContractFile, project: Project) -> Iterator[Finding]:
    """A term and a metric of the dataset."""
    for code, entries, what in (
        ("A87-006", project.semantics.terms, "glossary term"),
        ("A87-007", project.semantics.metrics, "business metric"),
    ):
        if entries and all(entry.dataset != contract.dataset for entry in entries):
            message = f"no {what} belongs to the dataset"
            yield fault_at(contract.table.at("name"), code, message, contract.dataset)


@contract_check("A87-011")
def is_read_by_an_exposure(contract: ContractFile, project: Project) -> Iterator[Finding]:
    """An exposure names who uses the dataset."""
    exposures = project.root / EXPOSURES
    if exposures.is_file() and f"ref('{contract.dataset}')" not in exposures.read_text("utf-8"):
        message = f"no exposure of {EXPOSURES} reads the dataset"
        yield fault_at(contract.table.at("name"), "A87-011", message, contract.dataset)


@project_check("A106-036")
def every_public_model_has_a_contract(project: Project) -> Iterator[Finding]:
    """A model in the folder of public datasets is a dataset."""
    for model in sorted((project.root / MODELS).glob("*.*")):
        if model.suffix not in (".sql", ".py"):
            continue
        if model.stem not in {*project.read.files, *project.read.unread}:
            path = shown(model, project.root)
            yield fault("A106-036", path, None, "the public model has no contract", model.stem)


@project_check(*EXCEPTION_CODES.values(), *WARNING_CODES.values())
def exceptions_are_needed(project: Project) -> Iterator[Finding]:
    """Exceptions and warnings that expired, or except nothing."""
    read = project.read
    if read.policy is None:
        return
    rules = {name: contract.rules for name, contract in read.contracts.items()}
    for problem in exception_problems(rules, read.policy, project.today, read.unread):
        codes = EXCEPTION_CODES if problem.path == POLICY else WARNING_CODES
        if problem.code in codes:  # an unknown object is a fault of reading
            code = codes[problem.code]
            yield fault(
                code, problem.path, problem.line, problem.message, problem.subject, problem.fix
            )


def missing_families(
    families: Collection[str], dataset: str, policy: Policy, *, has_log: bool
) -> Iterator[str]:
    """Families that every dataset must carry, that are not there and not excepted; without a log none of a log."""
    for family in policy.required_families:
        if family in LOGGED_LEVELS and not has_log:
            continue
        if family not in families and not policy.excepted(dataset, family):
            yield family


def exception_problems(
    rules: Mapping[str, Collection[Rule]],
    policy: Policy,
    today: date,
    unread: Collection[str] = (),
) -> Iterator[Finding]:
    """Exceptions of the policy that expired, are of no dataset, or are of a family that the dataset carries.

    A rule that only warns is an exception too: `warning` is allowed for the rule, until it expires.

    Args:
        rules: dataset -> its rules.
        unread: datasets whose contract cannot be read: their exceptions count as used.
    """
    entries = policy.family_exceptions
    families = {
        dataset: {rule.family for rule in rules_of_dataset}
        for dataset, rules_of_dataset in rules.items()
    }
    used = {entry.key for entry in entries if entry.code not in families.get(entry.object, ())}
    yield from exception_findings(entries, today, used=used, objects={*families, *unread})
    # Only a manifest knows the nodes: `mbp.runs.artifacts` judges those.
    others = [exception for exception in policy.exceptions if exception not in entries]
    yield from exception_findings(others, today)
    warnings = [
        AllowedException(
            "warning", rule.id, rule.owner, rule.reason or "", rule.expires, rule.path, rule.line
        )
        for rules_of_dataset in rules.values()
        for rule in rules_of_dataset
        if rule.severity == "warning" and rule.expires
    ]
    furthest = today + timedelta(days=policy.warnings.max_days_ahead)
    yield from exception_findings(warnings, today, furthest=furthest)
