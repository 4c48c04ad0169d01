"""Changes of a contract beside its schema: identity, life, service levels, servers, roles, people."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from mbp.contracts.compatibility.change_model import Change, Compatibility, entry_change
from mbp.contracts.compatibility.service_levels import service_level_changes
from mbp.contracts.compatibility.standard import STANDARD, form
from mbp.contracts.compatibility.versions import read_version

OK, BREAK, UNKNOWN = Compatibility.OK, Compatibility.BREAK, Compatibility.UNKNOWN
LIFE = ("proposed", "draft", "active", "deprecated", "retired")
RESPONSIBILITY = ("domain", "dataProduct", "tenant", "price")
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
    if read_version(before) and read_version(after) and read_version(after) < read_version(before):  # type: ignore[operator]
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
    before, after = (
        {
            _server_name(entry, contract): entry
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
        if form(places[0]) != form(places[1]):
            yield Change("server_moved", path, OK, BREAK, places[0], places[1])
        for key in sorted(SERVER_FOR_PEOPLE):
            values = before[name].get(key), after[name].get(key)
            if form(values[0]) != form(values[1]):
                known = key in STANDARD["Server"].documentation
                yield entry_change(f"{path}.{key}", *values, known=known)


def _server_name(entry: Mapping[str, Any], contract: Mapping[str, Any]) -> str:
    """The server; several of one name by everything that distinguishes them."""
    name = str(entry.get("server") or entry.get("id"))
    twins = [
        server
        for server in contract.get("servers") or ()
        if isinstance(server, Mapping) and str(server.get("server") or server.get("id")) == name
    ]
    if len(twins) == 1:
        return name
    words = [str(entry.get(key)) for key in ("type", "environment")]
    same = [
        twin for twin in twins if [str(twin.get(key)) for key in ("type", "environment")] == words
    ]
    number = next(index for index, candidate in enumerate(same) if candidate is entry)
    return f"{name}({', '.join(words)}{f', {number + 1}' if number else ''})"


def _roles(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    before, after = _named_roles(old), _named_roles(new)
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


def _named_roles(contract: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Roles by their name; several of one name also by their access, and then by their place."""
    results: dict[str, Mapping[str, Any]] = {}
    for entry in contract.get("roles") or ():
        if not isinstance(entry, Mapping):
            continue
        name = str(entry.get("role"))
        if name in results:
            name = f"{name}({entry.get('access')})"
        while name in results:
            name += "'"
        results[name] = entry
    return results


def _team(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    before, after = old.get("team"), new.get("team")
    if form(before) == form(after):
        return
    owners = [team.get("name") if isinstance(team, Mapping) else None for team in (before, after)]
    if owners[0] != owners[1]:
        yield Change("owner_changed", "team", OK, OK, owners[0], owners[1])
    else:
        yield Change("responsibility_changed", "team", OK, OK, before, after)
