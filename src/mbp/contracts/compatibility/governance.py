"""Changes of a contract beside its schema: identity, life, service levels, servers, roles, people."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from mbp.contracts.compatibility.change_model import (
    BREAK,
    OK,
    UNKNOWN,
    Change,
    entry_change,
    snake,
)
from mbp.contracts.compatibility.domain_values import is_countable
from mbp.contracts.compatibility.standard import STANDARD, form, paired, remainder
from mbp.contracts.compatibility.versions import release_order
from mbp.contracts.reading import SECONDS, SERVICE_LEVELS

LIFE = ("proposed", "draft", "active", "deprecated", "retired")
RESPONSIBILITY = ("domain", "dataProduct", "tenant", "price")
SERVER_KEYS = (("server", "id"), ("type",), ("environment",))
ROLE_KEYS = (("role",), ("access",))
SERVER_FOR_PEOPLE = STANDARD["Server"].documentation | {"roles"}
Level = Mapping[str, Any]
SMALLER_IS_BETTER = {
    "errorRate",
    "frequency",
    "freshness",
    "generalAvailability",
    "latency",
    "timeToDetect",
    "timeToNotify",
    "timeToRepair",
}
# Seconds of the parts of an ISO 8601 duration; a month is the twelfth part of a year of 365 days.
DESIGNATORS = tuple(map(Decimal, (31536000, 2628000, 604800, 86400, 3600, 60, 1)))
_AMOUNT = r"(\d{1,9}(?:\.\d{1,9})?)"
DURATION = re.compile(
    rf"P(?:{_AMOUNT}Y)?(?:{_AMOUNT}M)?(?:{_AMOUNT}W)?(?:{_AMOUNT}D)?"
    rf"(?:T(?:{_AMOUNT}H)?(?:{_AMOUNT}M)?(?:{_AMOUNT}S)?)?",
    re.ASCII,
)


def contract_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    """All changes outside `schema`."""
    yield from _identity(old, new)
    yield from _status(old, new)
    yield from service_level_changes(old, new)
    yield from _servers(old, new)
    yield from _roles(old, new)
    yield from _team(old, new)
    elsewhere = {
        *("id", "kind", "version", "apiVersion", "status", "schema", "slaProperties", "servers"),
        *("roles", "team", "slaDefaultElement"),
    }
    for key in sorted({*old, *new} - elsewhere):
        before, after = old.get(key), new.get(key)
        if form(before) == form(after):
            continue
        if key == "description":
            yield Change("description_changed", key, OK, OK, before, after)
        elif key in RESPONSIBILITY:
            yield Change("responsibility_changed", key, OK, OK, before, after)
        else:
            yield entry_change(key, before, after, known=key in STANDARD[""].documentation)


def _identity(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    if old.get("id") != new.get("id"):
        yield Change("contract_id_changed", "id", BREAK, BREAK, old.get("id"), new.get("id"))
    if old.get("kind", "DataContract") != new.get("kind", "DataContract"):
        yield Change(
            "contract_kind_changed", "kind", BREAK, BREAK, old.get("kind"), new.get("kind")
        )
    before, after = (str(value.get("version", "")) for value in (old, new))
    versions = release_order(before), release_order(after)
    if None not in versions and versions[1] < versions[0]:  # type: ignore[operator]
        yield Change("version_decreased", "version", BREAK, BREAK, before, after)
    standards = [
        [int(part) for part in re.findall(r"\d+", str(value.get("apiVersion", "")))]
        for value in (old, new)
    ]
    if standards[0] != standards[1]:
        lowered = standards[1] < standards[0]
        verdict = UNKNOWN if lowered else OK
        code = "api_version_lowered" if lowered else "api_version_raised"
        texts = (old.get("apiVersion"), new.get("apiVersion"))
        yield Change(code, "apiVersion", verdict, verdict, *texts)
    elif old.get("apiVersion") != new.get("apiVersion"):
        yield entry_change("apiVersion", old.get("apiVersion"), new.get("apiVersion"), known=True)


def _status(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    before, after = (str(value.get("status") or "") for value in (old, new))
    if before == after:
        return
    if after == "retired":
        yield Change("status_retired", "status", OK, BREAK, before, after)
    elif before not in LIFE or after not in LIFE:
        yield entry_change("status", before, after, known=False)
    elif LIFE.index(after) > LIFE.index(before):
        yield Change("status_advanced", "status", OK, OK, before, after)
    else:
        yield Change("status_reverted", "status", OK, OK, before, after)


def _servers(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    before, after = (named_entries(side.get("servers"), SERVER_KEYS) for side in (old, new))
    for name in sorted(before.keys() - after.keys()):
        yield Change("server_removed", f"servers.{name}", OK, BREAK, name, None)
    for name in sorted(after.keys() - before.keys()):
        yield Change("server_added", f"servers.{name}", OK, OK, None, name)
    for name in sorted(before.keys() & after.keys()):
        places = [
            {key: value for key, value in side[name].items() if key not in SERVER_FOR_PEOPLE}
            for side in (before, after)
        ]
        path = f"servers.{name}"
        if form(places[0]) != form(places[1]):
            yield Change("server_moved", path, OK, BREAK, places[0], places[1])
        for key in sorted(SERVER_FOR_PEOPLE):
            values = before[name].get(key), after[name].get(key)
            if form(values[0]) != form(values[1]):
                known = key in STANDARD["Server"].documentation
                yield entry_change(f"{path}.{key}", *values, known=known)


def named_entries(entries: Any, keys: Sequence[tuple[str, ...]]) -> dict[str, Mapping[str, Any]]:
    """Entries of a list by name: several of one name by ever more of what distinguishes them, then by their place.

    Args:
        keys: of a name, and of what distinguishes two; of each the first key that an entry has counts.
    """
    known = [entry for entry in entries or () if isinstance(entry, Mapping)]
    words = [
        [str(next((entry[key] for key in names if entry.get(key)), None)) for names in keys]
        for entry in known
    ]
    depths = range(1, len(keys) + 1)
    often = Counter(tuple(own[:depth]) for own in words for depth in depths)
    results: dict[str, Mapping[str, Any]] = {}
    for entry, own in zip(known, words, strict=True):
        depth = next((depth for depth in depths if often[tuple(own[:depth])] == 1), len(keys))
        name = own[0] + (f"({', '.join(own[1:depth])})" if depth > 1 else "")
        while name in results:
            name += "'"
        results[name] = entry
    return results


def _roles(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    before, after = (named_entries(side.get("roles"), ROLE_KEYS) for side in (old, new))
    for name in sorted(before.keys() - after.keys()):
        yield Change("role_removed", f"roles.{name}", OK, BREAK, name, None)
    for name in sorted(after.keys() - before.keys()):
        yield Change("role_added", f"roles.{name}", OK, OK, None, name)
    for name in sorted(before.keys() & after.keys()):
        access = before[name].get("access"), after[name].get("access")
        if access[0] != access[1]:
            yield Change("role_changed", f"roles.{name}.access", UNKNOWN, UNKNOWN, *access)
        if form({**before[name], "access": 0}) != form({**after[name], "access": 0}):
            yield Change(
                "responsibility_changed", f"roles.{name}", OK, OK, before[name], after[name]
            )


def _team(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    before, after = old.get("team"), new.get("team")
    if form(before) == form(after):
        return
    owners = [team.get("name") if isinstance(team, Mapping) else None for team in (before, after)]
    if owners[0] != owners[1]:
        yield Change("owner_changed", "team", OK, OK, owners[0], owners[1])
    else:
        yield Change("responsibility_changed", "team", OK, OK, before, after)


def service_level_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    """All changes of `slaProperties` and of the element that they are about by default."""
    changes_found: list[Change] = []
    sides = _levels(old), _levels(new)
    often = [Counter(key for level in side for key in _kinds(level)) for side in sides]
    for level, other in _paired(*sides):
        entry = other or level or {}
        name = str(entry.get("property"))
        path = f"slaProperties.{_label(entry, often)}"
        if name not in SERVICE_LEVELS:
            if form(level) != form(other):
                changes_found.append(entry_change(path, level, other, known=False))
        elif other is None:
            changes_found.append(
                Change(f"sla_{snake(name)}_removed", path, OK, BREAK, _promise(level), None)
            )
        elif level is None:
            changes_found.append(
                Change(f"sla_{snake(name)}_added", path, OK, OK, None, _promise(other))
            )
        elif form(level) != form(other):
            changes = list(_level(name, path, level, other))
            changes_found += changes or remainder(level, other, path)
    yield from changes_found
    key = "slaDefaultElement"
    if old.get(key) != new.get(key) and not changes_found:
        yield entry_change(key, old.get(key), new.get(key), known=True)


def _levels(contract: Mapping[str, Any]) -> list[Level]:
    """The levels; one that names no element is about the default one."""
    entries = contract.get("slaProperties")
    default = {"element": contract.get("slaDefaultElement")}
    return [{**default, **entry} for entry in entries or () if isinstance(entry, Mapping)]


def _paired(before: list[Level], after: list[Level]) -> list[tuple[Level | None, Level | None]]:
    """Levels of both sides that are one: by id, by all they say, by ever less of what identifies one."""
    pairs, left, right = paired(
        before,
        after,
        (
            lambda level: level.get("id"),
            lambda level: repr(form(level)),
            lambda level: tuple(str(level.get(key)) for key in ("property", "element", "driver")),
            lambda level: tuple(str(level.get(key)) for key in ("property", "element")),
            lambda level: str(level.get("property")),
        ),
    )
    return [*pairs, *((level, None) for level in left), *((None, level) for level in right)]


def _kinds(level: Level) -> tuple[str, tuple[str, str]]:
    """What it is a level of, and of which element."""
    name = str(level.get("property"))
    return name, (name, str(level.get("element")))


def _label(entry: Level, often: Sequence[Counter[Any]]) -> str:
    """The level by its id, or by what it is about; several of one kind by everything that distinguishes them.

    Args:
        often: of each side, how many levels are of each kind, and of each kind and element.
    """
    if entry.get("id"):
        return str(entry["id"])
    name, place = _kinds(entry)
    if max(side[name] for side in often) < 2:  # noqa: PLR2004
        return name
    words = [entry.get("element")]
    if any(side[place] > 1 for side in often):
        words.append(entry.get("driver"))
    return f"{name}({', '.join(map(str, words))})"


def _promise(level: Level | None) -> str | None:
    if level is None:
        return None
    parts = (level.get("value"), level.get("valueExt"), level.get("unit"))
    return " ".join(str(part) for part in parts if part is not None)


def _level(name: str, path: str, results: Level, other: Level) -> Iterator[Change]:
    code = f"sla_{snake(name)}"
    elements = (results.get("element"), other.get("element"))
    if elements[0] != elements[1] or results.get("property") != other.get("property"):
        yield Change(f"{code}_changed", path, BREAK, BREAK, elements[0], elements[1])
    texts = (_promise(results), _promise(other))
    sizes = _size(results), _size(other)
    said = [
        [form(level.get(key)) for key in ("value", "valueExt", "unit")]
        for level in (results, other)
    ]
    if said[0] == said[1]:
        pass
    elif sizes[0] is None or sizes[1] is None or sizes[0][0] != sizes[1][0]:
        yield Change(f"{code}_changed", path, UNKNOWN, UNKNOWN, *texts)
    elif sizes[0] == sizes[1]:
        yield Change("metadata_changed", path, OK, OK, *texts, note="the same in other words")
    else:
        better = (sizes[1][1] < sizes[0][1]) == (name in SMALLER_IS_BETTER)
        change = "tightened" if better else "loosened"
        yield Change(f"{code}_{change}", path, OK, OK if better else BREAK, *texts)
    keys = STANDARD["ServiceLevelAgreementProperty"]
    for key in sorted({*results, *other} - keys.judged):
        if form(results.get(key)) != form(other.get(key)):
            known = key in keys.documentation or key == "tags"
            yield entry_change(f"{path}.{key}", results.get(key), other.get(key), known=known)


def _size(level: Level) -> tuple[str, Decimal] | None:
    """(what is measured, how much): seconds, a share, a day, an instant; None when not known."""
    value, unit = level.get("value"), str(level.get("unit") or "").lower()
    if level.get("valueExt") is not None or isinstance(value, bool):
        return None
    text = str(value).strip()
    if not unit and (seconds := _duration(text)) is not None:
        return "time", seconds
    joined = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-zA-Z%]+)", text)
    if joined and not unit:
        text, unit = joined[1], joined[2].lower()
    try:
        amount = Decimal(text)
    except InvalidOperation:
        return _moment(text)
    if not is_countable(amount):
        return None
    if unit == "ms":
        return "time", amount / 1000
    if unit == "m" and level.get("property") == "retention":
        return "months or minutes", amount
    if unit in SECONDS:
        return "time", amount * SECONDS[unit]
    # Every other unit is only compared with itself: a change of it changes the guarantee.
    if unit in ("%", "percent", "percentage"):
        return "percent", amount
    return None if unit else ("number", amount)


def _moment(text: str) -> tuple[str, Decimal] | None:
    """A day, or an instant with its zone; one without a zone compares with its like."""
    try:
        return "day", Decimal(date.fromisoformat(text).toordinal())
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    kind = "instant" if moment.tzinfo else "local time"
    gap = moment.replace(tzinfo=moment.tzinfo or UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return kind, Decimal(str(gap.total_seconds()))


def _duration(text: str) -> Decimal | None:
    """Seconds of an ISO 8601 duration; None when it is not one."""
    match = DURATION.fullmatch(text)
    if match is None or not any(match.groups()) or text.endswith("T"):
        return None
    parts = zip(match.groups(), DESIGNATORS, strict=True)
    return sum((Decimal(amount) * size for amount, size in parts if amount), Decimal(0))
