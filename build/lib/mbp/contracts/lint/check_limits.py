"""ODCS: limits of a column that contradict each other, and listed values that are none of its type."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import localcontext

from mbp.contracts.compatibility.change_model import SchemaNode as Column
from mbp.contracts.compatibility.change_model import Unreadable
from mbp.contracts.compatibility.diff import DIGITS
from mbp.contracts.compatibility.odcs_tables import tables
from mbp.contracts.compatibility.values import allowed, empty
from mbp.contracts.contract_file import ContractFile
from mbp.contracts.document_node import DocumentNode, fault_at
from mbp.contracts.lint.checks import Project, contract_check
from mbp.core.errors import MbpError
from mbp.core.reporting import Finding


@contract_check("ODCS-005", "ODCS-006", "ODCS-007")
def limits_can_be_met(contract: ContractFile, _project: Project) -> Iterator[Finding]:
    """Every column allows some value, and every listed value is one of its type."""
    if contract.root.standard_violations(house=contract.house):
        return  # the standard's own codes say what is wrong
    with localcontext() as context:
        context.prec = DIGITS
        try:
            nodes = tables(contract.root.mapping, contract.path)
        except MbpError as error:
            schema = contract.root.at("schema")
            yield fault_at(schema, "ODCS-007", error.what, contract.dataset, error.fix)
            return
        for index, table in enumerate(nodes.values()):
            yield from _columns(table, contract.root.at("schema", index))


def _columns(table: Column, node: DocumentNode) -> Iterator[Finding]:
    for index, column in enumerate(table.children):
        steps: tuple[str | int, ...] = {
            "[]": ("items",),
            "{key}": ("map", "key"),
            "{}": ("map", "value"),
        }.get(column.name, ("properties", index))
        inside = node.at(*steps)
        yield from _limits(column, inside)
        yield from _columns(column, inside)


def _limits(column: Column, node: DocumentNode) -> Iterator[Finding]:
    facets = column.facets
    for value, text in zip(facets.values or (), facets.texts, strict=True):
        if value is None or isinstance(value, Unreadable):
            message = f"the closed list holds {text!r}, which is no {column.logical.name}"
            yield fault_at(node, "ODCS-006", message, column.path)
        elif allowed(value, column) is False:
            message = f"the closed list holds {text!r}, which the other limits refuse"
            yield fault_at(node, "ODCS-005", message, column.path)
    if facets.values == ():
        message = "the closed lists of the column share no value"
        yield fault_at(node, "ODCS-005", message, column.path)
    elif not facets.values and empty(column):
        message = "no value is above the lower limit and below the upper one"
        yield fault_at(node, "ODCS-005", message, column.path)
