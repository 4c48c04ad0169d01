"""Changes of a contract beside its schema: identity, life, service levels, servers, roles, people."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mbp.contracts.compatibility.change_model import Change, Compatibility, entry_change
from mbp.contracts.compatibility.service_levels import service_level_changes
from mbp.contracts.compatibility.standard import STANDARD, form
from mbp.contracts.compatibility.versions import release_order

OK, BREAK, UNKNOWN = Compatibility.OK, Compatibility.BREAK, Compatibility.UNKNOWN
LIFE = ("proposed", "draft", "active", "deprecated", "retired")
RESPONSIBILITY = ("domain", "dataProduct", "tenant", "price")
SERVER_KEYS = (("server", "id"), ("type",), ("environment",))
ROLE_KEYS = (("role",), ("access",))
SERVER_FOR_PEOPLE = STANDARD["Server"].documentation | {"roles"}


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
