"""The tools of `mbp security run`: bandit, detect-secrets and pip-audit. Each gives what it counted and what it found.

pip-audit ends well when it could resolve nothing, and a mirror of a registry may know packages and no
advisories. So an old release with known advisories, the canary, is asked for in the same way: a source that
does not know them has no advisories, and its silence is "not measured".
"""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from packaging.utils import canonicalize_name

from mbp.contracts.registry.odcs_documents import git
from mbp.core.errors import MbpError
from mbp.core.paths import shown
from mbp.core.reporting import Finding
from mbp.release.security.lock import Pinned, read_lock
from mbp.release.security.part_result import FoundIssue, PartResult, accepted, unmeasured
from mbp.release.security.security_policy import POLICY, SEVERITIES, SecurityPolicy
from mbp.runs.working_copy import SIGNATURES

TIMEOUT_SECONDS = 300
# Up to so many files, to start processes takes longer than to read them here.
FEW_FILES = 60
DIGEST = re.compile("[0-9a-f]{64}")


def tool_report(arguments: Sequence[str], root: Path | None = None) -> Any:
    """The JSON that a module of this Python writes.

    Raises:
        MbpError: it wrote none in time. The exit code says nothing: these tools use it for findings too.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-m", *arguments],
            cwd=root,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
        return json.loads(done.stdout)
    except subprocess.TimeoutExpired as error:
        message = f"no answer of {arguments[0]} within {TIMEOUT_SECONDS} s"
        raise MbpError(message, fix="run it again") from error
    except (OSError, ValueError) as error:
        message = f"no answer of {arguments[0]}: it wrote no report"
        raise MbpError(message, fix=f"run `python -m {arguments[0]}`, which shows why") from error


def sast(root: Path, policy: SecurityPolicy) -> PartResult:
    """bandit over the folders of the policy: nothing of its severity.

    Raises:
        MbpError: bandit gave no report.
    """
    folders = [folder for folder in policy.sast.folders if (root / folder).is_dir()]
    missing = sorted(set(policy.sast.folders) - set(folders))
    if missing:
        return unmeasured("sast", f"no folder {', '.join(missing)}")
    command = ["bandit", "--recursive", "--quiet", "--format", "json"]
    return read_bandit(tool_report([*command, *folders], root), policy, folders)


def read_bandit(
    report: Mapping[str, Any], policy: SecurityPolicy, folders: Sequence[str] = ()
) -> PartResult:
    """The verdict over bandit's JSON report."""
    found_issues = [
        FoundIssue(
            Finding(
                "sast",
                f"not analysed: {error['reason']}",
                str(error["filename"]),
                fix="correct the file",
            )
        )
        for error in report.get("errors", ())
    ]
    severities: Counter[str] = Counter()
    for result in report.get("results", ()):
        severity, name = (
            str(result["issue_severity"]).lower(),
            str(result["filename"]).removeprefix("./"),
        )
        severities[severity] += 1
        # What bandit calls undefined is of no known severity, so it counts as the worst.
        rank = SEVERITIES.index(severity) if severity in SEVERITIES else len(SEVERITIES)
        if rank >= SEVERITIES.index(policy.sast.fail_on):
            key = str(result["test_id"]), name
            what = f"{result['test_id']} {result['test_name']}, {severity}: {result['issue_text']}"
            fix = f"correct it, or write an exception under sast of {POLICY}"
            finding = Finding(key[0], what, name, int(result["line_number"]), fix=fix)
            found_issues.append(FoundIssue(finding, (key,)))
    metrics = report.get("metrics", {})
    counts: dict[str, int | str] = {
        "files": len(metrics.keys() - {"_totals"}),
        "lines": int(metrics.get("_totals", {}).get("loc", 0)),
        **{f"{name}_severity": severities[name] for name in reversed(SEVERITIES)},
    }
    return accepted(
        "sast", policy, counts, found_issues, must="files", content={"folders": list(folders)}
    )


