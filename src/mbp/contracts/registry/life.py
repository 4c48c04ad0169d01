"""The life of a published version: draft -> active -> deprecated (with a sunset) -> retired.

A version is immutable, so its stages are in a separate append-only file whose lines are chained
by their hashes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from mbp.contracts.published_versions import FOLDER, LIFE, Published, published
from mbp.core.canonical_json import canonical, digest
from mbp.core.errors import MbpError
from mbp.core.files import atomic_path
from mbp.core.paths import shown
from mbp.core.reporting import Finding, read_codes

NEXT = {
    "draft": ("active",),
    "active": ("deprecated",),
    "deprecated": ("retired", "active"),
    "retired": (),
}

NEAR_DAYS = 30
RULES = read_codes("mbp.contracts.registry", "registry_codes.yaml")


def entries(root: Path, dataset: str) -> list[dict[str, Any]]:
    """The stages that were entered after publishing, oldest first.

    Raises:
        MbpError: a line that is not valid.
    """
    path = root / FOLDER / dataset / LIFE
    if not path.is_file():
        return []
    results: list[dict[str, Any]] = []
    keys = {"version", "status", "on", "by", "parent", "sha256"}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            entry = json.loads(line)
        except ValueError:
            entry = None
        if not isinstance(entry, dict) or not keys <= entry.keys():
            fix = "restore the file from git"
            raise MbpError("not a life stage", path=shown(path, root), line=number, fix=fix)
        results.append(entry)
    return results


def stages(root: Path, dataset: str) -> dict[str, Mapping[str, Any]]:
    """Version -> the stage that it is in: {'status', 'on', and 'sunset' where one was set}.

    Raises:
        MbpError: a file of the registry that cannot be read as what it is.
    """
    start = {
        str(version.version): {
            "status": version.contract.get("status"),
            "on": version.document["published_on"],
        }
        for version in published(root, dataset)
    }
    # The last entry of a version is the stage that it is in.
    return start | {str(entry["version"]): entry for entry in entries(root, dataset)}


def stage(root: Path, dataset: str, version: str) -> Mapping[str, Any]:
    """The stage that the version is in, as of `stages`.

    Raises:
        MbpError: it is not published.
    """
    try:
        return stages(root, dataset)[version]
    except KeyError as error:
        message = f"{dataset} {version} is not published"
        raise MbpError(message, fix="see `mbp registry list`") from error


def in_use(root: Path, dataset: str) -> list[Published]:
    """The versions that readers may still use; all of them where every one is retired."""
    return _not_retired(root, dataset) or published(root, dataset)


def retired(root: Path, dataset: str) -> bool:
    """Whether versions were published and each of them is retired."""
    return bool(published(root, dataset)) and not _not_retired(root, dataset)


def _not_retired(root: Path, dataset: str) -> list[Published]:
    now = stages(root, dataset)
    return [
        version
        for version in published(root, dataset)
        if now[str(version.version)]["status"] != "retired"
    ]


def sunset_findings(root: Path, dataset: str, today: date) -> list[Finding]:
    """Deprecated versions whose last day has passed, or is near."""
    findings: list[Finding] = []
    for version, entry in stages(root, dataset).items():
        if entry["status"] != "deprecated" or "sunset" not in entry:
            continue
        days = (date.fromisoformat(str(entry["sunset"])) - today).days
        if days > NEAR_DAYS:
            continue
        if days < 0:
            code, when = "sunset_passed", f"ended on {entry['sunset']}"
            retire = f"mbp registry status {dataset} {version} retired --by {entry['by']}"
            fix = f"`{retire}`, or make it active again"
        else:
            code, when = "sunset_near", f"ends in {days} days, on {entry['sunset']}"
            fix = RULES[code].fix
        findings.append(
            Finding(
                code,
                f"the support of {version} {when}",
                f"{FOLDER}/{dataset}/{LIFE}",
                subject=f"{dataset} {version}",
                fix=fix,
                severity=RULES[code].severity,
            )
        )
    return findings


def enter(
    root: Path,
    dataset: str,
    version: str,
    status: str,
    *,
    today: date,
    by: str,
    sunset: date | None = None,
) -> bool:
    """Moves the version to a stage; False when it is there already.

    Raises:
        MbpError: not the next stage, a deprecation without a day of sunset ahead, or retiring
            before that day.
    """
    now = stage(root, dataset, version)
    if now["status"] == status:
        return False
    if status not in NEXT.get(str(now["status"]), ()):
        allowed = ", ".join(NEXT.get(str(now["status"]), ())) or "nothing"
        what = f"{dataset} {version} is {now['status']} and cannot become {status}"
        raise MbpError(what, fix=f"what may follow is {allowed}")
    if status == "deprecated" and (sunset is None or sunset <= today):
        fix = "give --sunset YYYY-MM-DD, so that readers know until when they may stay"
        raise MbpError("a deprecated version needs a day of sunset in the future", fix=fix)
    if status == "retired" and date.fromisoformat(str(now["sunset"])) > today:
        fix = "retire it after that day"
        raise MbpError(f"{dataset} {version} is guaranteed until {now['sunset']}", fix=fix)
    known = entries(root, dataset)
    entry: dict[str, Any] = {
        "version": version,
        "status": status,
        "on": today.isoformat(),
        "by": by,
        "parent": known[-1]["sha256"] if known else None,
    }
    if sunset is not None:
        entry["sunset"] = sunset.isoformat()
    lines = [*known, {**entry, "sha256": digest(entry)}]
    with atomic_path(root / FOLDER / dataset / LIFE) as temporary:
        temporary.write_bytes(b"".join(canonical(line) + b"\n" for line in lines))
    return True
