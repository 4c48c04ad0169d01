"""A document that may be wrong in any way, read without refusing anything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mbp.contracts.fault_codes import fault
from mbp.contracts.standards import odcs_violations
from mbp.core.reporting import Finding
from mbp.core.schema_check import SchemaViolation, line_at, violations
from mbp.core.yaml_io import plain

_ABSENT = object()


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
