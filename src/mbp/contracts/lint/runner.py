"""Reads the contracts, runs every check of lint, and gives all that both find."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

from mbp.contracts.contract_file import READING_CHECKS, ContractFile, read_document
from mbp.contracts.contract_loading import (
    FOLDER,
    ContractsRead,
    contract_files,
    read_contracts,
)
from mbp.contracts.fault_codes import rules

# Imported for their checks, which register themselves.
from mbp.contracts.lint import check_columns, check_contract, check_traps
from mbp.contracts.lint.checks import CONTRACT_CHECKS, PROJECT_CHECKS, Project
from mbp.contracts.policy import POLICY
from mbp.contracts.semantics import GLOSSARY, METRICS, Semantics, read_semantics
from mbp.core.errors import MbpError
from mbp.core.paths import shown
from mbp.core.reporting import Finding, Suite
from mbp.core.settings import PACKS, load_settings

NAME = "mbp contracts lint"
CHECKS = (check_columns, check_contract, check_traps)


def lint(root: Path, today: date, paths: Sequence[Path] = ()) -> Suite:
    """Everything that is wrong with the contracts.

    Args:
        paths: gives only what is in these files, held against the whole project; all without one.

    Raises:
        MbpError: there is nothing to lint, or a path is not a file of the contracts.
    """
    settings = load_settings(root)
    judged = settings.packs
    beside = [root / POLICY, *((root / GLOSSARY, root / METRICS) if "A87" in judged else ())]
    checked = [shown(path, root) for path in (*contract_files(root), *beside)]
    wanted = _wanted(root, paths, checked)
    read = read_contracts(root)
    semantics, faults = read_semantics(root, read.contracts, read.policy, read.unread)
    project = Project(root, read, semantics, today)
    findings = {*read.faults, *faults}
    for contract in read.files.values():
        for check in CONTRACT_CHECKS:
            findings.update(check(contract, project))
    for project_check in PROJECT_CHECKS:
        findings.update(project_check(project))
    left_out = tuple(f"{pack}-" for pack in PACKS if pack not in judged)
    shown_here = [
        finding
        for finding in ordered(findings)
        if (not paths or finding.path in wanted)
        and (not finding.code.startswith(left_out) or finding in read.faults)
    ]
    return Suite(NAME, [name for name in checked if name in wanted], shown_here, rules())


def ordered(findings: set[Finding]) -> list[Finding]:
    """By file, line, code, subject and message."""
    return sorted(findings, key=lambda finding: finding.order)


def _wanted(root: Path, paths: Sequence[Path], known: Sequence[str]) -> set[str]:
    names = {shown(path, root) for path in paths} or set(known)
    for name in sorted(names - set(known)):
        raise MbpError("not a file that lint reads", path=name, fix=f"name one of {FOLDER}")
    return names


STANDALONE = "mbp contracts lint --profile odcs"
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
    return Suite(STANDALONE, [str(path) for path in paths], ordered(kept), rules())


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
