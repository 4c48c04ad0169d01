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
INNER: dict[str, tuple[str, ...]] = {
    "[]": ("items",),
    "{key}": ("map", "key"),
    "{}": ("map", "value"),
}
# What entries of the lists of a contract are called by.
NAMES = ("id", "name", "property", "server", "role", "username", "channel", "type")
# Findings that are about another element than their subject.
ELEMENTS = {"version_too_low": "version"}


def located(findings: Iterable[Finding], contract: Path, shown_as: str) -> list[Finding]:
    """The findings; those of the contract with the line in it."""
    node, _ = read_document(contract, shown_as)
    return [
        replace(finding, line=_line(node, ELEMENTS.get(finding.code, finding.subject)))
        if node is not None and finding.path == shown_as and finding.line is None
        else finding
        for finding in findings
    ]


def _line(node: DocumentNode, path: str) -> int:
    for step in STEP.findall(path):
        inner = _step(node, step)
        if inner is None:
            break
        node = inner
    return node.line or 1


def _step(node: DocumentNode, step: str) -> DocumentNode | None:
    if step in INNER:
        inner = node.at(*INNER[step])
        return inner if inner.present else None
    for holder in (node.at("schema"), node.at("properties"), node):
        for entry in holder.entries():
            if step in {str(entry.at(name).value) for name in NAMES if entry.at(name).present}:
                return entry
    return node.at(step) if node.at(step).present else None
