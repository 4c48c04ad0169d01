"""The one reader of contracts: all of contracts/a106 as far as it can be read, and everything that is wrong with it.

`load_contracts` refuses the first fault; `mbp contracts lint` prints all of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache
from itertools import islice
from pathlib import Path

from mbp.contracts import column_faults, contract_faults, rule_faults
from mbp.contracts.contract_file import READING_CHECKS, ContractFile, dataset_of, parsed, target_of
from mbp.contracts.document_node import DocumentNode, fault_at
from mbp.contracts.exceptions import exception_findings
from mbp.contracts.fault_codes import fault, fault_of
from mbp.contracts.model import ChangeLog, Contract, Rule
from mbp.contracts.policy import KEPT, POLICY, Policy, policy_of, policy_violations
from mbp.contracts.reading import contract_of
from mbp.contracts.rule_ids import Known, recorded_ids, with_ids
from mbp.contracts.rules import derived_rules, explicit_rule, is_written_here
from mbp.core.dbt_project import files_in
from mbp.core.errors import MbpError
from mbp.core.paths import shown
from mbp.core.reporting import Finding
from mbp.core.schema_check import did_you_mean
from mbp.core.yaml_io import read

FOLDER = "contracts/a106"
DEFINES = r"{%%-?\s*(?:test\s+|macro\s+(?:\w+__)?test_)%s\("
# Their checks register themselves; loading refuses in this order.
CHECKS = (
    contract_faults.__name__,
    contract_faults.__name__,
    column_faults.__name__,
    rule_faults.__name__,
)
# Of what is found while files are read and compared, and not by a registered check.
CODES = frozenset(
    {
        *("YAML-001", "YAML-002", "YAML-003", "TRAP-015", "A106-030", "A106-031", "A106-033"),
        *("A89-001", "A89-002", "A89-003", "A89-018", "A89-020", "A89-022"),
    }
)


@dataclass(frozen=True)
class ContractsRead:
    """All contracts, as far as they can be read.

    Attributes:
        files: dataset -> its document, of every file that is YAML.
        contracts: dataset -> its contract, of the same files; what is wrong in one is left empty.
        unread: datasets whose file is not YAML; nothing can be said of what refers to them.
        policy: A89; None when it cannot be read.
        faults: what loading refuses, the first one first.
    """

    files: Mapping[str, ContractFile]
    contracts: Mapping[str, Contract]
    unread: frozenset[str]
    policy: Policy | None
    faults: Sequence[Finding]


def load_contracts(root: Path) -> list[Contract]:
    """All contracts of the project with their rules, sorted by dataset.

    Raises:
        MbpError: no contract at all, or the first thing that is wrong with one.
    """
    contracts_read = read_contracts(root)
    for first in contracts_read.faults:
        raise first.as_error
    return sorted(contracts_read.contracts.values(), key=lambda contract: contract.dataset)


def contract_files(root: Path) -> list[Path]:
    """The files of contracts, by name.

    Raises:
        MbpError: there is none.
    """
    files = sorted((root / FOLDER).glob("*.y*ml"))
    if not files:
        raise MbpError(
            "no contract: nothing to check", path=FOLDER, fix="add <dataset>.odcs.yaml files"
        )
    return files


def read_contracts(root: Path) -> ContractsRead:
    """All contracts of the project with everything that is wrong with them.

    Raises:
        MbpError: no contract at all, or a published version that cannot be read.
    """
    texts: list[tuple[str, str]] = []
    unreadable: list[Finding] = []
    for path in (*contract_files(root), root / POLICY):
        name = shown(path, root)
        try:
            texts.append((name, read(path, shown_as=name)))
        except MbpError as error:
            unreadable.append(fault_of(error, "YAML-003", name))
    known = tuple(sorted(recorded_ids(root).items()))
    contracts_read = _read(tuple(texts), tuple(unreadable), known)
    missing = _tests_missing(contracts_read, root)
    return replace(contracts_read, faults=[*contracts_read.faults, *missing])


@lru_cache(maxsize=KEPT)
def _read(
    texts: tuple[tuple[str, str], ...],
    unreadable: tuple[Finding, ...],
    known: tuple[tuple[tuple[str, str], str], ...],
) -> ContractsRead:
    """Kept by the content of the files: reading YAML with places is slow, and often asked for."""
    faults = list(unreadable)
    policy_text = dict(texts).get(POLICY)
    policy = _policy(policy_text, faults) if policy_text is not None else None
    files: dict[str, ContractFile] = {}
    unread = {dataset_of(finding.path) for finding in unreadable}
    for name, text in texts:
        if name == POLICY:
            continue
        file, findings = _file(text, name, policy_text if policy else None)
        faults += findings
        if file is None:
            unread.add(dataset_of(name))
            continue
        # Two files of one dataset: both are read, the second under the name of its file.
        key = file.dataset if file.dataset not in files else dataset_of(name)
        files[key] = file
    contracts = _with_rules(files, policy, dict(known))
    read = ContractsRead(files, contracts, frozenset(unread), policy, faults)
    faults += [*_ids_twice(read), *_unknown_columns(read), *_policy_unfit(read)]
    return read


@lru_cache(maxsize=KEPT * 4)
def _file(
    text: str, name: str, policy_text: str | None
) -> tuple[ContractFile | None, Sequence[Finding]]:
    node, findings = parsed(text, name)
    if node is None:
        return None, findings
    file = ContractFile(node, house=True)
    policy = None if policy_text is None else policy_of(policy_text)
    checks = sorted(READING_CHECKS, key=lambda check: CHECKS.index(check.__module__))
    faults = [*findings, *(finding for check in checks for finding in check(file, policy))]
    return file, faults


def _with_rules(
    files: Mapping[str, ContractFile], policy: Policy | None, known: Known
) -> dict[str, Contract]:
    """The contracts with the rules that follow from their schemas, and their quality entries."""
    contracts = {key: contract_of(file, files) for key, file in files.items()}
    explicit = {
        key: tuple(explicit_rule(entry, file) for entry in file.entries)
        for key, file in files.items()
    }
    stated = [rule for rules in explicit.values() for rule in rules]
    derived = {key: derived_rules(contract, policy) for key, contract in contracts.items()}
    named = with_ids((rule for rules in derived.values() for rule in rules), stated, known)
    return {
        key: replace(contract, rules=(*islice(named, len(derived[key])), *explicit[key]))
        for key, contract in contracts.items()
    }


def _policy(text: str, faults: list[Finding]) -> Policy | None:
    document, findings = parsed(text, POLICY)
    faults += findings
    if document is None or findings:
        return None
    try:
        return policy_of(text)
    except MbpError as error:
        others = policy_violations(text)
        faults += dict.fromkeys(
            fault_of(mbp_error, "A89-001", POLICY) for mbp_error in (error, *others)
        )
        return None


def _ids_twice(read: ContractsRead) -> Iterator[Finding]:
    """Rule ids, those of derived rules too, contract ids and change logs: each once over all contracts."""
    rules: dict[str, Rule] = {}
    ids: dict[str, str] = {}
    logs: dict[ChangeLog, str] = {}
    for key, contract in read.contracts.items():
        for rule in contract.rules:
            first = rules.setdefault(rule.id, rule)
            if first is not rule and rule.id:
                message = f"duplicate rule id {rule.id!r}, first at {first.path}:{first.line}"
                yield fault("A89-018", rule.path, rule.line, message, rule.id)
        other = ids.setdefault(contract.contract_id, contract.path)
        if other != contract.path and contract.contract_id:
            message = f"duplicate contract id {contract.contract_id!r}, first in {other}"
            yield fault_at(read.files[key].root.at("id"), "A106-033", message, contract.dataset)
        log = contract.change_log
        if log and (first_path := logs.setdefault(log, contract.path)) != contract.path:
            message = f"duplicate change log {log.raw}, first in {first_path}"
            place = read.files[key].root.custom()["changeLog"]
            yield fault_at(place, "A106-041", message, contract.dataset)


def _unknown_columns(read: ContractsRead) -> Iterator[Finding]:
    """Every column that a rule reads, and every foreign key, leads to a column."""
    for file in read.files.values():
        for entry in file.entries:
            columns = entry.node.custom().get("columns", entry.node.at("columns"))
            for node in columns.entries():
                dataset, _, name = node.text.rpartition(".")
                place = (dataset or file.dataset, name)
                yield from _unknown(read, node, place, entry.subject, ("A89-020", "A89-020"))
        for subject, column in file.all_columns():
            reference = column.at("relationships", 0)
            if target := target_of(reference, read.files):
                yield from _unknown(read, reference, target, subject, ("A106-030", "A106-031"))


def _unknown(
    read: ContractsRead,
    node: DocumentNode,
    place: tuple[str, str],
    subject: str,
    codes: tuple[str, str],
) -> Iterator[Finding]:
    dataset, name = place
    if dataset in read.files:
        known = read.files[dataset].columns
        if name not in known:
            message = f"unknown column {name!r} of {dataset}"
            yield fault_at(node, codes[1], message, subject, did_you_mean(name, known))
    elif dataset not in read.unread:
        fix = did_you_mean(dataset, read.files)
        yield fault_at(node, codes[0], f"unknown dataset {dataset!r}", subject, fix)


def _policy_unfit(read: ContractsRead) -> Iterator[Finding]:
    """Families that rules are derived in are defined; exceptions are of datasets that there are."""
    policy = read.policy
    if policy is None:
        return
    derived = {
        rule.family
        for contract in read.contracts.values()
        for rule in contract.rules
        if rule.origin == "derived"
    }
    for family in sorted(derived - policy.families.keys()):
        message = f"no family {family!r}, which derived rules belong to"
        yield fault("A89-002", POLICY, None, message, family)
    objects = {*read.contracts, *read.unread}
    for finding in exception_findings(policy.family_exceptions, date.min, objects=objects):
        yield fault(
            "A89-003", finding.path, finding.line, finding.message, finding.subject, finding.fix
        )


def generic_test(root: Path, name: str) -> Path | None:
    """The file of a generic test that the project has itself."""
    return _defining(name, _test_files(root))


def _test_files(root: Path) -> list[Path]:
    kinds = ("test-paths", "macro-paths")
    return [path for kind in kinds for path in files_in(root, kind, (".sql",))]


def _defining(name: str, files: list[Path]) -> Path | None:
    """The file that defines the test; most often it is called after it."""
    defines = re.compile(DEFINES % re.escape(name))
    for path in sorted(files, key=lambda path: path.stem != name):
        if defines.search(path.read_text(encoding="utf-8", errors="replace")):
            return path
    return None


def _tests_missing(read: ContractsRead, root: Path) -> Iterator[Finding]:
    named = [
        (test, entry.subject)
        for file in read.files.values()
        for entry in file.entries
        if (test := entry.node.at("implementation", "test")).text and is_written_here(test.text)
    ]
    files = _test_files(root) if named else []
    for test, subject in named:
        if _defining(str(test.text), files) is None:
            message = f"there is no generic test {test.text} in the test-paths or macro-paths"
            yield fault_at(test, "A89-022", message, subject)
