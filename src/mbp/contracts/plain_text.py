"""Texts of contracts become Jinja, Markdown and HTML further on; here is where they are held to be text.

dbt renders the properties that follow from a contract as Jinja (`{{ env_var('...') }}` would be filled in, also in
a description), and its documentation shows Markdown with the HTML in it. A pattern may hold `<`, as in `(?<name>)`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from mbp.contracts.document_node import DocumentNode, fault_at
from mbp.core.reporting import Finding

OPENED = re.compile(r"\{\{|\{%|\{#")
CLOSED = re.compile(r"\}\}|%\}|#\}")
MARKUP = re.compile(r"<[A-Za-z/!?]|\]\(\s*(?:javascript|vbscript|data)\s*:", re.IGNORECASE)
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u202a-\u202e\u2066-\u2069]")
NOT_SHOWN = ("pattern", "regex")
READ_AS = {
    "a hidden character": (CONTROL, "A106-039"),
    "a template": (OPENED, "TRAP-011"),
    "the end of a template": (CLOSED, "A106-039"),
    "markup": (MARKUP, "A106-039"),
}


def plain_text_faults(root: DocumentNode) -> Iterator[Finding]:
    """Texts and keys that another reader would take for a template or for markup."""
    for place, text in texts(root.value, ()):
        for kind, (marks, code) in READ_AS.items():
            mark = marks.search(text)
            if mark and not (marks is MARKUP and place and place[-1] in NOT_SHOWN):
                where = ".".join(map(str, place))
                message = f"{where}: {mark[0]!r} would be read as {kind}"
                yield fault_at(root.at(*place), code, message)
                break


def demand_plain_text(document: Any, path: str) -> None:
    """Refuses a text or a key that another reader would take for a template or for markup.

    Raises:
        MbpError: the first such text, with its line.
    """
    for fault in plain_text_faults(DocumentNode.root(document, path)):
        raise fault.as_error


def texts(node: Any, place: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """(place, text) of every text and key in a document."""
    if isinstance(node, dict):
        for key, value in node.items():
            inside = (*place, str(key))
            yield inside, str(key)
            yield from texts(value, inside)
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from texts(value, (*place, index))
    elif isinstance(node, str):
        yield place, node
