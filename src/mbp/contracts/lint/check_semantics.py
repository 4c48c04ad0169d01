"""A87 and A89 beside the contracts: glossary, business metrics and the policy itself."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

from mbp.contracts.completeness import exception_problems
from mbp.contracts.lint.checks import Project, at, contract_check, project_check
from mbp.contracts.lint.linted_files import ContractFile
from mbp.contracts.lint.nodes import DocumentNode
from mbp.core.reporting import Finding
from mbp.core.schema_check import did_you_mean

# Code of the checker of exceptions -> code of lint.
EXCEPTION_CODES = {
    "exception_object_unknown": "A89-003",
    "exception_unused": "A89-005",
    "exception_expired": "A89-027",
}


@contract_check("A87-006", "A87-007")
def is_explained_and_used(contract: ContractFile, project: Project) -> Iterator[Finding]:
    """A term and a metric of the dataset."""
    for code, root, key, what in (
        ("A87-006", project.glossary, "terms", "glossary term"),
        ("A87-007", project.metrics, "metrics", "business metric"),
    ):
        if root is not None and contract.dataset not in _datasets(root, key):
            message = f"no {what} belongs to the dataset"
            yield at(contract.table.at("name"), code, message, contract.dataset)


def _datasets(root: DocumentNode, key: str) -> set[str]:
    return {entry.at("dataset").text for entry in root.at(key).entries()}


@project_check("A87-009", "A87-010")
def terms_and_metrics(project: Project) -> Iterator[Finding]:
    """Each word and metric once, of owners, datasets and columns that exist."""
    datasets = {*project.contracts, *project.unread}
    for root, key, name_key in (
        (project.glossary, "terms", "term"),
        (project.metrics, "metrics", "id"),
    ):
        seen: set[str] = set()
        for entry in root.at(key).entries() if root else ():
            name, dataset = entry.at(name_key).text, entry.at("dataset").text
            if name.lower() in seen:
                yield at(entry, "A87-009", f"the {name_key} {name!r} stands twice", name)
            seen.add(name.lower())
            if dataset and dataset not in datasets:
                yield _unknown(entry.at("dataset"), "dataset", dataset, name, datasets)
            yield from _owner(entry, name, project)
            if dataset in project.contracts:
                yield from _columns(entry, name, project.contracts[dataset])


def _owner(entry: DocumentNode, name: str, project: Project) -> Iterator[Finding]:
    owner = entry.at("owner")
    if project.policy and owner.text and owner.text not in project.policy.owners:
        yield _unknown(owner, "owner", owner.text, name, project.policy.owners)


def _columns(entry: DocumentNode, name: str, contract: ContractFile) -> Iterator[Finding]:
    for column in entry.at("columns").entries():
        if column.text not in contract.columns:
            yield _unknown(column, "column", column.text, name, contract.columns)


def _unknown(
    node: DocumentNode, kind: str, found: str, subject: str, known: Collection[str]
) -> Finding:
    return at(node, "A87-010", f"unknown {kind} {found!r}", subject, did_you_mean(found, known))


@project_check("A89-002", *EXCEPTION_CODES.values())
def policy_fits_the_contracts(project: Project) -> Iterator[Finding]:
    """Families that rules are derived in are defined; exceptions are of datasets that need them."""
    policy = project.policy
    if policy is None:
        return
    derived = {rule.family for one in project.contracts.values() for rule in one.derived}
    for family in sorted(derived - policy.families.keys()):
        message = f"no family {family!r}, which derived rules belong to"
        yield Finding("A89-002", message, policy.path, subject=family)
    families = {name: one.families for name, one in project.contracts.items()}
    for found in exception_problems(families, policy, project.today, project.unread):
        code = EXCEPTION_CODES[found.code]
        yield replace(found, code=code)
