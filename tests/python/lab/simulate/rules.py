"""The rules of the contracts, and a rule of one's own for what no contract has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mbp.contracts import load_contracts
from mbp.contracts import rules as contract_rules

ROOT = Path(__file__).resolve().parents[4]


@dataclass(frozen=True)
class Facts:
    id: str
    dataset: str
    test: str
    columns: Sequence[str] = ()
    arguments: Mapping[str, Any] = field(default_factory=dict)


def all_rules() -> Sequence[contract_rules.Rule]:
    """Every rule that the contracts carry."""
    return contract_rules.all_rules(load_contracts(ROOT))
