"""Reads what there is of the contracts, runs every check, and tells all that they find."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import TypeVar

from jsonschema import Draft201909Validator

from mbp.contracts.contract_loading import FOLDER, load_contracts

# Imported for their checks, which register themselves.
from mbp.contracts.lint import (
    check_columns,
    check_contract,
    check_implementations,
    check_limits,
    check_rules,
    check_semantics,
    check_traps,
)
from mbp.contracts.lint.catalogue import rules
from mbp.contracts.lint.checks import CHECKED_CODES, CONTRACT_CHECKS, PROJECT_CHECKS, Project
from mbp.contracts.lint.linted_files import ContractFile, dataset_of, read_document
from mbp.contracts.lint.nodes import DocumentNode
from mbp.contracts.policy import POLICY, SCHEMA, Policy, load_policy
from mbp.contracts.semantics import (
    GLOSSARY,
    GLOSSARY_SCHEMA,
    METRICS,
    METRICS_SCHEMA,
    load_semantics,
)
from mbp.core.errors import MbpError
from mbp.core.paths import shown
from mbp.core.reporting import Finding, Suite

NAME = "mbp contracts lint"
Loaded = TypeVar("Loaded")
CHECKS = (
    check_columns,
    check_contract,
    check_implementations,
    check_limits,
    check_rules,
    check_semantics,
    check_traps,
)
# Yielded while files are read, and not by a registered check.
READING_CODES = frozenset({"YAML-001", "YAML-002", "YAML-003", "A87-008", "A89-001", "A106-038"})


def checked_codes() -> frozenset[str]:
    """Every code that a finding may carry."""
    return frozenset(CHECKED_CODES) | READING_CODES


def lint(root: Path, today: date, paths: Sequence[Path] = ()) -> Suite:
    """Everything that is wrong with the contracts.

    Args:
        root: the project.
        today: the day that expiry dates are held against.
        paths: tells only what stands in these files, held against the whole project; all without one.

    Raises:
        MbpError: there is nothing to lint, or a path is no file of the contracts.
    """
    files = sorted((root / FOLDER).glob("*.y*ml"))
    if not files:
        raise MbpError(
            "no contract: nothing to lint", path=FOLDER, cure="add <dataset>.odcs.yaml files"
        )
    beside = [root / name for name in (GLOSSARY, METRICS, POLICY)]
    looked_at = [shown(path, root) for path in (*files, *beside)]
    wanted = _wanted(root, paths, looked_at)
    problems: list[Finding] = []
    contracts, unread = _contracts(root, files, problems)
    policy = _policy(root, problems)
    project = Project(
        root,
        contracts,
        frozenset(unread),
        policy,
        _semantics(root, GLOSSARY, GLOSSARY_SCHEMA, problems),
        _semantics(root, METRICS, METRICS_SCHEMA, problems),
        today,
    )
    for contract in contracts.values():
        for check in CONTRACT_CHECKS:
            problems += check(contract, project)
    for project_check in PROJECT_CHECKS:
        problems += project_check(project)
    problems += _refused(root, problems)
    findings = sorted(
        {problem.completed(rules()) for problem in problems},
        key=lambda one: one.order,
    )
    told = [one for one in findings if not paths or one.path in wanted]
    return Suite(NAME, [name for name in looked_at if name in wanted], told, rules())


def _wanted(root: Path, paths: Sequence[Path], known: Sequence[str]) -> set[str]:
    names = {shown(path, root) for path in paths} or set(known)
    for name in sorted(names - set(known)):
        raise MbpError("not a file that lint looks at", path=name, cure=f"name one of {FOLDER}")
    return names


def _contracts(
    root: Path, files: Sequence[Path], problems: list[Finding]
) -> tuple[dict[str, ContractFile], set[str]]:
    """(dataset -> contract, datasets that cannot be read)."""
    contracts: dict[str, ContractFile] = {}
    unread: set[str] = set()
    for file in files:
        name = shown(file, root)
        node, found = read_document(file, name)
        problems += found
        if node is None:
            unread.add(dataset_of(name))
            continue
        contract = ContractFile(node, house=True)
        # Two files of one dataset: both are looked at, the second under the name of its file.
        key = contract.dataset if contract.dataset not in contracts else dataset_of(name)
        contracts[key] = contract
    return contracts, unread


def _policy(root: Path, problems: list[Finding]) -> Policy | None:
    document, found = read_document(root / POLICY, POLICY)
    problems += found
    if document is None:
        return None
    violations = document.violations(Draft201909Validator(SCHEMA))
    if violations:
        problems += [
            Finding("A89-001", one.what, POLICY, one.line, fix=one.cure or "") for one in violations
        ]
        return None
    return _try(lambda: load_policy(root), "A89-001", POLICY, problems)


def _semantics(
    root: Path, file: str, schema: dict[str, object], problems: list[Finding]
) -> DocumentNode | None:
    document, found = read_document(root / file, file)
    problems += found
    if document is None:
        return None
    violations = document.violations(Draft201909Validator(schema))
    problems += [
        Finding("A87-008", one.what, file, one.line, fix=one.cure or "") for one in violations
    ]
    return document


def _try(
    load: Callable[[], Loaded], code: str, file: str, problems: list[Finding]
) -> Loaded | None:
    try:
        return load()
    except MbpError as error:
        problems.append(
            Finding(code, error.what, str(error.path or file), error.line, "", error.cure or "")
        )
        return None


def _refused(root: Path, problems: Sequence[Finding]) -> Iterator[Finding]:
    """What the loader refuses although no check found an error: lint is never the laxer one."""
    known = rules()
    if any(known[problem.code].severity == "error" for problem in problems):
        return
    found: list[Finding] = []
    contracts = _try(lambda: load_contracts(root), "A106-038", FOLDER, found)
    if contracts is not None:
        _try(
            lambda: load_semantics(root, contracts, load_policy(root)), "A106-038", GLOSSARY, found
        )
    yield from found
