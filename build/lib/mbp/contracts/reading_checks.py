"""The checks of the one reader of contracts: what each may see, and the codes that it may yield.

What a reading check finds, loading refuses and lint prints. What only lint judges is in `mbp.contracts.lint`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from mbp.contracts.contract_file import ContractFile
from mbp.contracts.policy import Policy
from mbp.core.reporting import Finding

# A contract as a document, and A89 where it can be read.
ReadingCheck = Callable[[ContractFile, Policy | None], Iterator[Finding]]
# In the order in which loading refuses.
READING_CHECKS: dict[ReadingCheck, tuple[str, ...]] = {}


def reading_check(*codes: str) -> Callable[[ReadingCheck], ReadingCheck]:
    """Registers a check of one contract that yields these codes."""

    def register(check: ReadingCheck) -> ReadingCheck:
        READING_CHECKS[check] = codes
        return check

    return register
