"""Lint of any ODCS file, wherever it lies: the standard and the traps, without the policy of this project."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

from mbp.contracts.lint.catalogue import rules
from mbp.contracts.lint.checks import CONTRACT_CHECKS, Project, codes_of
from mbp.contracts.lint.linted_files import ContractFile, read_document
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
        raise MbpError("no file to lint", cure="name contracts: mbp contracts lint PATH...")
    problems: list[Finding] = []
    for path in paths:
        node, found = read_document(path, str(path))
        problems += found
        if node is not None:
            problems += _problems(ContractFile(node), path, today)
    known = rules()
    findings = {one.completed(known) for one in problems if one.code not in POLICY_CODES}
    ordered = sorted(findings, key=lambda one: one.order)
    return Suite(NAME, [str(path) for path in paths], ordered, known)


def _problems(contract: ContractFile, path: Path, today: date) -> Iterator[Finding]:
    project = Project(path.parent, {}, frozenset(), None, None, None, today)
    for check in CONTRACT_CHECKS:
        if {code.partition("-")[0] for code in codes_of(check)} <= GROUPS:
            for table in contract.tables() if "TRAP" in codes_of(check)[0] else [contract]:
                yield from check(table, project)
