"""The workflow files: what they may, what they pin, and that everything they call exists."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from mbp.contracts.gates import load_gate
from mbp.core.paths import project_root as find_project_root
from mbp.release.ci.step_reports import STEPS
from mbp.release.documents.command_lines import objection_to_call
from mbp.release.gate.all_rules import RULES

ROOT = find_project_root(Path(__file__).parent)
FILES = sorted((ROOT / ".github/workflows").glob("*.yml"))
SETUP = ROOT / ".github/actions/setup/action.yml"
# An action of the repository is of the commit that is checked out.
OWN = "./.github/actions/setup"
SCRIPTS = sorted((ROOT / "scripts/ci").glob("*.sh"))
BIN = Path(sys.executable).parent
ALERTS = (ROOT / ".github/workflows/alerts.yml").read_text(encoding="utf-8")
PINNED = re.compile(r"^\s*-?\s*uses: ([\w.-]+/[\w./-]+)@([0-9a-f]{40}) # v\d+\.\d+\.\d+$")
# Who may write what, and why: everything else reads at most.
MAY_WRITE = {
    ("comment", "comment"): {"pull-requests"},
    ("release", "tag"): {"contents"},
    ("release", "site"): {"pages", "id-token"},
}
# Words of the shell and tools of the runner; everything else must be in the repository.
TOOLS = {"sudo", "apt-get", "git", "echo"}


@dataclass(frozen=True)
class Shell:
    """One shell step."""

    file: str
    job: str
    text: str


@cache
def workflow(path: Path) -> dict[str, Any]:
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    document["on"] = document.pop(True)  # YAML 1.1 reads `on` as true
    return dict(document)


def jobs() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path in FILES:
        for name, job in workflow(path)["jobs"].items():
            yield path.stem, name, job


def shells() -> list[Shell]:
    return [
        Shell(file, name, step["run"])
        for file, name, job in jobs()
        for step in job["steps"]
        if "run" in step
    ]


def test_there_is_something_to_look_at() -> None:
    names = {path.stem for path in FILES}
    assert names >= {"pull_request", "comment", "main", "nightly", "release"}
    assert len(shells()) > 20
    assert len(SCRIPTS) > 10


@pytest.mark.parametrize("path", [*FILES, SETUP], ids=lambda path: path.stem)
def test_every_action_and_image_is_pinned(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    uses = [line for line in lines if "uses:" in line and not line.endswith(f"uses: {OWN}")]
    assert uses
    for line in uses:
        assert PINNED.match(line), line
    for image in re.findall(r"^\s*(?:image|container): (.+)$", "\n".join(lines), re.MULTILINE):
        assert re.fullmatch(r"[\w.:-]+@sha256:[0-9a-f]{64}", image), image


def test_an_action_is_pinned_to_one_version_everywhere() -> None:
    pins: dict[str, set[str]] = {}
    for path in (*FILES, SETUP):
        for line in path.read_text(encoding="utf-8").splitlines():
            if "uses:" in line:
                _, _, rest = line.partition("uses: ")
                pins.setdefault(rest.partition("@")[0], set()).add(rest)
    assert pins
    assert all(len(versions) == 1 for versions in pins.values()), pins


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_permissions_are_the_least(path: Path) -> None:
    document = workflow(path)
    top = document["permissions"]
    assert top in ({}, {"contents": "read"})
    assert {"concurrency"} <= set(document)
    for name, job in document["jobs"].items():
        granted = job.get("permissions", top)
        assert granted, f"{name} says nothing of its permissions"
        writing = {scope for scope, level in granted.items() if level != "read"}
        assert writing == MAY_WRITE.get((path.stem, name), set()), name
        assert job["timeout-minutes"] <= 180
        for step in job["steps"]:
            if str(step.get("uses", "")).startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False


def test_pull_requests_need_no_secret_and_run_nothing_of_theirs_with_rights() -> None:
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        assert "pull_request_target" not in text
        assert "secrets:" not in text
        # A password is given to a job of an environment, which reviewers can hold, and that no pull request starts.
        triggers = set(workflow(path)["on"])
        for name, job in workflow(path)["jobs"].items():
            if "secrets." in str(job):
                assert job["environment"], name
                assert triggers <= {"schedule", "workflow_dispatch"}, name
        assert "github.event.pull_request.title" not in text
    requests = workflow(ROOT / ".github/workflows/pull_request.yml")
    assert set(requests["on"]) == {"pull_request", "merge_group"}
    # What is reported is of the commit that is checked out, and no step checks out another one.
    assert requests["env"]["MBP_CI_COMMIT"] == "${{ github.sha }}"
    steps = [step for job in requests["jobs"].values() for step in job["steps"]]
    assert all("ref" not in step.get("with", {}) for step in steps)
    commenter = workflow(ROOT / ".github/workflows/comment.yml")
    assert set(commenter["on"]) == {"workflow_run"}
    (job,) = commenter["jobs"].values()
    checkouts = [step for step in job["steps"] if "uses" in step]
    assert [step["with"]["ref"] for step in checkouts] == [
        "${{ github.event.repository.default_branch }}"
    ]


def test_what_may_write_or_release_takes_nothing_from_a_cache() -> None:
    for file, name, job in jobs():
        if file in ("comment", "main", "release"):
            assert not any(step.get("uses") == OWN for step in job["steps"]), (file, name)


def test_the_pythons_are_those_that_the_readme_names() -> None:
    (matrix,) = [
        job["strategy"]["matrix"]["python"] for _, name, job in jobs() if name == "pythons"
    ]
    for readme in ("README.md", "README.pt-BR.md"):
        text = (ROOT / readme).read_text(encoding="utf-8")
        assert re.findall(r"\b3\.\d\d\b", text) == matrix
    assert f'requires-python = ">={matrix[0]}"' in (ROOT / "pyproject.toml").read_text()


def test_make_test_is_what_the_readme_says() -> None:
    help_text = re.findall(r"^test: setup ## (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    (said,) = re.findall(r"make test +# (.+)", (ROOT / "README.md").read_text())
    assert help_text == [re.sub(r" \([^)]*\)", "", said)]


def test_what_publishes_runs_none_of_what_builds() -> None:
    for file, name, job in jobs():
        if (file, name) in MAY_WRITE and file == "release":
            ran = [step["run"] for step in job["steps"] if "run" in step]
            assert ran in ([], ['scripts/ci/publish_release.sh "$VERSION"'])


def test_the_pull_request_runs_the_steps_that_the_comment_expects() -> None:
    recorded = [
        found
        for shell in shells()
        if shell.file == "pull_request"
        for found in re.findall(r"scripts/ci/step\.sh (\w+)", shell.text)
    ]
    assert sorted(recorded) == sorted(step.name for step in STEPS)
    at_home = re.findall(r"\bstep (\w+)", (ROOT / "scripts/ci/pull_request.sh").read_text())
    assert sorted(at_home) == sorted(recorded)
    commands = [
        re.search(rf"step(?:\.sh)? {name} (.+)", text)
        for name in recorded
        for text in (
            "\n".join(one.text for one in shells()),
            (ROOT / "scripts/ci/pull_request.sh").read_text(),
        )
    ]
    pairs = [found.group(1) if found else None for found in commands]
    assert pairs[0::2] == pairs[1::2]


def test_every_check_of_the_gate_is_made_at_a_merge() -> None:
    """Its command runs in a step; or it is judged by the gate itself, which runs there; or no machine can make it."""
    text = "\n".join(shell.text for shell in shells() if shell.file == "pull_request")
    text += "".join(path.read_text() for path in (*SCRIPTS, ROOT / "scripts/lint"))
    text += (ROOT / "Makefile").read_text().replace("$(BIN)/", "")
    commands = re.sub(r'"|\$mbp|\$bin/', lambda found: {"$mbp": "mbp"}.get(found[0], ""), text)
    assert "mbp gate M2" in commands
    gate = load_gate(ROOT, "M2", RULES)
    missing = [
        check.id
        for check in gate.checks
        if "evidence" in check.source
        # `security rehearse` runs every part of `security run`, on servers of its own.
        and not re.search(
            check.command.partition(" --target")[0].replace(
                "security run", "security (run|rehearse)"
            ),
            commands,
        )
    ]
    assert missing == []


def test_expressions_reach_the_shell_by_the_environment_alone() -> None:
    for shell in shells():
        assert "${{" not in shell.text, f"{shell.file}/{shell.job}: {shell.text}"


def test_shell_steps_are_short_and_sound(tmp_path: Path) -> None:
    for index, shell in enumerate(shells()):
        assert len(shell.text.strip().splitlines()) <= 3, shell
        file = tmp_path / f"{index}.sh"
        file.write_text(f"#!/usr/bin/env bash\n{shell.text}\n")
    files = [str(path) for path in sorted(tmp_path.glob("*.sh"))]
    for path in files:
        subprocess.run(["bash", "-n", path], check=True)
    subprocess.run([str(BIN / "shellcheck"), *files], check=True)


def targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def objection(words: list[str]) -> str | None:
    """Why a command of a shell step cannot be run; None when it can."""
    first = words[0]
    if first == "make":
        return None if set(words[1:]) <= targets() else f"no target {' '.join(words[1:])}"
    if first == "mbp" or first.endswith("/mbp"):
        return objection_to_call(words[1:])
    if first.startswith("scripts/"):
        path = ROOT / first
        if not path.is_file() or not path.stat().st_mode & 0o111:
            return f"{first} cannot be run"
        return objection(words[2:]) if first.endswith("/step.sh") else None
    if first.startswith(".venv/bin/"):
        return None if (BIN / Path(first).name).exists() else f"{first} is not there"
    return None if first in TOOLS else f"{first} is no script of the repository"


def test_everything_that_a_step_calls_exists() -> None:
    for shell in shells():
        for line in shell.text.strip().splitlines():
            for part in re.split(r"&&|\|\||;", line):
                told = objection(shlex.split(part))
                assert told is None, f"{shell.file}/{shell.job}: {told}"


@pytest.mark.parametrize(
    "command",
    [
        "make nothing",
        "scripts/ci/none.sh",
        "mbp ci plann",
        "curl x",
        "scripts/ci/step.sh lint make no",
    ],
)
def test_a_step_that_calls_what_is_not_there_is_seen(command: str) -> None:
    assert objection(shlex.split(command)) is not None


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_what_the_scripts_call_exists(path: Path) -> None:
    text = path.read_text(encoding="utf-8").replace("\\\n", " ")
    for line in re.findall(r'"\$mbp" ([^\n|>);]+)', text):
        words = [word for word in line.split() if "[@]" not in word]
        told = objection_to_call([re.sub(r'"?\$.*', "x", word) for word in words])
        assert told is None, told
    for called in re.findall(r"\b(scripts/[\w/]+(?:\.sh)?)\b", text):
        assert (ROOT / called).is_file(), called
    selectors = {
        one["name"] for one in yaml.safe_load((ROOT / "selectors.yml").read_text())["selectors"]
    }
    for selector in re.findall(r"--selector (\w+)", text):
        assert selector in selectors


def judged(tool: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(BIN / tool[0]), *tool[1:]], cwd=folder, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("timeout-minutes: 20", "timeout-minuts: 20", "workflow-syntax"),
        (
            "sudo apt-get update",
            "echo ${{ github.event.pull_request.title }}",
            "template-injection",
        ),
        ("sudo apt-get update", "rm $FOLDER/*", "SC2086"),
        ("        with:\n          persist-credentials: false\n", "", "artipacked"),
        (re.findall("checkout@([0-9a-f]{40})", ALERTS)[0], "v4", "unpinned-uses"),
    ],
)
def test_the_linters_find_what_is_wrong(tmp_path: Path, old: str, new: str, code: str) -> None:
    folder = tmp_path / ".github/workflows"
    folder.mkdir(parents=True)
    (tmp_path / ".git").mkdir()
    assert old in ALERTS
    (folder / "alerts.yml").write_text(ALERTS.replace(old, new, 1))
    shellcheck = f"--shellcheck={BIN / 'shellcheck'}"
    found = judged(["jactionlint", "--strict-exit", "--no-hints", shellcheck], tmp_path)
    assert found.returncode == 1
    assert code in found.stdout


def test_a_linter_that_is_missing_is_no_pass(tmp_path: Path) -> None:
    found = judged(["jactionlint", "--strict-exit", f"--shellcheck={tmp_path}/none"], ROOT)
    assert found.returncode > 1


@pytest.mark.parametrize(
    ("codes", "expected"),
    [({}, 0), ({"mypy": 1}, 1), ({"mypy": 1, "ruff": 2, "zizmor": 2}, 1), ({"vulture": 2}, 2)],
)
def test_lint_runs_every_step_and_sums_up(
    tmp_path: Path, codes: dict[str, int], expected: int
) -> None:
    """A failing step hides no other; a step that could not run is no pass either."""
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts/lint", tmp_path / "scripts/lint")
    (tmp_path / "dbt-bouncer.yml").write_text("dbt_artifacts_dir: target\n")
    tools = set(re.findall(r'"\$bin/([\w-]+)"', (ROOT / "scripts/lint").read_text()))
    (tmp_path / ".venv/bin").mkdir(parents=True)
    for tool in tools:
        code = min(codes.get(tool, 0), 2)
        path = tmp_path / ".venv/bin" / tool
        path.write_text(f'#!/bin/sh\necho "{tool} ran"\nexit {code}\n')
        path.chmod(0o755)
    ran = subprocess.run(
        ["scripts/lint"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ran.returncode == expected, ran.stdout + ran.stderr
    assert {line.split()[0] for line in ran.stdout.splitlines() if line.endswith(" ran")} == tools
    closing = ran.stdout.split("== lint: ")[1]
    assert re.match(r"\d+ of \d+ steps passed", closing)
    assert (closing.count("failed: ") == 0) is (not codes)
    for tool, name in {"mypy": "mypy", "zizmor": "attack vectors", "vulture": "dead names"}.items():
        assert (f"failed: {name} (exit code" in closing) is (tool in codes)
