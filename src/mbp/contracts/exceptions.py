"""Exceptions: what may stay although a check reports it. One form, one reader and one checker for every file of them.

An entry has the keys `code` (of what is allowed), `object` (where it is allowed), `owner`, `reason` and `until`.
A kind of exception may demand more keys. A waiver (`mbp.contracts.waiver`) is one with signed approvals.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from mbp.core.errors import MbpError
from mbp.core.reporting import CodeMeaning, Finding
from mbp.core.schema_check import TEXT, closed, did_you_mean, violations, wrong_at
from mbp.core.yaml_io import line_of, plain

LIST = "exceptions"
DAY = {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}
KEYS: Mapping[str, Any] = {
    "code": TEXT,
    "object": TEXT,
    "owner": TEXT,
    "reason": TEXT,
    "until": DAY,
}
# The list in the schema of its file: `read_exceptions` checks the entries.
SCHEMA = {"type": "array"}
# Keys of the forms that this one replaced -> the key that says it now.
OLD_KEYS = {
    "covers": "object",
    "dataset": "object",
    "expires": "until",
    "family": "code",
    "fingerprint": "code",
    "id": "code",
    "kind": "code",
    "node": "object",
    "package": "object",
    "path": "object",
    "place": "object",
    "test": "code",
}

RULES: dict[str, CodeMeaning] = {
    rule.code: rule
    for rule in (
        CodeMeaning(
            "exception_expired",
            "An exception has expired.",
            "An exception has a last day, so that the owner decides again.",
            "fix the cause and remove the exception, or agree on a new last day",
        ),
        CodeMeaning(
            "exception_too_far",
            "The last day of an exception is too far ahead.",
            "The policy limits for how long something may be excepted before the owner decides again.",
            "choose an earlier last day",
        ),
        CodeMeaning(
            "exception_unused",
            "An exception excepts nothing.",
            "It would hide a later finding.",
            "remove it",
        ),
        CodeMeaning(
            "exception_object_unknown",
            "The object of an exception does not exist.",
            "It would apply to a later object of that name.",
            "correct the object, or remove the exception",
        ),
    )
}


@dataclass(frozen=True)
class AllowedException:
    """One exception.

    Attributes:
        code: of what is allowed: a family of rules, a check, an advisory, a kind of value, ...
        object: where it is allowed: a dataset, a file, a package, ...
        owner: team that answers for it.
        until: last day (UTC) on which it applies.
        path, line: of the entry.
        more: values of the keys that only this kind of exception has.
        lines: key -> line, where an entry is long enough to need it.
    """

    code: str
    object: str
    owner: str
    reason: str
    until: date
    path: str
    line: int | None
    more: Mapping[str, Any] = field(default_factory=dict)
    lines: Mapping[str, int | None] = field(default_factory=dict)

    @property
    def subject(self) -> str:
        """What findings call it."""
        return f"{self.code} of {self.object}"

    @property
    def key(self) -> tuple[str, str]:
        """Code and object."""
        return self.code, self.object

    @property
    def place(self) -> str:
        """`path:line`, or the path alone."""
        return f"{self.path}:{self.line}" if self.line else self.path

    def expired(self, today: date) -> bool:
        """Its last day is over."""
        return today > self.until


def refuse_old_keys(node: Any, path: str, renamed: Mapping[str, str] = OLD_KEYS) -> None:
    """Refuses keys that were renamed.

    Raises:
        MbpError: an old key is there.
    """
    for old, new in renamed.items():
        if isinstance(node, dict) and old in node:
            fix = f"write {new!r}; an exception has the keys {', '.join(KEYS)}"
            raise wrong_at(node, old, path, f"the key {old!r} was replaced by {new!r}", fix)


def entry_faults(
    node: Any,
    path: str,
    line: int | None,
    more: Mapping[str, Any],
    optional: Collection[str] = (),
    days: Collection[str] = ("until",),
) -> Iterator[MbpError]:
    """Everything that is wrong with the form of one entry.

    Args:
        line: of the entry, where a fault has no line.
        more: key -> schema of what this kind has beside the common keys, or of a common key.
        optional: those of `more` that an entry may lack.
        days: keys that hold a day.

    Raises:
        MbpError: an old key is there.
    """
    properties = {**KEYS, **more}
    refuse_old_keys(
        node, path, {old: new for old, new in OLD_KEYS.items() if old not in properties}
    )
    form = violations(node, closed(properties, optional=optional))
    for wrong in form:
        fix = wrong.fix or f"an exception has the keys {', '.join(properties)}"
        yield MbpError(f"exception: {wrong.what}", path=path, line=wrong.line or line, fix=fix)
    for key in () if form else days:
        try:
            date.fromisoformat(node[key])
        except ValueError:
            what = f"{key}: {node[key]!r} is not a day"
            yield wrong_at(node, key, path, what, "write YYYY-MM-DD")


def entry_values(node: Any) -> dict[str, Any]:
    """The common keys of an entry without faults, and `more` for the others."""
    value = plain(node)
    common = {key: value[key].strip() for key in KEYS}
    return {
        **common,
        "until": date.fromisoformat(common["until"]),
        "more": {key: item for key, item in value.items() if key not in KEYS},
    }


def read_exceptions(
    nodes: Any,
    path: str,
    owners: Collection[str],
    *,
    codes: Collection[str] | None = None,
    more: Mapping[str, Any] | None = None,
    optional: Collection[str] = (),
) -> tuple[AllowedException, ...]:
    """The exceptions of a list, expired ones too.

    Args:
        nodes: the list with line numbers.
        owners: teams that may own one.
        codes: the codes that exist; any without it.
        more: key -> schema of what this kind has beside the common keys, or of a common key.
        optional: those of `more` that an entry may lack.

    Raises:
        MbpError: an old, unknown or missing key, a wrong value, an unknown code or owner, or one exception twice.
    """
    entries: dict[tuple[str, str], AllowedException] = {}
    for index, node in enumerate(nodes):
        place = line_of(nodes, index)
        for fault in entry_faults(node, path, place, more or {}, optional):
            raise fault
        entry = AllowedException(path=path, line=place, **entry_values(node))
        for key, known in (("code", codes), ("owner", owners)):
            value = getattr(entry, key)
            if known is not None and value not in known:
                fix = did_you_mean(value, known)
                raise wrong_at(node, key, path, f"unknown {key} {value!r}", fix)
        if entry.key in entries:
            what = f"the exception {entry.code} of {entry.object} is there twice"
            raise MbpError(what, path=path, line=place, fix="keep one of the two")
        entries[entry.key] = entry
    return tuple(entries.values())


def demand_objects(exceptions: Sequence[AllowedException], objects: Collection[str]) -> None:
    """Refuses exceptions for what does not exist, whatever the day is.

    Raises:
        MbpError: the first of them.
    """
    for finding in exception_findings(exceptions, date.min, objects=objects):
        raise finding.as_error


def exception_findings(
    exceptions: Sequence[AllowedException],
    today: date,
    *,
    used: Collection[tuple[str, str]] | None = None,
    objects: Collection[str] | None = None,
    furthest: date | None = None,
) -> Iterator[Finding]:
    """What is wrong with exceptions: at most one finding for each.

    Args:
        today: in UTC.
        used: keys of the exceptions that excepted something; None where that is not known.
        objects: what exists; None where that is not known.
        furthest: the furthest last day; None where there is no limit.
    """
    for entry in exceptions:
        key = "until"
        if objects is not None and entry.object not in objects:
            key, code = "object", "exception_object_unknown"
            message = f"there is no {entry.object!r}"
        elif entry.expired(today):
            code, message = "exception_expired", f"the exception expired on {entry.until}"
        elif furthest is not None and entry.until > furthest:
            code = "exception_too_far"
            message = f"expected a day up to {furthest}, found {entry.until}"
        elif used is not None and entry.key not in used:
            key, code, message = "code", "exception_unused", "the exception excepts nothing"
        else:
            continue
        fix = did_you_mean(entry.object, objects or ()) if key == "object" else RULES[code].fix
        line = entry.lines.get(key, entry.line)
        yield Finding(code, message, entry.path, line, entry.subject, fix)
