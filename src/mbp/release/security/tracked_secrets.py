"""Secrets in the tracked files by detect-secrets, against a committed baseline whose entries have reasons."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mbp.contracts.exceptions import exception_findings
from mbp.contracts.registry.odcs_documents import git
from mbp.core.errors import MbpError
from mbp.core.moments import today
from mbp.core.paths import shown
from mbp.core.reporting import Finding
from mbp.release.security.part_result import (
    PartResult,
    judged,
    unmeasured,
)
from mbp.release.security.security_policy import SecurityPolicy

PART = "secrets"
Key = tuple[str, str, str]


def secrets(root: Path, policy: SecurityPolicy) -> PartResult:
    """Scans what git tracks with the plugins that the baseline names.

    Raises:
        MbpError: the baseline cannot be read.
    """
    files = tracked(root)
    if files is None:
        return unmeasured(PART, "git does not say which files are tracked")
    name = policy.secrets["baseline"]
    baseline = _baseline(root, name)
    known: dict[Key, bool | None] = {
        (path, one["type"], one["hashed_secret"]): one.get("is_secret")
        for path, entries in baseline["results"].items()
        for one in entries
    }
    scanned = sorted(file for file in files if file != name)
    found = dict(_scan(root, scanned, baseline))
    exceptions = policy.exceptions[PART]
    reviewed = {entry.object for entry in exceptions}
    fix = (
        f"take it out and change it; a false alarm goes into {name} with a reason in {policy.path}"
    )
    # The value is never shown: a report is read by more people than the file.
    problems = [
        Finding(PART, f"{kind}: not in the baseline", path, line, fix=fix)
        for (path, kind, digest), line in found.items()
        if (path, kind, digest) not in known
    ]
    for (path, kind, digest), is_secret in known.items():
        told: list[tuple[str, str]] = []
        if (path, kind, digest) not in found:
            told.append((f"{kind} is not there any more", "remove it from the baseline"))
        elif is_secret is not False:
            told.append((f"{kind} is {'a secret' if is_secret else 'not audited'}", fix))
        if path not in reviewed:
            told.append(("no reason why it is no secret", "write an exception under secrets"))
        problems += [Finding(PART, f"{path}: {what}", name, fix=do) for what, do in told]
    known_paths = {path for path, _, _ in known}
    used = {entry.key for entry in exceptions if entry.object in known_paths}
    problems += exception_findings(exceptions, today(), used=used)
    counts: dict[str, int | str] = {
        "files": len(scanned),
        "plugins": len(baseline["plugins_used"]),
        "in_the_baseline": len(known),
        "new": sum(key not in known for key in found),
    }
    return judged(PART, counts, problems, must="files")


def tracked(root: Path) -> list[str] | None:
    """Files that git tracks and that are there; None where git does not say."""
    try:
        names = git(root, "ls-files", "-z")
    except MbpError:
        return None
    return [name for name in names.split("\0") if name and (root / name).is_file()]


def _baseline(root: Path, name: str) -> dict[str, Any]:
    path = root / name
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if not document["plugins_used"] or not isinstance(document["results"], dict):
            raise ValueError("no plugins")
        return dict(document)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MbpError(
            "not a baseline of detect-secrets",
            path=shown(path, root),
            cure="restore it from git",
        ) from error


def _scan(root: Path, files: list[str], baseline: Mapping[str, Any]) -> Iterator[tuple[Key, int]]:
    """(file, kind, hash of the secret) -> line."""
    from detect_secrets.core.secrets_collection import SecretsCollection
    from detect_secrets.settings import transient_settings

    settings = {key: baseline[key] for key in ("plugins_used", "filters_used")}
    with transient_settings(settings):
        collection = SecretsCollection(root=str(root))
        collection.scan_files(*files, num_processors=os.cpu_count() or 1)
    for file, secret in collection:
        yield (file, secret.type, secret.secret_hash), int(secret.line_number)
