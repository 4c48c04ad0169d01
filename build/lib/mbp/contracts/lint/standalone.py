"""Lint of any ODCS file, wherever it is: the standard and the traps, without the policy of this project."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

from mbp.contracts.contract_file import ContractFile, read_document
from mbp.contracts.contract_loading import ContractsRead
from mbp.contracts.fault_codes import rules
from mbp.contracts.lint.checks import CONTRACT_CHECKS, Project
from mbp.contracts.lint.runner import ordered
from mbp.contracts.reading_checks import READING_CHECKS
from mbp.contracts.semantics import Semantics
from mbp.core.errors import MbpError
from mbp.core.reporting import Finding, Suite

NAME = "mbp contracts lint --profile odcs"
GROUPS = {"YAML", "ODCS", "TRAP"}
# Of the standard's codes the one that is policy of this project: one version for all contracts.
POLICY_CODES = {"ODCS-004"}


def lint_files(paths: Sequence[Path], today: date) -> Suite:
    """Everything in which these files break the standard, or fall into a trap.

    Raises:
        MbpError: no file was named.
    """
    if not paths:
        raise MbpError("no file to lint", fix="name contracts: mbp contracts lint PATH...")
    findings: set[Finding] = set()
    for path in paths:
        node, faults = read_document(path, str(path))
        findings.update(faults)
        if node is not None:
            findings.update(_findings(ContractFile(node), path, today))
    kept = {finding for finding in findings if finding.code not in POLICY_CODES}
    return Suite(NAME, [str(path) for path in paths], ordered(kept), rules())


def _findings(contract: ContractFile, path: Path, today: date) -> Iterator[Finding]:
    read = ContractsRead({}, {}, frozenset(), None, ())
    project = Project(path.parent, read, Semantics((), (), ()), today)
    for table in contract.tables():
        for reading_check, codes in READING_CHECKS.items():
            if _applies(codes, table):
                yield from reading_check(table, None)
        for check, codes in CONTRACT_CHECKS.items():
            if _applies(codes, table):
                yield from check(table, project)


def _applies(codes: Sequence[str], table: ContractFile) -> bool:
    """The checks of the standard judge the whole document, at its first table."""
    groups = {code.partition("-")[0] for code in codes}
    return groups <= GROUPS and (table.index == 0 or groups == {"TRAP"})
