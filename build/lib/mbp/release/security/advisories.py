"""A dated offline file of advisories in the OSV format, and which pinned packages they touch.

Form: the OSV schema (open source vulnerability format, version 1), as the OSV project exports it for PyPI and
the PyPA advisory database keeps it: one JSON record, a list of them, a folder or a zip of them. An object
{"exported_at": ..., "advisories": [...]} states its day itself; elsewhere the newest `modified` is the day.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from mbp.core.errors import MbpError

ECOSYSTEM = "PyPI"
LARGEST_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class Advisory:
    """One advisory on one package; `fixed` is the first version without it, '' when there is none."""

    id: str
    aliases: tuple[str, ...]
    package: str
    fixed: str


@dataclass(frozen=True)
class AdvisoryFile:
    """What an advisory file holds.

    Attributes:
        dated: when it was exported, in UTC.
        by_package: canonical name -> records that name it.
        records: all of them.
    """

    dated: datetime
    by_package: Mapping[str, Sequence[Mapping[str, Any]]]
    records: int

    def of(self, name: str, version: str) -> list[Advisory]:
        """The advisories that touch that version, by id."""
        packages = {}
        for record in self.by_package.get(canonicalize_name(name), ()):
            for affected in _affected(record, name):
                if _touches(affected, version):
                    packages[record["id"]] = Advisory(
                        str(record["id"]),
                        tuple(sorted(str(alias) for alias in record.get("aliases") or ())),
                        canonicalize_name(name),
                        _fixed(affected, version),
                    )
        return [packages[key] for key in sorted(packages)]


def read_advisories(path: Path) -> AdvisoryFile:
    """Reads a file, folder or zip of OSV records.

    Raises:
        MbpError: nothing there, no OSV record, or one without an id or a day.
    """
    by_package: dict[str, list[Mapping[str, Any]]] = {}
    stated: datetime | None = None
    newest: datetime | None = None
    records = 0
    for name, document in _documents(path):
        listed = document if isinstance(document, list) else [document]
        if isinstance(document, dict) and isinstance(document.get("advisories"), list):
            stated = _instant(document.get("exported_at"), name)
            listed = document["advisories"]
        for record in listed:
            if not isinstance(record, dict) or not record.get("id") or "affected" not in record:
                raise MbpError("no advisory in the OSV format", path=name, fix=_FIX)
            records += 1
            modified = _instant(record.get("modified"), f"{name}: {record['id']}")
            newest = modified if newest is None else max(newest, modified)
            if record.get("withdrawn"):
                continue
            for package in {_name_of(affected) for affected in record["affected"]} - {""}:
                by_package.setdefault(package, []).append(record)
    if newest is None:
        raise MbpError("no advisory in it", path=str(path), fix=_FIX)
    return AdvisoryFile(stated or newest, by_package, records)


_FIX = "take the PyPI export of OSV, or the PyPA advisory database as JSON"


def _documents(path: Path) -> Iterator[tuple[str, Any]]:
    try:
        if path.is_dir():
            for file in sorted(path.rglob("*.json")):
                yield file.name, json.loads(file.read_text(encoding="utf-8"))
        elif zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                for info in sorted(archive.infolist(), key=lambda one: one.filename):
                    if info.filename.endswith(".json"):
                        if info.file_size > LARGEST_BYTES:
                            raise MbpError(
                                "too large for an advisory",
                                path=info.filename,
                                fix="take it out of the source of advisories",
                            )
                        yield info.filename, json.loads(archive.read(info))
        else:
            yield path.name, json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        what = error.strerror if isinstance(error, OSError) else "not JSON"
        raise MbpError(f"cannot be read: {what}", path=str(path), fix=_FIX) from error


def _instant(value: object, place: str) -> datetime:
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError as error:
        raise MbpError(f"no instant: {value!r}", path=place, fix=_FIX) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _name_of(affected: Mapping[str, Any]) -> str:
    package = affected.get("package") or {}
    if package.get("ecosystem") != ECOSYSTEM:
        return ""
    return canonicalize_name(str(package.get("name", "")))


def _affected(record: Mapping[str, Any], name: str) -> Iterator[Mapping[str, Any]]:
    wanted = canonicalize_name(name)
    return (package for package in record["affected"] if _name_of(package) == wanted)


def _touches(affected: Mapping[str, Any], version: str) -> bool:
    """By the list of versions or by a range; an event that cannot be read touches everything."""
    listed = affected.get("versions") or []
    ranges = [
        versions for versions in affected.get("ranges") or [] if versions.get("type") != "GIT"
    ]
    if not listed and not ranges:
        return True  # nothing limits it
    here = Version(version)
    if any(_same(listed_version, here) for listed_version in listed):
        return True
    try:
        return any(_inside(versions.get("events") or [], here) for versions in ranges)
    except InvalidVersion:
        return True


def _same(text: object, here: Version) -> bool:
    try:
        return Version(str(text)) == here
    except InvalidVersion:
        return False


def _inside(events: Sequence[Mapping[str, Any]], here: Version) -> bool:
    """The events in the order of their versions; the last one at or below `here` decides."""
    inside = False
    for kind, version in sorted(_events(events), key=lambda event: event[1]):
        if kind == "introduced" and here >= version:
            inside = True
        elif (kind in ("fixed", "limit") and here >= version) or (
            kind == "last_affected" and here > version
        ):
            inside = False
    return inside


def _events(events: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Version]]:
    for event in events:
        for kind, text in event.items():
            if kind in ("introduced", "fixed", "last_affected", "limit") and text != "*":
                yield kind, Version("0.dev0" if str(text) == "0" else str(text))


def _fixed(affected: Mapping[str, Any], version: str) -> str:
    here = Version(version)
    fixed_versions = []
    for versions in affected.get("ranges") or []:
        for event in versions.get("events") or []:
            try:
                if (
                    "fixed" in event
                    and versions.get("type") != "GIT"
                    and Version(event["fixed"]) > here
                ):
                    fixed_versions.append(Version(event["fixed"]))
            except InvalidVersion:
                continue
    return str(min(fixed_versions)) if fixed_versions else ""