def _scan_files(collection: Any, root: Path, files: Sequence[str]) -> None:
    """As `scan_files` of detect-secrets, which forks: a fork beside the threads of this process may never end."""
    from detect_secrets.settings import configure_settings_from_baseline, get_settings

    places = [str(root / file) for file in files]
    with ExitStack() as stack:
        every: Iterator[list[Any]] = map(_secrets_of, places)
        if len(files) > FEW_FILES:
            spawn = multiprocessing.get_context("spawn")
            settings = (get_settings().json(),)
            pool = spawn.Pool(os.cpu_count(), configure_settings_from_baseline, settings)
            every = stack.enter_context(pool).imap(_secrets_of, places, chunksize=8)
        for file, found in zip(files, every, strict=True):
            collection[file].update(found)


def _secrets_of(place: str) -> list[Any]:
    from detect_secrets.core.scan import scan_file

    return list(scan_file(place))


def secrets(root: Path, policy: SecurityPolicy) -> PartResult:
    """detect-secrets over what git tracks, with the plugins of the baseline; each entry of it needs a reason.

    Raises:
        MbpError: the baseline cannot be read.
    """
    from detect_secrets.core.secrets_collection import SecretsCollection
    from detect_secrets.settings import transient_settings

    name = policy.secrets.baseline
    try:
        files = [file for file in git(root, "ls-files", "-z").split("\0") if file and file != name]
    except MbpError:
        return unmeasured("secrets", "git does not say which files are tracked")
    files = [file for file in files if (root / file).is_file()]
    baseline = _baseline(root, name)
    with transient_settings({key: baseline[key] for key in ("plugins_used", "filters_used")}):
        collection = SecretsCollection(root=str(root))
        _scan_files(collection, root, files)
    present = {
        (path, secret.type, secret.secret_hash): secret
        for path, secret in collection
        if not _signed_digest(path, secret.secret_value or "")
    }
    entries = SecretsCollection.load_from_baseline(baseline)
    known = {(path, secret.type, secret.secret_hash): secret for path, secret in entries}
    fix = f"take it out and change it; a false alarm goes into {name} with a reason in {POLICY}"
    # The value is never shown: a report is read by more people than the file.
    found_issues = [
        FoundIssue(
            Finding(
                "secrets", f"{key[1]}: not in the baseline", key[0], secret.line_number, fix=fix
            )
        )
        for key, secret in present.items()
        if key not in known
    ]
    new = len(found_issues)
    for key, secret in known.items():
        path, kind, _ = key
        message, fix = f"{path}: no reason why it is no secret", "write an exception under secrets"
        issue = Finding("secrets", message, name, fix=fix)
        found_issues.append(FoundIssue(issue, (("no_secret", path),)))
        if key not in present:
            message, fix = f"{path}: {kind} is not there any more", "remove it from the baseline"
            found_issues.append(FoundIssue(Finding("secrets", message, name, fix=fix)))
        elif secret.is_secret is not False:
            message = f"{path}: {kind} is {'a secret' if secret.is_secret else 'not audited'}"
            found_issues.append(FoundIssue(Finding("secrets", message, name, fix=fix)))
    counts: dict[str, int | str] = {
        "files": len(files),
        "plugins": len(baseline["plugins_used"]),
        "in_the_baseline": len(known),
        "new": new,
    }
    return accepted("secrets", policy, counts, found_issues, must="files")


def _signed_digest(path: str, value: str) -> bool:
    """A SHA-256 in a statement that people sign: random by nature, and a baseline of it would be another source."""
    of_statements = path.startswith(SIGNATURES) and path.endswith(".json")
    return of_statements and DIGEST.fullmatch(value) is not None


