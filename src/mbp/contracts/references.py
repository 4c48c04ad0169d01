"""Where a relationship leads: `table.column`, or the path `schema/<table>/properties/<column>` of ODCS 3.1."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from mbp.contracts.document_node import DocumentNode

if TYPE_CHECKING:
    from mbp.contracts.contract_file import ContractFile

NAMES = re.compile(r"([^./#\s]+)\.([^./#\s]+)")
# Of the ids of the table and the column, in this contract or in the file before the `#`.
PATH = re.compile(r"(?:(?:[^#:]*/)?([^#:/]+)#)?/?schema/([^/]+)/properties/([^/]+)")


def target_of(
    relationship: DocumentNode, files: Mapping[str, ContractFile]
) -> tuple[str, str] | None:
    """(dataset, column) by their names, or None where it leads to no single column of a contract here.

    Args:
        files: dataset -> contract, where the ids of a path are found; an id that none of them has is a name.
    """
    to = relationship.at("to")
    if to.is_list and len(to.entries()) == 1:
        to = to.at(0)
    if names := NAMES.fullmatch(to.text):
        return names[1], names[2]
    path = PATH.fullmatch(to.text)
    if path is None:
        return None
    file, table, column = path.groups()
    dataset = next(
        (name for name, other in files.items() if other.table.at("id").text == table), table
    )
    columns = files[dataset].columns if dataset in files else {}
    name = next((name for name, node in columns.items() if node.at("id").text == column), column)
    return (dataset, name) if file is None or file.startswith(f"{dataset}.") else None
