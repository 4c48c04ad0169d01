"""Data contracts: what the four datasets guarantee (A106), mean (A87) and must satisfy (A89)."""

from mbp.contracts.contract_loading import load_contracts
from mbp.contracts.model import Column, Contract, Rule
from mbp.contracts.rules import all_rules

__all__ = ["Column", "Contract", "Rule", "all_rules", "load_contracts"]
