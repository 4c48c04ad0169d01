"""Texts of contracts become Jinja, Markdown and HTML further on; here is where they are held to be text.

dbt renders the properties that follow from a contract as Jinja (`{{ env_var('...') }}` would be filled in, also in
a description), and its documentation shows Markdown with the HTML in it. A pattern may hold `<`, as in `(?<name>)`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from mbp.core.errors import MbpError
from mbp.core.schema_check import line_at

TEMPLATE = re.compile(r"\{\{|\{%|\{#|\}\}|%\}|#\}")
MARKUP = re.compile(r"<[A-Za-z/!?]|\]\(\s*(?:javascript|vbscript|data)\s*:", re.IGNORECASE)
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u202a-\u202e\u2066-\u2069]")
NOT_SHOWN = ("pattern", "regex")


def demand_plain_text(document: Any, path: str) -> None:
    """Refuses a text or a key that another reader would take for a template or for markup.

    Args:
        document: as `mbp.core.yaml_io` loaded it.
        path: the file, for the message.

    Raises:
        MbpError: the first such text, with its line.
    """
    for place, text in _texts(document, ()):
        hidden = CONTROL.search(text)
        template = TEMPLATE.search(text)
        markup = None if place and place[-1] in NOT_SHOWN else MARKUP.search(text)
        found = hidden or template or markup
        if found:
            kind = "a hidden character" if hidden else "a template" if template else "markup"
            raise MbpError(
                f"{'.'.join(map(str, place))}: {found[0]!r} would be read as {kind}",
                path=path,
                line=line_at(document, list(place)),
                cure="write it in words: texts of contracts are shown, never run",
            )


def _texts(node: Any, place: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if isinstance(node, dict):
        for key, value in node.items():
            inside = (*place, str(key))
            yield inside, str(key)
            yield from _texts(value, inside)
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _texts(value, (*place, index))
    elif isinstance(node, str):
        yield place, node
