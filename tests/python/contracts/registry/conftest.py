"""A small copy of the project under git, whose contracts can be changed and published."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from lab.simulate.schema import CONTRACTS
from mbp.contracts.policy import load_policy
from mbp.contracts.registry.publish import PublishOutcome, publish
from mbp.contracts.registry.registry_check import check_all
from mbp.contracts.registry.version_check import Checked
from mbp.contracts.registry.version_policy import load_exceptions, load_rules

TODAY = date(2026, 11, 23)
DATASETS = tuple(CONTRACTS)
Edit = Callable[[dict[str, Any]], None]


class Registry:
    """The copy, and what is done with it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def publish(self, dataset: str = "mbp_quotes") -> PublishOutcome:
        """Publishes the working contract."""
        policy = load_policy(self.root)
        return publish(
            self.root,
            dataset,
            publisher="DATA",
            today=TODAY,
            rules=load_rules(self.root, DATASETS)[dataset],
            exceptions=load_exceptions(self.root, DATASETS, policy),
        )

    def edit(self, change: Edit, dataset: str = "mbp_quotes", version: str | None = None) -> None:
        """Changes the working contract."""
        path = self.root / "contracts" / "a106" / f"{dataset}.odcs.yaml"
        yaml = YAML()
        document = yaml.load(path)
        change(document)
        if version is not None:
            document["version"] = version
        yaml.dump(document, path)

    def check(self, dataset: str = "mbp_quotes", ref: str | None = None) -> Checked:
        """Checks the working contract."""
        (found,) = check_all(self.root, [dataset], ref, today=TODAY)
        return found

    def write(self, name: str, text: str) -> None:
        """Writes a file of contracts/registry."""
        (self.root / "contracts" / "registry" / name).write_text(text, encoding="utf-8")

    def git(self, *arguments: str) -> None:
        """Runs git, as nobody in particular."""
        subprocess.run(
            [
                "git",
                "-C",
                str(self.root),
                "-c",
                "user.name=test",
                "-c",
                "user.email=test@test",
                "-c",
                "commit.gpgsign=false",
                *arguments,
            ],
            check=True,
            capture_output=True,
        )


@pytest.fixture
def registry(project_root: Path, tmp_path: Path) -> Registry:
    root = tmp_path / "project"
    for part in ("contracts/a106", "contracts/a87", "contracts/a89", "tests/dbt/generic"):
        shutil.copytree(project_root / part, root / part)
    (root / "contracts" / "registry").mkdir()
    for name in ("policy.yaml", "exceptions.yaml"):
        shutil.copy(project_root / "contracts" / "registry" / name, root / "contracts" / "registry")
    (root / "dbt_project.yml").write_text("name: mbp\n")
    made = Registry(root)
    # The tests count from the first version, whatever version the project is at.
    for dataset in DATASETS:
        path = root / "contracts" / "a106" / f"{dataset}.odcs.yaml"
        text = re.sub(r"(?m)^version: .*$", "version: 1.0.0", path.read_text(encoding="utf-8"))
        path.write_text(text, encoding="utf-8")
    made.git("init", "-q")
    made.git("add", "-A")
    made.git("commit", "-qm", "start")
    return made


def column(document: dict[str, Any], name: str) -> dict[str, Any]:
    """The column's entry in an ODCS document."""
    found: dict[str, Any] = next(
        entry for entry in document["schema"][0]["properties"] if entry["name"] == name
    )
    return found
