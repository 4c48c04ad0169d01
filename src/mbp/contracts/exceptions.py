"""Exceptions: what may stay although a check reports it. One form and one checker for every file of them.

An entry has the keys `code` (of what is allowed), `object` (where it is allowed), `owner`, `reason` and `until`.
A kind of exception with more keys is a subclass. A waiver (`mbp.contracts.waiver`) is one with signed approvals.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from mbp.core.errors import MbpError
from mbp.core.forms import Beside
from mbp.core.reporting import Finding, read_codes
from mbp.core.schema_check import did_you_mean

RULES = read_codes("mbp.contracts", "exception_codes.yaml")


@dataclass(frozen=True)
class AllowedException:
    """One exception.

    Attributes:
        code: of what is allowed: a family of rules, a check, an advisory, a kind of value, ...
        object: where it is allowed: a dataset, a file, a package, ...
        owner: team that answers for it.
        until: last day (UTC) on which it applies.
        path, line, lines: of the entry, and of its keys.
    """

    code: str
    object: str
    owner: str
    reason: str
    until: date
    path: Beside[str] = ""
    line: Beside[int | None] = None
    lines: Beside[Mapping[str, int]] = field(default_factory=dict)

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


def demand_known(
    exceptions: Sequence[AllowedException],
    owners: Collection[str],
    codes: Collection[str] | None = None,
) -> None:
    """Refuses an unknown code or owner, and one exception twice.

    Args:
        owners: teams that may own one.
        codes: the codes that exist; any without it.

    Raises:
        MbpError: the first of them.
    """
    seen: set[tuple[str, str]] = set()
    for entry in exceptions:
        for key, known in (("code", codes), ("owner", owners)):
            value = getattr(entry, key)
            if known is not None and value not in known:
                line, fix = entry.lines.get(key, entry.line), did_you_mean(value, known)
                raise MbpError(f"unknown {key} {value!r}", path=entry.path, line=line, fix=fix)
        if entry.key in seen:
            what = f"the exception {entry.subject} is there twice"
            raise MbpError(what, path=entry.path, line=entry.line, fix="keep one of the two")
        seen.add(entry.key)


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
