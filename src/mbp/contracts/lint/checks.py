"""What a check is, and what it may look at.

A check is a function that yields findings; the decorator names every code that it may yield, so that
the catalogue and the checks can be held against each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path

from mbp.contracts.lint.linted_files import ContractFile
from mbp.contracts.lint.nodes import DocumentNode
from mbp.contracts.policy import Policy
from mbp.core.reporting import Finding


@dataclass(frozen=True)
class Project:
    """The project beside the one contract: what a check holds it against.

    Attributes:
        contracts: dataset -> its contract, of every file that is YAML.
        unread: datasets whose file is not YAML; nothing can be said of what refers to them.
        policy: A89; None when it cannot be read, which lint tells by itself.
        glossary: terms of A87; None when it cannot be read.
        metrics: of A87; None when they cannot be read.
        today: the day that expiry dates are held against.
    """

    root: Path
    contracts: Mapping[str, ContractFile]
    unread: frozenset[str]
    policy: Policy | None
    glossary: DocumentNode | None
    metrics: DocumentNode | None
    today: date

    @cached_property
    def rule_places(self) -> dict[str, list[DocumentNode]]:
        """Rule id -> where it stands, derived rules first, in the order of the files."""
        places: dict[str, list[DocumentNode]] = {}
        for contract in sorted(self.contracts.values(), key=lambda one: one.path):
            for derived in contract.derived:
                places.setdefault(derived.id, []).append(derived.node)
            for entry in contract.entries:
                if entry.id:
                    places.setdefault(entry.id, []).append(entry.node)
        return places


ContractCheck = Callable[[ContractFile, Project], Iterator[Finding]]
ProjectCheck = Callable[[Project], Iterator[Finding]]
CONTRACT_CHECKS: list[ContractCheck] = []
PROJECT_CHECKS: list[ProjectCheck] = []
CHECKED_CODES: set[str] = set()
_CODES: dict[ContractCheck, tuple[str, ...]] = {}


def codes_of(check: ContractCheck) -> tuple[str, ...]:
    """The codes that the check yields."""
    return _CODES[check]


def contract_check(*codes: str) -> Callable[[ContractCheck], ContractCheck]:
    """Registers a check of one contract that yields these codes."""

    def register(check: ContractCheck) -> ContractCheck:
        CONTRACT_CHECKS.append(check)
        _CODES[check] = codes
        CHECKED_CODES.update(codes)
        return check

    return register


def project_check(*codes: str) -> Callable[[ProjectCheck], ProjectCheck]:
    """Registers a check of what stands beside the contracts."""

    def register(check: ProjectCheck) -> ProjectCheck:
        PROJECT_CHECKS.append(check)
        CHECKED_CODES.update(codes)
        return check

    return register


def at(node: DocumentNode, code: str, message: str, subject: str = "", fix: str = "") -> Finding:
    """A finding at the place of a node; the fix of the code where it is empty."""
    return Finding(code, message, node.path, node.line, subject, fix)
