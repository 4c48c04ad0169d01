"""`format` of a text: a limit of its values, of which only the well-known ones can be tried."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

from mbp.contracts.compatibility.change_model import Change, Compatibility, SchemaNode
from mbp.contracts.compatibility.values import allowed, candidates

OK, BREAK, UNKNOWN = Compatibility.OK, Compatibility.BREAK, Compatibility.UNKNOWN
# Format -> the formats that hold all of its texts.
WITHIN = {
    "ipv4": {"hostname", "idn-hostname"},
    "hostname": {"idn-hostname"},
    "email": {"idn-email"},
    "url": {"uri", "iri", "uri-reference", "iri-reference"},
    "uri": {"iri", "uri-reference", "iri-reference"},
    "uri-reference": {"iri-reference"},
    "iri": {"iri-reference"},
}
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*", re.ASCII)


def _uuid(text: str) -> bool:
    return str(UUID(text)) == text.lower()


def _email(text: str) -> bool | None:
    # Texts that no reader of RFC 5321 takes; whether one takes the others depends on the reader.
    return False if "@" not in text or " " in text else None


def _uri(text: str) -> bool | None:
    return None if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", text) else False


CHECKS: dict[str, Callable[[str], bool | None]] = {
    "uuid": _uuid,
    "ipv4": lambda text: bool(ipaddress.IPv4Address(text)) or True,
    "ipv6": lambda text: bool(ipaddress.IPv6Address(text)) or True,
    "email": _email,
    "hostname": lambda text: len(text) <= 253 and _HOST.fullmatch(text) is not None,  # noqa: PLR2004
    "uri": _uri,
    "url": _uri,
}


def of_format(text: str, name: str) -> bool | None:
    """Whether the text has the format; None when that is not known."""
    check = CHECKS.get(name.lower())
    if check is None:
        return None
    try:
        return check(text)
    except ValueError:
        return False


def format_changes(old: SchemaNode, new: SchemaNode) -> Iterator[Change]:
    """The change of `format` between two columns of texts."""
    before, after = _format(old), _format(new)
    code = "format_added" if before is None else "format_removed" if after is None else None
    yield Change(
        code or "format_changed",
        f"{new.path}.logicalTypeOptions.format",
        _within(old, before, after),
        _within(new, after, before),
        before,
        after,
    )


def _format(node: SchemaNode) -> str | None:
    name: Any = (node.raw.get("logicalTypeOptions") or {}).get("format")
    return None if name is None else str(name)


def _within(node: SchemaNode, mine: str | None, wanted: str | None) -> Compatibility:
    """Whether every text of the column has the wanted format."""
    if wanted is None:
        return OK
    if mine and wanted.lower() in {mine.lower(), *WITHIN.get(mine.lower(), ())}:
        return OK
    listed = node.facets.values
    if listed is not None and not node.facets.unreadable:
        results = {
            of_format(value, wanted)
            for value in listed
            if isinstance(value, str) and allowed(value, node) is not False
        }
        return BREAK if False in results and mine is None else OK if results <= {True} else UNKNOWN
    if mine is None:
        for text in candidates(node, node):
            if allowed(text, node) and of_format(str(text), wanted) is False:
                return BREAK
    return UNKNOWN
