"""Changes of a contract beside its schema: identity, life, service levels, servers, roles, people."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from mbp.compatibility.codes import SLA_PROPERTIES, snake
from mbp.compatibility.model import Change, Verdict
from mbp.compatibility.versions import Version
from mbp.contracts.reading import SECONDS

OK, BREAK, UNKNOWN = Verdict.OK, Verdict.BREAK, Verdict.UNKNOWN
LIFE = ("proposed", "draft", "active", "deprecated", "retired")
DOCUMENTATION = (
    "name",
    "description",
    "tags",
    "support",
    "authoritativeDefinitions",
    "contractCreatedTs",
    "context",
)
RESPONSIBILITY = ("domain", "dataProduct", "tenant", "price")
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
SERVER_FOR_PEOPLE = {"description", "id", "roles", "customProperties"}


def contract_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    """All changes outside `schema`."""
    yield from _identity(old, new)
    yield from _status(old, new)
    yield from _service_levels(old, new)
    yield from _servers(old, new)
    yield from _roles(old, new)
    yield from _team(old, new)
    judged = {
        "id",
        "kind",
        "version",
        "apiVersion",
        "status",
        "schema",
        "slaProperties",
        "servers",
        "roles",
        "team",
        "slaDefaultElement",
    }
    for key in sorted({*old, *new} - judged):
        before, after = old.get(key), new.get(key)
        if _plain(before) == _plain(after):
            continue
        if key in DOCUMENTATION:
            code = "description_changed" if key == "description" else "metadata_changed"
            yield Change(code, key, OK, OK, before, after)
        elif key in RESPONSIBILITY:
            yield Change("responsibility_changed", key, OK, OK, before, after)
        else:
            yield Change("unknown_changed", key, UNKNOWN, UNKNOWN, before, after)


def _plain(value: Any) -> Any:
    """Without the layout of texts."""
    if isinstance(value, str):
        return " ".join(value.split())
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _identity(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    if old.get("id") != new.get("id"):
        yield Change("contract_id_changed", "id", BREAK, BREAK, old.get("id"), new.get("id"))
    if old.get("kind", "DataContract") != new.get("kind", "DataContract"):
        yield Change(
            "contract_kind_changed", "kind", BREAK, BREAK, old.get("kind"), new.get("kind")
        )
    before, after = (str(value.get("version", "")) for value in (old, new))
    if Version.read(before) and Version.read(after) and Version.read(after) < Version.read(before):  # type: ignore[operator]
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


def _status(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    before, after = (str(value.get("status") or "") for value in (old, new))
    if before == after:
        return
    if after == "retired":
        yield Change("status_retired", "status", OK, BREAK, before, after)
    elif before not in LIFE or after not in LIFE:
        yield Change("unknown_changed", "status", UNKNOWN, UNKNOWN, before, after)
    elif LIFE.index(after) > LIFE.index(before):
        yield Change("status_advanced", "status", OK, OK, before, after)
    else:
        yield Change("status_reverted", "status", OK, OK, before, after)


def _service_levels(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    before, after = _levels(old), _levels(new)
    for key in [*before, *(key for key in after if key not in before)]:
        one, other = before.get(key), after.get(key)
        name = str((one or other or {}).get("property"))
        path = f"slaProperties.{key}"
        if name not in SLA_PROPERTIES:
            if one != other:
                yield Change("unknown_changed", path, UNKNOWN, UNKNOWN, one, other)
        elif other is None:
            yield Change(f"sla_{snake(name)}_removed", path, OK, BREAK, _promise(one), None)
        elif one is None:
            yield Change(f"sla_{snake(name)}_added", path, OK, OK, None, _promise(other))
        else:
            yield from _level(name, path, one, other, old, new)


def _levels(contract: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Service levels by id, or by what they promise; several of one kind also by their element."""
    entries = [entry for entry in contract.get("slaProperties") or () if isinstance(entry, Mapping)]
    kinds = [entry.get("property") for entry in entries]
    found: dict[str, Mapping[str, Any]] = {}
    for entry in entries:
        key = str(entry.get("id") or entry.get("property"))
        if not entry.get("id") and kinds.count(entry.get("property")) > 1:
            key = f"{key}({entry.get('element')})"
        found[key] = entry
    return found


def _promise(level: Mapping[str, Any] | None) -> str | None:
    if level is None:
        return None
    parts = (level.get("value"), level.get("valueExt"), level.get("unit"))
    return " ".join(str(part) for part in parts if part is not None)