def _baseline(root: Path, name: str) -> dict[str, Any]:
    try:
        document = json.loads((root / name).read_text(encoding="utf-8"))
        if not document["plugins_used"] or not isinstance(document["results"], dict):
            raise ValueError("no plugins")
        return dict(document)
    except (OSError, ValueError, KeyError, TypeError) as error:
        where = shown(root / name, root)
        raise MbpError(
            "not a baseline of detect-secrets", path=where, fix="restore it from git"
        ) from error


def audit(root: Path, policy: SecurityPolicy, today: date | None = None) -> PartResult:
    """The advisories on every pinned package of every lock, as pip-audit knows them.

    Raises:
        MbpError: a lock cannot be read, or pip-audit gave no answer.
    """
    files = [policy.locks.environment, *policy.locks.beside]
    pinned = {
        (pinned.name, pinned.version): pinned for file in files for pinned in read_lock(root, file)
    }
    canary = policy.audit.canary.package, policy.audit.canary.version
    counts: dict[str, int | str] = {"packages": len(pinned)}
    known = _asked([canary])
    if not known.get(canary):
        silent = f"the source has no advisory on {' '.join(canary)}, which has some: it knows none"
        return unmeasured("audit", silent, counts)
    known |= _asked(sorted(pinned))
    skipped = [name for name, version in sorted(pinned) if (name, version) not in known]
    if skipped:
        message = f"{len(skipped)} packages were skipped: {', '.join(skipped[:5])}"
        return unmeasured("audit", message, counts)
    found_issues = [
        _issue(pinned[key], advisory) for key in sorted(pinned) for advisory in known[key]
    ]
    counts["found"] = len(found_issues)
    return accepted("audit", policy, counts, found_issues, must="packages", today=today)


def _issue(pinned: Pinned, vulnerability: Mapping[str, Any]) -> FoundIssue:
    names = (str(vulnerability["id"]), *sorted(map(str, vulnerability.get("aliases") or ())))
    what = f"{pinned.name} {pinned.version}: {', '.join(names)}"
    fixed = next(iter(vulnerability.get("fix_versions") or ()), "")
    fix = f"lock {fixed} or later" if fixed else "no release fixes it yet"
    finding = Finding(names[0], what, pinned.path, pinned.line, fix=fix)
    return FoundIssue(finding, tuple((name, pinned.name) for name in names))


def _asked(packages: Sequence[tuple[str, str]]) -> dict[tuple[str, str], list[Mapping[str, Any]]]:
    """(name, version) -> its advisories as pip-audit writes them, for every package that pip-audit did not skip."""
    results: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for part in _rounds(packages):
        for entry in pip_audit(sorted(part.items())):
            name = str(canonicalize_name(str(entry["name"])))
            if "vulns" in entry and name in part:
                results[name, part[name]] = entry["vulns"]
    return results


def _rounds(packages: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    """Names and versions, no name twice in a round: pip-audit takes one version of a package."""
    rounds: list[dict[str, str]] = []
    for name, version in packages:
        free = next((part for part in rounds if name not in part), None)
        if free is None:
            rounds.append(free := {})
        free[name] = version
    return rounds


def pip_audit(packages: Sequence[tuple[str, str]]) -> list[Mapping[str, Any]]:
    """What pip-audit says of each package.

    Raises:
        MbpError: it gave no answer.
    """
    with TemporaryDirectory(prefix="mbp-audit-") as folder:
        wanted = Path(folder) / "packages.txt"
        wanted.write_text("".join(f"{name}=={version}\n" for name, version in packages))
        options = ["--requirement", str(wanted), "--no-deps", "--disable-pip", "--format", "json"]
        options += ["--progress-spinner", "off", "--cache-dir", str(Path(folder) / "cache")]
        report = tool_report(["pip_audit", *options])
    dependencies = report.get("dependencies") if isinstance(report, dict) else None
    if not dependencies:
        fix = "let it reach its source: PIP_AUDIT_VULNERABILITY_SERVICE and PIP_AUDIT_OSV_URL name another"
        raise MbpError("no answer of pip_audit: it resolved nothing", fix=fix)
    return list(dependencies)
