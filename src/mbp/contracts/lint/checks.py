"""What a check of lint is, and what it may read.

A check is a function that yields findings; the decorator names every code that it may yield, so that
the catalogue and the checks can be held against each other. What loading refuses is found by the reader
(`mbp.contracts.contract_file`); here is what it accepts and the organisation does not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from mbp.contracts.contract_file import ContractFile, registering
from mbp.contracts.contract_loading import ContractsRead
from mbp.contracts.semantics import Semantics
from mbp.core.reporting import Finding


@dataclass(frozen=True)
class Project:
    """The project beside the one contract: what a check holds it against.

    Attributes:
        semantics: A87, as far as it can be read.
        today: the day that expiry dates are held against.
    """

    root: Path
    read: ContractsRead
    semantics: Semantics
    today: date


ContractCheck = Callable[[ContractFile, Project], Iterator[Finding]]
ProjectCheck = Callable[[Project], Iterator[Finding]]
CONTRACT_CHECKS: dict[ContractCheck, tuple[str, ...]] = {}
PROJECT_CHECKS: dict[ProjectCheck, tuple[str, ...]] = {}
contract_check = registering(CONTRACT_CHECKS)
# Of what is beside the contracts.
project_check = registering(PROJECT_CHECKS)
