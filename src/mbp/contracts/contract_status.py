"""Which pack of which dataset is complete, and what is missing where it is not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from mbp.contracts.contract_file import SUFFIX
from mbp.contracts.contract_loading import FOLDER, load_contracts
from mbp.contracts.lint.runner import lint
from mbp.contracts.model_columns import check_models
from mbp.contracts.policy import load_policy
from mbp.contracts.semantics import load_semantics
from mbp.core.reporting import Finding, Suite
from mbp.core.settings import PACKS as ALL
from mbp.core.settings import load_settings

PACKS = tuple(pack for pack in ALL if pack != "A108")  # its codes are part of no row
WITHOUT_CONTRACT = "A106-036"


@dataclass(frozen=True)
class Cell:
    """One pack of one dataset; complete when lint finds no error in it.

    Attributes:
        missing: the errors.
    """

    dataset: str
    pack: str
    missing: tuple[str, ...]


def matrix(root: Path, today: date | None = None) -> list[Cell]:
    """Every dataset x pack, by dataset and in the order of `PACKS`.

    A public model without a contract is a dataset that lacks all of A106. A warning whose day has
    passed makes A89 incomplete: lint judges it and not the reader, so that the calendar alone stops a
    merge but never a build.

    Args:
        today: the day that expiry dates are held against; the present day without it.

    Raises:
        MbpError: contracts, policy or metrics cannot be read, or a contract differs from its model.
    """
    contracts = load_contracts(root)
    load_semantics(root, contracts, load_policy(root))
    check_models(root, contracts)
    datasets = {contract.path: contract.dataset for contract in contracts}
    judged = [pack for pack in PACKS if pack in load_settings(root).packs]
    missing: dict[tuple[str, str], list[str]] = {
        (dataset, pack): [] for dataset in datasets.values() for pack in judged
    }
    for finding in lint(root, today or date.today()).findings:
        # An exception of the policy is about the dataset that it names.
        dataset = datasets.get(finding.path) or finding.subject.rpartition(" of ")[2]
        packs = PACKS if finding.code == WITHOUT_CONTRACT else (finding.code.partition("-")[0],)
        text = finding.message if finding.subject == dataset else finding.sentence
        for pack in set(packs) & set(judged) if finding.severity == "error" else ():
            missing.setdefault((dataset, pack), []).append(text)
    return [
        Cell(dataset, pack, tuple(missing[dataset, pack]))
        for dataset, pack in sorted(missing, key=lambda key: (key[0], PACKS.index(key[1])))
    ]


def matrix_suite(cells: Sequence[Cell]) -> Suite:
    """The matrix as a table, then a finding per missing part."""
    findings = [
        Finding(
            f"{cell.pack.lower()}_incomplete",
            part,
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
    by_place = {(cell.dataset, cell.pack): cell for cell in cells}
    judged = [pack for pack in PACKS if any(cell.pack == pack for cell in cells)]
    column = max(len("incomplete"), *(len(pack) for pack in judged))

    def line(name: str, word: Callable[[str], str]) -> str:
        return "  ".join(
            [name.ljust(width), *(word(pack).ljust(column) for pack in judged)]
        ).rstrip()

    lines = [line("dataset", lambda pack: pack)]
    for dataset in datasets:
        words = {
            pack: "incomplete" if by_place[dataset, pack].missing else "complete" for pack in judged
        }
        lines.append(line(dataset, words.__getitem__))
    return "\n".join(lines)


def matrix_document(cells: Sequence[Cell]) -> dict[str, Any]:
    """The cells for programs, with one verdict over all."""
    return {
        "complete": not any(cell.missing for cell in cells),
        "cells": [{**asdict(cell), "complete": not cell.missing} for cell in cells],
    }
