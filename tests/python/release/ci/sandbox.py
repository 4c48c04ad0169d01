"""A copy of the project in a git repository of its own, in which the scripts of CI really run."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PARTS = (
    *(
        "contracts",
        "docs/dbt",
        "docs/reference",
        "macros",
        "models",
        "packages",
        "scripts/ci",
        "lab",
    ),
    *("seeds", "tests/dbt", "dbt_project.yml", "packages.yml", "profiles.example.yml"),
    *("selectors.yml", "Makefile", "pyproject.toml"),
)
# Stands in for the forge's own client: tells what it was asked, and answers from a file.
FAKE_GH = """#!{python}
import json, pathlib, shutil, sys
here = pathlib.Path(__file__).parent
arguments = sys.argv[1:]
body = sys.stdin.read() if "--input" in arguments else None
with (here / "asked.jsonl").open("a") as log:
    log.write(json.dumps({{"arguments": arguments, "body": body}}) + "\\n")
answers = json.loads((here / "answers.json").read_text())
for words, answer in answers.items():
    if all(word in " ".join(arguments) for word in words.split(" ")):
        if "copy" in answer:
            target = arguments[arguments.index("--dir") + 1]
            shutil.copytree(answer["copy"], target, dirs_exist_ok=True, symlinks=True)
        sys.stdout.write(answer.get("text", ""))
        sys.exit(answer.get("code", 0))
sys.exit("fake gh: no answer to " + " ".join(arguments))
"""


@dataclass(frozen=True)
class Sandbox:
    """`root` is the repository; `gh` the folder of the fake client."""

    root: Path
    gh: Path
    environment: dict[str, str] = field(default_factory=dict)

    def git(self, *arguments: str) -> str:
        name = ("-c", "user.name=CI", "-c", "user.email=ci@example.org")
        return subprocess.run(
            ["git", *name, *arguments], cwd=self.root, capture_output=True, text=True, check=True
        ).stdout.strip()

    def commit(self) -> str:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", "change")
        return self.git("rev-parse", "HEAD")

    def run(self, *command: str, **changes: str) -> subprocess.CompletedProcess[str]:
        """A command in the repository; variables of the surrounding run do not leak into it."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("MBP_", "DBT_", "GITHUB_"))
        }
        return subprocess.run(
            list(command),
            cwd=self.root,
            env={**kept, **self.environment, **changes},
            capture_output=True,
            text=True,
            check=False,
        )

    def answer(self, answers: dict[str, Any]) -> None:
        """What the fake client says: words of its arguments -> text, exit code, or a folder to copy."""
        (self.gh / "answers.json").write_text(json.dumps(answers))
        (self.gh / "asked.jsonl").unlink(missing_ok=True)

    @property
    def asked(self) -> list[dict[str, Any]]:
        log = self.gh / "asked.jsonl"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def make_sandbox(project: Path, folder: Path, parts: Sequence[str] = PARTS) -> Sandbox:
    """Copies `parts` and commits them as the base."""
    root, gh = folder / "repository", folder / "bin"
    for part in parts:
        source, copy = project / part, root / part
        copy.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, copy)
        else:
            shutil.copyfile(source, copy)
    gh.mkdir()
    client = gh / "gh"
    client.write_text(FAKE_GH.format(python=sys.executable))
    client.chmod(client.stat().st_mode | stat.S_IXUSR)
    (root / ".gitignore").write_text(
        ".venv\ntarget/\n/logs/\ndbt_packages/\npackage-lock.yml\n*.duckdb\n"
    )
    (root / ".venv").symlink_to(sys.prefix)
    sandbox = Sandbox(
        root,
        gh,
        {
            "PATH": f"{gh}:{os.environ['PATH']}",
            # The package under test, wherever the environment was installed from.
            "PYTHONPATH": str(project / "src"),
            "GITHUB_REPOSITORY": "mbp/contracts",
        },
    )
    sandbox.git("init", "--quiet", "--initial-branch=main")
    sandbox.commit()
    return sandbox