def _level(
    name: str,
    path: str,
    one: Mapping[str, Any],
    other: Mapping[str, Any],
    old: Mapping[str, Any],
    new: Mapping[str, Any],
) -> Iterator[Change]:
    code = f"sla_{snake(name)}"
    elements = tuple(
        level.get("element") or contract.get("slaDefaultElement")
        for level, contract in ((one, old), (other, new))
    )
    if elements[0] != elements[1] or one.get("property") != other.get("property"):
        yield Change(f"{code}_changed", path, BREAK, BREAK, elements[0], elements[1])
    texts = (_promise(one), _promise(other))
    sizes = _size(one), _size(other)
    if texts[0] != texts[1] and (sizes[0] is None or sizes[1] is None):
        yield Change(f"{code}_changed", path, UNKNOWN, UNKNOWN, *texts)
    elif sizes[0] != sizes[1] and sizes[0] is not None and sizes[1] is not None:
        better = (sizes[1] < sizes[0]) == (name in SMALLER_IS_BETTER)
        if better:
            yield Change(f"{code}_tightened", path, OK, OK, *texts)
        else:
            yield Change(f"{code}_loosened", path, OK, BREAK, *texts)
    judged = {"id", "property", "value", "valueExt", "unit", "element"}
    for key in sorted({*one, *other} - judged):
        if _plain(one.get(key)) != _plain(other.get(key)):
            known = key in (
                "description",
                "driver",
                "scheduler",
                "schedule",
                "authoritativeDefinitions",
                "tags",
            )
            verdict = OK if known else UNKNOWN
            yield Change(
                "metadata_changed" if known else "unknown_changed",
                f"{path}.{key}",
                verdict,
                verdict,
                one.get(key),
                other.get(key),
            )


def _size(level: Mapping[str, Any]) -> Decimal | None:
    """The promised value: seconds, a share or rate, or the day of a date; None when not known."""
    value, unit = level.get("value"), str(level.get("unit") or "").lower()
    if level.get("valueExt") is not None:
        return None
    joined = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-zA-Z%]+)\s*", str(value))
    if joined and not unit:
        value, unit = joined[1], joined[2].lower()
    if unit == "ms":
        return Decimal(str(value)) / 1000
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        try:
            return Decimal(date.fromisoformat(str(value)[:10]).toordinal())
        except ValueError:
            return None
    if unit in SECONDS:
        return found * SECONDS[unit]
    # Every other unit is only compared with itself: a change of it changes the promise.
    return found if unit in ("", "%", "percent", "percentage") else None


def _servers(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    before, after = (
        {
            str(entry.get("server") or entry.get("id")): entry
            for entry in contract.get("servers") or ()
            if isinstance(entry, Mapping)
        }
        for contract in (old, new)
    )
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
        if places[0] != places[1]:
            yield Change("server_moved", path, OK, BREAK, places[0], places[1])
        for key in sorted(SERVER_FOR_PEOPLE):
            values = before[name].get(key), after[name].get(key)
            if _plain(values[0]) == _plain(values[1]):
                continue
            known = key in ("description", "id")
            verdict = OK if known else UNKNOWN
            yield Change(
                "metadata_changed" if known else "unknown_changed",
                f"{path}.{key}",
                verdict,
                verdict,
                *values,
            )


def _roles(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    before, after = (
        {
            str(entry.get("role")): entry
            for entry in contract.get("roles") or ()
            if isinstance(entry, Mapping)
        }
        for contract in (old, new)
    )
    for name in sorted(before.keys() - after.keys()):
        yield Change("role_removed", f"roles.{name}", OK, BREAK, name, None)
    for name in sorted(after.keys() - before.keys()):
        yield Change("role_added", f"roles.{name}", OK, OK, None, name)
    for name in sorted(before.keys() & after.keys()):
        access = before[name].get("access"), after[name].get("access")
        if access[0] != access[1]:
            yield Change("role_changed", f"roles.{name}.access", UNKNOWN, UNKNOWN, *access)
        elif before[name] != after[name]:
            yield Change(
                "responsibility_changed", f"roles.{name}", OK, OK, before[name], after[name]
            )


def _team(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    before, after = old.get("team"), new.get("team")
    if _plain(before) == _plain(after):
        return
    owners = [team.get("name") if isinstance(team, Mapping) else None for team in (before, after)]
    if owners[0] != owners[1]:
        yield Change("owner_changed", "team", OK, OK, owners[0], owners[1])
    else:
        yield Change("responsibility_changed", "team", OK, OK, before, after)
