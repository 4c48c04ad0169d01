"""Keys of the standard that this project enforces, and keys that are words for people.

Every other key of the standard (`mbp.contracts.compatibility.standard`, which a test compares with the official
schemas) would state something that nothing here checks: lint refuses it by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mbp.contracts.compatibility.standard import STANDARD
from mbp.contracts.contract_file import ContractFile, reading_check
from mbp.contracts.document_node import DocumentNode, fault_at
from mbp.contracts.policy import Policy
from mbp.core.reporting import Finding


@dataclass(frozen=True)
class HouseKeys:
    """The keys of one kind of element that a contract of this project may use, documentation apart.

    Attributes:
        enforced: a test, the loader, the registry or a grant follows from it.
        words: it informs people and states nothing of the data.
    """

    enforced: frozenset[str]
    words: frozenset[str]


def _house(enforced: str, words: str = "") -> HouseKeys:
    return HouseKeys(frozenset(enforced.split()), frozenset(words.split()))


HOUSE: Mapping[str, HouseKeys] = {
    "": _house(
        "apiVersion description id kind schema servers slaProperties status team version",
        "dataProduct domain price roles tenant",
    ),
    "SchemaObject": _house(
        "dataGranularityDescription logicalType name physicalName properties quality",
        "authoritativeDefinitions physicalType",
    ),
    "SchemaProperty": _house(
        "classification logicalType logicalTypeOptions name physicalType primaryKey quality"
        " relationships required unique",
        "authoritativeDefinitions criticalDataElement primaryKeyPosition semanticType transformLogic",
    ),
    "ServiceLevelAgreementProperty": _house("element property unit value"),
}


def refused(element: str) -> frozenset[str]:
    """The keys of the element that nothing here enforces."""
    house = HOUSE[element]
    return STANDARD[element].judged - house.enforced - house.words


@reading_check("A106-044")
def is_enforced(contract: ContractFile, _policy: Policy | None) -> Iterator[Finding]:
    """No key whose statement nothing checks."""
    yield from _unenforced(contract.root, "", contract.dataset)
    yield from _unenforced(contract.table, "SchemaObject", contract.dataset)
    for subject, column in contract.all_columns():
        yield from _unenforced(column, "SchemaProperty", subject)
    for level in contract.root.at("slaProperties").entries():
        yield from _unenforced(level, "ServiceLevelAgreementProperty", contract.dataset)


def _unenforced(node: DocumentNode, element: str, subject: str) -> Iterator[Finding]:
    for key in sorted(refused(element) & node.mapping.keys()):
        # The same name twice is no second name.
        if key == "physicalName" and node.at(key).text == node.at("name").text:
            continue
        yield fault_at(node.at(key), "A106-044", f"nothing enforces {key!r}", subject)
