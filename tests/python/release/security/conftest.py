"""A small repository of its own: a lock, a policy, a baseline, and files that git tracks."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from mbp.contracts.policy import POLICY as OWNERS
from mbp.core.yaml_io import load, plain
from mbp.release.security.security_policy import POLICY, SecurityPolicy, load_security

HASH = "a" * 64


@dataclass
class Project:
    """A project in a folder; `change` edits the policy by a function over plain values."""

    root: Path

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def change(self, edit: Callable[[dict[str, Any]], None]) -> SecurityPolicy:
        document = plain(load(self.root / POLICY))
        edit(document)
        with (self.root / POLICY).open("w", encoding="utf-8") as file:
            YAML(typ="safe").dump(document, file)
        return load_security(self.root)

    @property
    def policy(self) -> SecurityPolicy:
        return load_security(self.root)

    def track(self) -> None:
        for command in (["init", "-q"], ["add", "-A"]):
            subprocess.run(["git", "-C", str(self.root), *command], check=True)

    def lock(self, *pins: str, name: str = "requirements.lock") -> None:
        text = "".join(
            f"{pin} \\\n    --hash=sha256:{HASH}\n    # via mbp-data-contracts\n" for pin in pins
        )
        self.write(name, text)


def exception(code: str, name: str, until: str = "2099-12-31", **more: str) -> dict[str, str]:
    """An exception as the policy writes it."""
    entry = {"code": code, "object": name, "owner": "SEC", "reason": "r", "until": until}
    return entry | more


@pytest.fixture
def project(project_root: Path, tmp_path: Path) -> Project:
    """The policy of the repository without its exceptions, which speak of files that are not here."""
    made = Project(tmp_path)
    made.write("dbt_project.yml", "name: mbp\n")
    made.write(POLICY, (project_root / POLICY).read_text(encoding="utf-8"))
    made.write(OWNERS, (project_root / OWNERS).read_text(encoding="utf-8"))
    made.lock("packaging==1.0")

    def bare(document: dict[str, Any]) -> None:
        document["locks"]["beside"] = []
        document["sast"]["folders"] = ["src", "scripts"]
        for section in ("sast", "secrets", "licences"):
            document[section]["exceptions"] = []
        # There are no contracts here, and so no change logs.
        for roles in (
            document["least_privilege"]["warehouse"],
            document["least_privilege"]["source"],
        ):
            for role in roles.values():
                for grant in role["relations"]:
                    if "change_logs_in" in grant:
                        grant["in"] = grant.pop("change_logs_in")

    made.change(bare)
    return made
