"""Known advisories on what the locks pin: from a dated file, or from pip-audit where its source answers.

pip-audit ends well when it could look nothing up, and a mirror of a registry may know packages and no
advisories. So an old release with known advisories, the canary, is asked for in the same way: a source that
does not know them has no advisories, and its silence is "not measured".
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from packaging.utils import canonicalize_name

from mbp.contracts.exceptions import AllowedException, exception_findings
from mbp.core.moments import objection
from mbp.core.reporting import Finding
from mbp.release.security.advisories import Advisory, read_advisories
from mbp.release.security.lock import Pinned, read_lock
from mbp.release.security.part_result import (
    PartResult,
    judged,
    unmeasured,
)
from mbp.release.security.security_policy import SecurityPolicy

PART = "audit"
TIMEOUT_SECONDS = 300
Hit = tuple[Pinned, Advisory]


def audit(
    root: Path, policy: SecurityPolicy, advisories: Path | None, now: datetime | None = None
) -> PartResult:
    """The advisories on every pinned package of every lock.

    Args:
        advisories: an offline file; without one pip-audit asks its source.

    Raises:
        MbpError: a lock, or the advisory file, cannot be read.
    """
    now = now or datetime.now(UTC)
    files = [policy.locks["environment"], *policy.locks["beside"]]
    pinned = {(one.name, one.version): one for file in files for one in read_lock(root, file)}
    entries = [pinned[key] for key in sorted(pinned)]
    if advisories is not None:
        return _offline(entries, policy, advisories, now)
    return _asked(entries, policy, now)


def _offline(
    pinned: Sequence[Pinned], policy: SecurityPolicy, path: Path, now: datetime
) -> PartResult:
    known = read_advisories(path)
    counts: dict[str, int | str] = {"packages": len(pinned), "advisories": known.records}
    if why := objection(known.dated, now, timedelta(days=policy.audit["max_age_days"])):
        return unmeasured(PART, f"the advisories are dated {why}", counts)
    canary = policy.audit["canary"]
    if not known.of(canary["package"], canary["version"]):
        return unmeasured(PART, _silent(canary), counts)
    hits = [(one, found) for one in pinned for found in known.of(one.name, one.version)]
    source = {"source": f"file of {known.dated.date().isoformat()}", "file": path.name}
    return _verdict(hits, policy, now, counts, source)


def _asked(pinned: Sequence[Pinned], policy: SecurityPolicy, now: datetime) -> PartResult:
    canary = policy.audit["canary"]
    counts: dict[str, int | str] = {"packages": len(pinned)}
    answer = pip_audit([(canary["package"], canary["version"])])
    if isinstance(answer, str):
        return unmeasured(PART, answer, counts)
    for one in answer:
        if "skip_reason" in one:
            return unmeasured(PART, f"skipped: {one['skip_reason']}", counts)
    if not any(one.get("vulns") for one in answer):
        return unmeasured(PART, _silent(canary), counts)
    told: dict[tuple[str, str], Mapping[str, Any]] = {}
    for part in _rounds(pinned):
        answer = pip_audit(part)
        if isinstance(answer, str):
            return unmeasured(PART, answer, counts)
        versions = dict(part)
        for one in answer:
            name = canonicalize_name(str(one["name"]))
            told[name, versions.get(name, "")] = one
    skipped = [one.name for one in pinned if "vulns" not in told.get((one.name, one.version), {})]
    if skipped:
        return unmeasured(
            PART, f"{len(skipped)} packages were skipped: {', '.join(skipped[:5])}", counts
        )
    hits = [(one, found) for one in pinned for found in _of(told[one.name, one.version], one)]
    return _verdict(hits, policy, now, counts, {"source": "pip-audit, asked now"})


def _rounds(pinned: Sequence[Pinned]) -> list[list[tuple[str, str]]]:
    """Names and versions, no name twice in a round: pip-audit takes one version of a package."""
    rounds: list[dict[str, str]] = []
    for one in pinned:
        free = next((part for part in rounds if one.name not in part), None)
        if free is None:
            free = {}
            rounds.append(free)
        free[one.name] = one.version
    return [sorted(part.items()) for part in rounds]


def pip_audit(packages: Sequence[tuple[str, str]]) -> list[Mapping[str, Any]] | str:
    """What pip-audit says of each package, or why it says nothing."""
    with TemporaryDirectory(prefix="mbp-audit-") as folder:
        wanted = Path(folder) / "packages.txt"
        wanted.write_text("".join(f"{name}=={version}\n" for name, version in packages))
        command = [sys.executable, "-m", "pip_audit", "--requirement", str(wanted), "--no-deps"]
        command += ["--disable-pip", "--format", "json", "--progress-spinner", "off"]
        try:
            done = subprocess.run(
                [*command, "--cache-dir", str(Path(folder) / "cache")],
                capture_output=True,
                text=True,
                timeout=TIMEOUT_SECONDS,
                check=False,
            )
            found = json.loads(done.stdout)["dependencies"]
        except subprocess.TimeoutExpired:
            return f"no answer within {TIMEOUT_SECONDS} s"
        except (OSError, ValueError, KeyError, TypeError):
            return "no answer: pip-audit could look nothing up"
    return list(found) if found else "no answer: pip-audit looked at nothing"


def _of(told: Mapping[str, Any], pinned: Pinned) -> list[Advisory]:
    return [
        Advisory(
            str(one["id"]),
            tuple(sorted(str(alias) for alias in one.get("aliases") or ())),
            pinned.name,
            str((one.get("fix_versions") or [""])[0]),
        )
        for one in told["vulns"]
    ]


def _silent(canary: Mapping[str, str]) -> str:
    return (
        f"the source has no advisory on {canary['package']} {canary['version']}, which has some:"
        " it knows none"
    )


def _verdict(
    hits: Sequence[Hit],
    policy: SecurityPolicy,
    now: datetime,
    counts: dict[str, int | str],
    content: Mapping[str, str],
) -> PartResult:
    exceptions = policy.exceptions[PART]
    accepted: dict[tuple[str, str], AllowedException] = {
        (entry.code, canonicalize_name(entry.object)): entry for entry in exceptions
    }
    problems: list[Finding] = []
    used: set[tuple[str, str]] = set()
    for pinned, advisory in hits:
        keys = [(name, pinned.name) for name in (advisory.id, *advisory.aliases)]
        match = next((accepted[key] for key in keys if key in accepted), None)
        if match is not None:
            used.add(match.key)
            if not match.expired(now.date()):
                continue
        names = ", ".join((advisory.id, *advisory.aliases))
        what = f"{pinned.name} {pinned.version}: {names}"
        fix = f"lock {advisory.fixed} or later" if advisory.fixed else "no release fixes it yet"
        problems.append(Finding(advisory.id, what, pinned.path, pinned.line, fix=fix))
    problems += exception_findings(exceptions, now.date(), used=used)
    counts |= {"found": len(hits), "accepted": len(used)}
    return judged(PART, counts, problems, must="packages", content=content)
