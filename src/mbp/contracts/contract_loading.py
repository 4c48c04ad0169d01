"""Reads contracts/a106: every contract, whole and right, or one line that says why not."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from mbp.contracts.exceptions import demand_objects
from mbp.contracts.model import Contract, Rule
from mbp.contracts.plain_text import demand_plain_text
from mbp.contracts.policy import KEPT, policy_of, policy_text
from mbp.contracts.quality import check_columns, explicit_rules
from mbp.contracts.reading import ReadingPlace, contract_of
from mbp.contracts.rules import derived_rules
from mbp.contracts.standards import check_odcs, is_version
from mbp.core.errors import MbpError
from mbp.core.paths import shown
from mbp.core.yaml_io import read
from mbp.core.yaml_lines import loads

FOLDER = "contracts/a106"
SUFFIX = ".odcs.yaml"
API_VERSION = "v3.1.0"
SINGULAR_TESTS = "tests/dbt/singular"


def load_contracts(root: Path) -> list[Contract]:
    """All contracts of the project with their rules, sorted by dataset.

    Args:
        root: the project.

    Raises:
        MbpError: no contract at all, or the first thing that is wrong with one.
    """
    names = {shown(path, root): path for path in _files(root)}
    texts = tuple((name, read(path, shown_as=name)) for name, path in names.items())
    contracts = _contracts(texts, policy_text(root))
    _singular_tests_exist([rule for contract in contracts for rule in contract.rules], root)
    return list(contracts)


@lru_cache(maxsize=KEPT)
def _contracts(texts: tuple[tuple[str, str], ...], policy: str) -> tuple[Contract, ...]:
    """Contracts by the content of their files: reading YAML with places is slow, and often asked for."""
    held_to = policy_of(policy)
    contracts = [_contract(text, name, policy) for name, text in texts]
    by_dataset = {contract.dataset: contract for contract in contracts}
    rules = [rule for contract in contracts for rule in contract.rules]
    _unique(rules, contracts)
    check_columns(rules, by_dataset)
    demand_objects(held_to.family_exceptions, by_dataset)
    return tuple(sorted(contracts, key=lambda contract: contract.dataset))


def _files(root: Path) -> list[Path]:
    folder = root / FOLDER
    found = sorted(folder.glob("*.y*ml")) if folder.is_dir() else []
    for path in found:
        if not path.name.endswith(SUFFIX):
            raise MbpError(
                "not the name of a contract; it would not be read",
                path=shown(path, root),
                cure=f"name it <dataset>{SUFFIX}",
            )
    if not found:
        raise MbpError(
            "no contract: nothing to check", path=FOLDER, cure=f"add <dataset>{SUFFIX} files"
        )
    return found


@lru_cache(maxsize=KEPT * 4)
def _contract(text: str, name: str, held_to: str) -> Contract:
    policy = policy_of(held_to)
    document = loads(text, shown_as=name)
    place = ReadingPlace(document, name)
    said = document.get("apiVersion") if isinstance(document, dict) else None
    # Before the schema: what is valid in another version of the standard is not what is wrong here.
    if said != API_VERSION and is_version(said):
        raise place.at("apiVersion").refuse(f"expected apiVersion {API_VERSION}, found {said}")
    value = check_odcs(document, name, house=True)
    demand_plain_text(document, name)
    contract = contract_of(value, place, policy)
    explicit = explicit_rules(contract, value["schema"][0], place.at("schema", 0), policy)
    return replace(contract, rules=(*derived_rules(contract, policy), *explicit))


def _unique(rules: list[Rule], contracts: list[Contract]) -> None:
    seen: dict[str, Rule] = {}
    for rule in rules:
        first = seen.setdefault(rule.id, rule)
        if first is not rule:
            raise MbpError(
                f"duplicate rule id {rule.id!r}, first at {first.path}:{first.line}",
                path=rule.path,
                line=rule.line,
                cure="rule ids are unique over all contracts",
            )
    ids: dict[str, str] = {}
    for contract in contracts:
        other = ids.setdefault(contract.contract_id, contract.path)
        if other != contract.path:
            raise MbpError(
                f"duplicate contract id {contract.contract_id!r}, first in {other}",
                path=contract.path,
                cure="give each contract an id of its own",
            )


def _singular_tests_exist(rules: list[Rule], root: Path) -> None:
    for rule in rules:
        path = root / SINGULAR_TESTS / f"{rule.test}.sql"
        if rule.singular and not path.is_file():
            raise MbpError(
                f"the rule {rule.id} has no test {shown(path, root)}",
                path=rule.path,
                line=rule.line,
                cure="write the test or correct its name",
            )
