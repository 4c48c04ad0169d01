"""Which pack of which dataset is complete, and what is missing where it is not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from mbp.contracts.completeness import (
    COMPLETE_STATUS,
    PROMISES,
    exception_problems,
    furthest_expiry,
    missing_families,
    needs_unit,
    only_repeats,
)
from mbp.contracts.contract_file import SUFFIX
from mbp.contracts.contract_loading import FOLDER, load_contracts
from mbp.contracts.model import Contract
from mbp.contracts.model_columns import MODELS, check_models
from mbp.contracts.policy import Policy, load_policy
from mbp.contracts.semantics import Semantics, load_semantics
from mbp.core.reporting import Finding, Suite

PACKS = ("A106", "A87", "A89")


@dataclass(frozen=True)
class Cell:
    """One pack of one dataset; complete when nothing is missing."""

    dataset: str
    pack: str
    missing: tuple[str, ...]


def matrix(root: Path, today: date | None = None) -> list[Cell]:
    """Every dataset x pack, by dataset and in the order of `PACKS`.

    A public model without a contract is a dataset that lacks all of A106. A warning whose day has
    passed makes A89 incomplete: it is judged here and not when contracts are read, so that the
    calendar alone stops a merge but never a build.

    Args:
        today: the day that expiry dates are held against; the present day without it.

    Raises:
        MbpError: contracts, policy or metrics cannot be read, or a contract differs from its model.
    """
    contracts = load_contracts(root)
    policy = load_policy(root)
    semantics = load_semantics(root, contracts, policy)
    check_models(root, contracts)
    known = {contract.dataset for contract in contracts}
    cells = [
        Cell(path.stem, pack, ("a contract",))
        for path in (root / MODELS).glob("*.sql")
        if path.stem not in known
        for pack in PACKS
    ]
    for contract in contracts:
        parts = (
            _a106(contract),
            _a87(contract, semantics),
            _a89(contract, policy, today or date.today()),
        )
        cells += [
            Cell(contract.dataset, pack, tuple(missing))
            for pack, missing in zip(PACKS, parts, strict=True)
        ]
    return sorted(cells, key=lambda cell: (cell.dataset, PACKS.index(cell.pack)))


def _a106(contract: Contract) -> list[str]:
    parts: dict[str, object] = {
        f"status {COMPLETE_STATUS}": contract.status == COMPLETE_STATUS,
        "domain": contract.domain,
        "description.usage": contract.usage,
        "description.limitations": contract.limitations,
        "support channel": any(contract.support_channels),
        "server": contract.servers,
    }
    parts |= {f"service level {kind}": contract.service_level(kind) for kind in PROMISES}
    return [name for name, found in parts.items() if not found]


def _a87(contract: Contract, semantics: Semantics) -> list[str]:
    missing = [
        f"unit of {column.name}"
        for column in contract.columns
        if needs_unit(column.logical_type) and not column.unit
    ]
    # Loading refused columns without a description; one that repeats the name says nothing either.
    missing += [
        f"meaning of {column.name}"
        for column in contract.columns
        if only_repeats(column.description, column.name)
    ]
    if all(term.dataset != contract.dataset for term in semantics.terms):
        missing.append("glossary term")
    if all(metric.dataset != contract.dataset for metric in semantics.metrics):
        missing.append("business metric")
    return missing


def _a89(contract: Contract, policy: Policy, today: date) -> list[str]:
    families = {rule.family for rule in contract.rules}
    missing = [
        f"rules of the family {family}"
        for family in missing_families(families, contract.dataset, policy)
    ]
    missing += [
        f"correction of {problem.place}: {problem.sentence}"
        for problem in exception_problems({contract.dataset: families}, policy, today)
        if problem.code != "exception_object_unknown"
    ]
    furthest = furthest_expiry(policy, today)
    for rule in contract.rules:
        if rule.expires and rule.expires < today:
            missing.append(f"end of the warning {rule.id}: it expired on {rule.expires}")
        elif rule.expires and rule.expires > furthest:
            missing.append(f"a day up to {furthest} for the warning {rule.id}, not {rule.expires}")
    return missing


def matrix_suite(cells: Sequence[Cell]) -> Suite:
    """The matrix as a table, then a finding per missing part."""
    findings = [
        Finding(
            f"{cell.pack.lower()}_incomplete",
            f"missing {part}",
            f"{FOLDER}/{cell.dataset}{SUFFIX}",
            subject=f"{cell.dataset} {cell.pack}",
        )
        for cell in cells
        for part in cell.missing
    ]
    checked = [f"{cell.dataset} {cell.pack}" for cell in cells]
    return Suite("mbp contracts status", checked, findings, unit="pack", table=_matrix(cells))


def _matrix(cells: Sequence[Cell]) -> str:
    width = max(len(cell.dataset) for cell in cells)
    datasets = sorted({cell.dataset for cell in cells})
    column = max(len("incomplete"), *(len(pack) for pack in PACKS))
    by_place = {(cell.dataset, cell.pack): cell for cell in cells}

    def line(name: str, word: Callable[[str], str]) -> str:
        return "  ".join(
            [name.ljust(width), *(word(pack).ljust(column) for pack in PACKS)]
        ).rstrip()

    lines = [line("dataset", lambda pack: pack)]
    for dataset in datasets:
        words = {
            pack: "incomplete" if by_place[dataset, pack].missing else "complete" for pack in PACKS
        }
        lines.append(line(dataset, words.__getitem__))
    return "\n".join(lines)


def matrix_document(cells: Sequence[Cell]) -> dict[str, Any]:
    """The cells for programs, with one verdict over all."""
    return {
        "complete": not any(cell.missing for cell in cells),
        "cells": [{**asdict(cell), "complete": not cell.missing} for cell in cells],
    }
