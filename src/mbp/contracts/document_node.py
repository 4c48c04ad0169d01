"""A document that may be wrong in any way, read without refusing anything; its texts are held to be text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from mbp.contracts.fault_codes import fault
from mbp.contracts.standards import odcs_violations
from mbp.core.reporting import Finding
from mbp.core.schema_check import SchemaViolation, line_at, violations
from mbp.core.yaml_io import plain

_ABSENT = object()
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


class DocumentNode:
    """One value of a document and its place.

    Asking for what is not there, or inside a value of another kind, gives an absent node: a check
    reads what it needs, and the schema reports what has the wrong form.
    """

    def __init__(self, document: Any, value: Any, path: str, *steps: str | int) -> None:
        self._document, self._value, self.path, self.steps = document, value, path, steps
        self._judged: dict[bool, list[SchemaViolation]] = {}

    @classmethod
    def root(cls, document: Any, path: str) -> DocumentNode:
        """The whole of a document that `mbp.core.yaml_io` loaded."""
        return cls(document, plain(document), path)

    def at(self, *steps: str | int) -> DocumentNode:
        """The value further in."""
        value: Any = self._value
        for step in steps:
            try:
                value = value[step] if isinstance(value, dict | list) else _ABSENT  # type: ignore[index]
            except (KeyError, IndexError, TypeError):
                value = _ABSENT
        return DocumentNode(self._document, value, self.path, *self.steps, *steps)

    @property
    def line(self) -> int | None:
        """1-based line; that of the nearest parent when the node is absent."""
        return line_at(self._document, self.steps)

    @property
    def present(self) -> bool:
        """There is such a key or entry, whatever its value."""
        return self._value is not _ABSENT

    @property
    def blank(self) -> bool:
        """Nothing is said here: absent, null, empty, or text of spaces."""
        if isinstance(self._value, str):
            return not self._value.strip()
        return self._value is _ABSENT or self._value is None or self._value in ({}, [])

    @property
    def value(self) -> Any:
        """The value as plain data; None when absent."""
        return None if self._value is _ABSENT else self._value

    @property
    def text(self) -> str:
        """The text in one line; empty for any other kind of value."""
        return " ".join(self._value.split()) if isinstance(self._value, str) else ""

    @property
    def mapping(self) -> Mapping[str, Any]:
        """The value, or an empty mapping for any other kind of value."""
        return self._value if isinstance(self._value, dict) else {}

    def entries(self) -> list[DocumentNode]:
        """The entries of a list; none for any other kind of value."""
        return [self.at(index) for index in range(len(self._value))] if self.is_list else []

    @property
    def is_list(self) -> bool:
        """The value is a list."""
        return isinstance(self._value, list)

    def custom(self) -> dict[str, DocumentNode]:
        """Name -> value of the customProperties; of two of one name the first."""
        nodes: dict[str, DocumentNode] = {}
        for entry in self.at("customProperties").entries():
            nodes.setdefault(entry.at("property").text, entry.at("value"))
        return nodes

    def violations(self, schema: Mapping[str, Any]) -> list[SchemaViolation]:
        """Where the whole document does not follow a schema."""
        return violations(self._document, schema)

    def standard_violations(self, *, house: bool = True) -> list[SchemaViolation]:
        """Where the whole document does not follow the ODCS schema of its version."""
        if house not in self._judged:
            self._judged[house] = odcs_violations(self._document, self._value, house=house)
        return self._judged[house]


def fault_at(
    node: DocumentNode, code: str, message: str, subject: str = "", fix: str | None = None
) -> Finding:
    """A finding at the place of a node."""
    return fault(code, node.path, node.line, message, subject, fix)


def plain_text_faults(root: DocumentNode) -> Iterator[Finding]:
    """Texts and keys that another reader would take for a template or for markup.

    dbt renders the properties that follow from a contract as Jinja, and shows Markdown with the HTML in it. A
    pattern may hold `<`, as in `(?<name>)`.
    """
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
    for finding in plain_text_faults(DocumentNode.root(document, path)):
        raise finding.as_error


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
