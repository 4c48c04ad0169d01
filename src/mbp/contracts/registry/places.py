"""Where in its contract a change is: the line of the element that its path names, or of the nearest one around it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from mbp.contracts.contract_file import read_document
from mbp.contracts.document_node import DocumentNode
from mbp.core.reporting import Finding

STEP = re.compile(r"\[\]|\{\w*\}|[^.\[\]{}]+")
MARKS: dict[str, tuple[str, ...]] = {
    "[]": ("items",),
    "{key}": ("map", "key"),
    "{}": ("map", "value"),
}
# What entries of the lists of a contract are called by.
NAMES = ("id", "name", "property", "server", "role", "username", "channel", "type")
# Steps to an element -> its entries.
Inner = dict[tuple[str | int, ...], dict[str, DocumentNode]]
# Findings that are about another element than their subject.
ELEMENTS = {"version_too_low": "version"}


def located(findings: Iterable[Finding], contract: Path, shown_as: str) -> list[Finding]:
    """The findings; those of the contract with the line in it."""
    node, _ = read_document(contract, shown_as)
    inner: Inner = {}
    return [
        replace(finding, line=_line(node, ELEMENTS.get(finding.code, finding.subject), inner))
        if node is not None and finding.path == shown_as and finding.line is None
        else finding
        for finding in findings
    ]


def _line(node: DocumentNode, path: str, inner: Inner) -> int:
    for step in STEP.findall(path):
        if node.steps not in inner:
            inner[node.steps] = _entries(node)
        entry = inner[node.steps].get(step) or node.at(*MARKS.get(step, (step,)))
        if not entry.present:
            break
        node = entry
    return node.line or 1


def _entries(node: DocumentNode) -> dict[str, DocumentNode]:
    """What an element holds in lists, by its names; columns before all else."""
    entries: dict[str, DocumentNode] = {}
    for holder in (node.at("schema"), node.at("properties"), node):
        for entry in holder.entries():
            for name in NAMES:
                if entry.at(name).present:
                    entries.setdefault(str(entry.at(name).value), entry)
    return entries
