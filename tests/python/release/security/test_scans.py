"""Static analysis and secrets on a small repository with what they must find in it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from mbp.core.errors import MbpError
from mbp.release.security import security_tools
from mbp.release.security.security_tools import read_bandit, sast, secrets
from tests.python.release.security.conftest import Project, exception

# Put together, so that this file holds none.
KEY = "AKIA" + "Z7Q2M4N8P1R5S9T3"
SHELL = "import subprocess\n\n\ndef run(text):\n    subprocess.call(text, shell=True)\n"


def accept(code: str, path: str) -> Any:
    return lambda document: document["sast"]["exceptions"].append(exception(code, path))


def test_a_shell_is_found_and_can_be_accepted_with_a_reason(project: Project) -> None:
    project.write("src/bad.py", SHELL)
    project.write("scripts/good.py", "print(1)\n")

    found = sast(project.root, project.policy)
    policy = project.change(accept("B602", "src/bad.py"))

    assert found.verdict == "fail"
    assert found.looked_at["files"] == 2
    assert [one.place for one in found.problems] == ["src/bad.py:5"]
    assert sast(project.root, policy).verdict == "pass"
    project.write("src/bad.py", "print(1)\n")
    assert "excepts nothing" in sast(project.root, policy).problems[0].message


def test_nothing_scanned_is_no_pass(project: Project) -> None:
    assert sast(project.root, project.policy).verdict == "not_measured"
    for folder in ("src", "lab", "scripts"):
        (project.root / folder).mkdir()
    assert sast(project.root, project.policy).verdict == "not_measured"


def test_a_file_that_bandit_cannot_read_is_a_finding(project: Project) -> None:
    project.write("src/broken.py", "def (:\n")
    project.write("scripts/good.py", "print(1)\n")

    assert "not analysed" in sast(project.root, project.policy).problems[0].message


def test_a_severity_that_nobody_knows_counts_as_the_worst(project: Project) -> None:
    result = {
        "filename": "src/a.py",
        "line_number": 1,
        "test_id": "B0",
        "test_name": "x",
        "issue_text": "x",
    }
    report = {
        "metrics": {"src/a.py": {}, "_totals": {"loc": 1}},
        "results": [
            {**result, "issue_severity": "UNDEFINED"},
            {**result, "issue_severity": "MEDIUM"},
        ],
    }

    assert len(read_bandit(report, project.policy).problems) == 1


@pytest.fixture
def guarded(project: Project, project_root: Path) -> Project:
    """The baseline of the repository, with nothing in it."""
    document = json.loads((project_root / ".secrets.baseline").read_text(encoding="utf-8"))
    project.write(".secrets.baseline", json.dumps({**document, "results": {}}))
    return project


def entry_of(kind: str, **more: Any) -> dict[str, Any]:
    from detect_secrets.core.potential_secret import PotentialSecret

    found = PotentialSecret(kind, "settings.py", KEY)
    return {
        "type": kind,
        "filename": "settings.py",
        "hashed_secret": found.secret_hash,
        "line_number": 1,
        **more,
    }


@pytest.mark.parametrize("few", [security_tools.FEW_FILES, 0], ids=["here", "in processes"])
def test_a_new_secret_is_found_and_its_value_never_shown(
    guarded: Project, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(security_tools, "FEW_FILES", few)
    guarded.write("settings.py", f'aws = "{KEY}"\n')
    guarded.track()

    result = secrets(guarded.root, guarded.policy)

    assert result.verdict == "fail"
    assert {one.place for one in result.problems} == {"settings.py:1"}
    assert KEY not in json.dumps(result.document())


def test_only_tracked_files_are_looked_at_and_none_is_no_pass(guarded: Project) -> None:
    assert secrets(guarded.root, guarded.policy).verdict == "not_measured"
    guarded.track()
    guarded.write("settings.py", f'aws = "{KEY}"\n')
    assert secrets(guarded.root, guarded.policy).verdict == "pass"


@pytest.mark.parametrize(
    "folder", ["contracts/gates/signoffs/M2", "contracts/waivers/signatures/late"]
)
def test_digests_of_signed_statements_are_no_secrets(guarded: Project, folder: str) -> None:
    """Seven sign-offs void themselves when the check of the secrets counts what they sign."""
    digest = hashlib.sha256(b"the checklist").hexdigest()
    statement = json.dumps({"role": "SRE", "subject": {"sha256": digest}})
    guarded.write(f"{folder}/SRE.json", statement)
    guarded.track()
    assert secrets(guarded.root, guarded.policy).verdict == "pass"
    guarded.write(f"{folder}/SRE.json", statement.replace("SRE", KEY))
    guarded.write("settings.json", statement)
    guarded.track()
    found = {one.place for one in secrets(guarded.root, guarded.policy).problems}
    assert found == {f"{folder}/SRE.json:1", "settings.json:1"}


@pytest.mark.parametrize(
    ("is_secret", "reason", "there", "told"),
    [
        (False, True, True, ""),
        (None, True, True, "not audited"),
        (True, True, True, "a secret"),
        (False, False, True, "no reason"),
        (False, True, False, "not there any more"),
    ],
)
def test_an_entry_of_the_baseline_is_audited_has_a_reason_and_is_still_there(
    guarded: Project, is_secret: bool | None, reason: bool, there: bool, told: str
) -> None:
    entry = entry_of("AWS Access Key")
    if is_secret is not None:
        entry["is_secret"] = is_secret
    document = json.loads((guarded.root / ".secrets.baseline").read_text(encoding="utf-8"))
    document["results"] = {"settings.py": [entry]}
    guarded.write(".secrets.baseline", json.dumps(document))
    guarded.write("settings.py", f'aws = "{KEY}"\n' if there else "aws = None\n")
    if reason:
        reviewed = exception("no_secret", "settings.py")
        guarded.change(lambda policy: policy["secrets"]["exceptions"].append(reviewed))
    guarded.track()

    result = secrets(guarded.root, guarded.policy)

    assert result.verdict == ("fail" if told else "pass"), result.problems
    assert told in "; ".join(one.message for one in result.problems)


def test_a_reason_for_nothing_and_a_broken_baseline_are_told(guarded: Project) -> None:
    reviewed = exception("no_secret", "settings.py")
    policy = guarded.change(lambda document: document["secrets"]["exceptions"].append(reviewed))
    guarded.track()

    assert "excepts nothing" in secrets(guarded.root, policy).problems[0].message
    guarded.write(".secrets.baseline", "{}")
    with pytest.raises(MbpError, match="not a baseline"):
        secrets(guarded.root, policy)
