"""Exceptions: what may stay although a check reports it. One form, one reader and one checker for every file of them.

An entry has the keys `code` (of what is allowed), `object` (where it is allowed), `owner`, `reason` and `until`.
A kind of exception may demand more keys. What needs signed approvals is a waiver (`mbp.contracts.waiver`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from jsonschema import Draft201909Validator

from mbp.core.errors import MbpError
from mbp.core.reporting import CodeMeaning, Finding
from mbp.core.schema_check import as_json, did_you_mean, violations
from mbp.core.yaml_io import line_of, plain

LIST = "exceptions"
SOME_TEXT = {"type": "string", "minLength": 1}
DAY = {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}
KEYS: Mapping[str, Any] = {
    "code": SOME_TEXT,
    "object": SOME_TEXT,
    "owner": SOME_TEXT,
    "reason": SOME_TEXT,
    "until": DAY,
}
# The list in the schema of its file: `read_exceptions` checks the entries.
SCHEMA = {"type": "array"}
# Keys of the forms that this one replaced -> the key that says it now.
OLD_KEYS = {
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
    """

    code: str
    object: str
    owner: str
    reason: str
    until: date
    path: str
    line: int | None
    more: Mapping[str, Any] = field(default_factory=dict)

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

    Args:
        node: a mapping with line numbers.
        renamed: old key -> new key.

    Raises:
        MbpError: an old key is there.
    """
    for old, new in renamed.items():
        if isinstance(node, dict) and old in node:
            raise MbpError(
                f"the key {old!r} was replaced by {new!r}",
                path=path,
                line=line_of(node, old),
                cure=f"write {new!r}; an exception has the keys {', '.join(KEYS)}",
            )


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
        path: of its file, for messages.
        owners: teams that may own one.
        codes: the codes that exist; any without it.
        more: key -> schema of what this kind has beside the common keys, or of a common key.
        optional: those of `more` that an entry may lack.

    Raises:
        MbpError: an old, unknown or missing key, a wrong value, an unknown code or owner, or one exception twice.
    """
    properties = {**KEYS, **(more or {})}
    validator = Draft201909Validator(
        {
            "type": "object",
            "properties": properties,
            "required": [key for key in properties if key not in optional],
            "additionalProperties": False,
        }
    )
    entries: dict[tuple[str, str], AllowedException] = {}
    for index, node in enumerate(nodes):
        place = line_of(nodes, index)
        refuse_old_keys(
            node, path, {old: OLD_KEYS[old] for old in OLD_KEYS if old not in properties}
        )
        for wrong in violations(node, validator):
            cure = wrong.cure or f"an exception has the keys {', '.join(properties)}"
            raise MbpError(
                f"exception: {wrong.what}", path=path, line=wrong.line or place, cure=cure
            )
        value = as_json(plain(node))
        for key, known in (("code", codes), ("owner", owners)):
            if known is not None and value[key] not in known:
                raise MbpError(
                    f"unknown {key} {value[key]!r}",
                    path=path,
                    line=line_of(node, key),
                    cure=did_you_mean(value[key], known),
                )
        common = {key: value[key].strip() for key in KEYS}
        extra = {key: item for key, item in value.items() if key not in KEYS}
        entry = AllowedException(
            **{**common, "until": _day(common["until"], path, line_of(node, "until"))},
            path=path,
            line=place,
            more=extra,
        )
        if entry.key in entries:
            raise MbpError(
                f"the exception {entry.code} of {entry.object} is there twice",
                path=path,
                line=place,
                cure="keep one of the two",
            )
        entries[entry.key] = entry
    return tuple(entries.values())


def demand_objects(exceptions: Sequence[AllowedException], objects: Collection[str]) -> None:
    """Refuses exceptions for what does not exist, whatever the day is.

    Raises:
        MbpError: the first of them.
    """
    for finding in exception_findings(exceptions, date.min, objects=objects):
        raise MbpError(finding.sentence, path=finding.path, line=finding.line, cure=finding.fix)


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
        subject = f"{entry.code} of {entry.object}"
        if objects is not None and entry.object not in objects:
            message, code = f"there is no {entry.object!r}", "exception_object_unknown"
            cure = did_you_mean(entry.object, objects)
        elif entry.expired(today):
            message, code = f"the exception expired on {entry.until}", "exception_expired"
            cure = RULES[code].cure
        elif furthest is not None and entry.until > furthest:
            message, code = (
                f"expected a day up to {furthest}, found {entry.until}",
                "exception_too_far",
            )
            cure = RULES[code].cure
        elif used is not None and entry.key not in used:
            message, code = "the exception excepts nothing", "exception_unused"
            cure = RULES[code].cure
        else:
            continue
        yield Finding(code, message, entry.path, entry.line, subject, cure)


def _day(text: str, path: str, line: int | None) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise MbpError(
            f"until: {text!r} is not a day", path=path, line=line, cure="write YYYY-MM-DD"
        ) from error
