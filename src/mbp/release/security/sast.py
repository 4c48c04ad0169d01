"""Static analysis by bandit: nothing of the policy's severity, less what was accepted with a reason."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mbp.contracts.exceptions import exception_findings
from mbp.core.moments import today
from mbp.core.reporting import Finding
from mbp.release.security.part_result import (
    PartResult,
    judged,
    unmeasured,
)
from mbp.release.security.security_policy import SEVERITIES, SecurityPolicy

PART = "sast"
TIMEOUT_SECONDS = 300


def sast(root: Path, policy: SecurityPolicy) -> PartResult:
    """Runs bandit over the folders of the policy."""
    folders = [folder for folder in policy.sast["folders"] if (root / folder).is_dir()]
    missing = sorted(set(policy.sast["folders"]) - set(folders))
    if missing:
        return unmeasured(PART, f"no folder {', '.join(missing)}")
    command = [sys.executable, "-m", "bandit", "--recursive", "--quiet", "--format", "json"]
    try:
        done = subprocess.run(
            [*command, *folders],
            cwd=root,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
        report = json.loads(done.stdout)
    except (OSError, subprocess.TimeoutExpired, json.JSONDecodeError) as error:
        return unmeasured(PART, f"bandit gave no report: {type(error).__name__}")
    return read_report(report, policy, folders)


def read_report(
    report: Mapping[str, Any], policy: SecurityPolicy, folders: Sequence[str] = ()
) -> PartResult:
    """The verdict over bandit's JSON report."""
    files = [name for name in report.get("metrics", {}) if name != "_totals"]
    lines = int(report.get("metrics", {}).get("_totals", {}).get("loc", 0))
    least = SEVERITIES.index(policy.sast["fail_on"])
    exceptions = policy.exceptions[PART]
    accepted = {entry.key for entry in exceptions}
    used: set[tuple[str, str]] = set()
    problems = [
        Finding(
            PART, f"not analysed: {one['reason']}", str(one["filename"]), fix="correct the file"
        )
        for one in report.get("errors", ())
    ]
    severities: Counter[str] = Counter()
    for one in report.get("results", ()):
        severity = str(one["issue_severity"]).lower()
        severities[severity] += 1
        # What bandit calls undefined is of no known severity, so it counts as the worst.
        rank = SEVERITIES.index(severity) if severity in SEVERITIES else len(SEVERITIES)
        name = str(one["filename"]).removeprefix("./")
        key = (str(one["test_id"]), name)
        if rank < least:
            continue
        if key in accepted:
            used.add(key)
            continue
        what = f"{one['test_id']} {one['test_name']}, {severity}: {one['issue_text']}"
        fix = f"fix it, or write an exception under sast of {policy.path}"
        problems.append(Finding(key[0], what, name, int(one["line_number"]), fix=fix))
    problems += exception_findings(exceptions, today(), used=used)
    counts: dict[str, int | str] = {
        "files": len(files),
        "lines": lines,
        **{f"{name}_severity": severities[name] for name in reversed(SEVERITIES)},
        "accepted": len(used),
    }
    return judged(PART, counts, problems, must="files", content={"folders": list(folders)})
