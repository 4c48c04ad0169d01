"""A copy of the project with people who may sign, and exercises that passed."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from mbp.contracts.waiver import APPROVERS, Waiver, read_waiver
from mbp.release.signing.statements import write_statement
from mbp.release.waivers.known import Waivable
from mbp.release.waivers.write_waiver import sign_waiver
from mbp.runs import envelope
from tests.python.signing_keys import Keys, demand_openssh

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
RULE = "closed_market_no_trades"
EXERCISE = "data_contract_break"
CHECKS: Mapping[str, bool] = {"inp_p75": True, "personal_data_in_logs": False}
PARTS = (
    "contracts/a106",
    "contracts/a110",
    "contracts/a87",
    "contracts/a89",
    "contracts/registry",
    "docs/runbooks",
    "models/marts/reliability",
    "tests/dbt/generic",
)


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    demand_openssh()
    return Keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="session")
def known(project_root: Path) -> Waivable:
    """What waivers may name, read once: no test changes the rules or the exercises."""
    return Waivable(project_root)


class Project:
    """The copy, and what is done with it."""

    def __init__(self, root: Path, keys: Keys) -> None:
        self.root, self.keys = root, keys

    def path(self, name: str) -> Path:
        """The file of a waiver."""
        return self.root / "contracts" / "waivers" / f"{name}.yaml"

    def write(self, name: str, file: str | None = None, **changed: Any) -> Path:
        """A waiver that holds once it is signed, with changes; a key that is None is left out."""
        document = {
            "version": 1,
            "id": name,
            "code": "rule",
            "object": RULE,
            "reason": "Trades of one market came late.",
            "owner": "DATA",
            "risk": {"level": "low", "text": "One market shows trades after its end."},
            "opened": "2026-11-24",
            "until": "2026-12-01",
            "rollback": {"plan": "Readers on the last snapshot.", "exercise": EXERCISE},
            "findings": 1,
            **changed,
        }
        path = self.path(file or name)
        path.parent.mkdir(exist_ok=True)
        YAML().dump({key: value for key, value in document.items() if value is not None}, path)
        return path

    def waiver(self, name: str) -> Waiver:
        """The waiver as it is read."""
        found = read_waiver(self.path(name), self.root)
        assert isinstance(found, Waiver), found
        return found

    def approve(self, name: str, *roles: str) -> None:
        """Signs as the command does."""
        for role in roles or APPROVERS:
            sign_waiver(self.root, name, role, self.keys.private(role.lower()), NOW)

    def stamp(self, name: str) -> None:
        """Signs whatever the waiver says, as people could with the same keys."""
        waiver = self.waiver(name)
        folder, subject = waiver.signatures(self.root), waiver.signed_content
        for role in APPROVERS:
            key = self.keys.private(role.lower())
            write_statement(self.root, folder, "waiver-approval", subject, role, key, NOW)

    def rehearse(self, *, passed: bool = True, source: str | None = None) -> None:
        """The exercise ran."""
        told = {
            "id": EXERCISE,
            "passed": passed,
            "source": source or envelope.source_digest(self.root),
            "ran_at": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        envelope.write(
            envelope.begin(self.root),
            "exercises",
            summary="1 of 1 exercises passed",
            content={"exercises": [told], "defined": [EXERCISE]},
        )

    def digest(self) -> str:
        """Of everything below contracts/waivers."""
        told = hashlib.sha256()
        for path in sorted((self.root / "contracts" / "waivers").rglob("*")):
            told.update(str(path).encode() + (path.read_bytes() if path.is_file() else b""))
        return told.hexdigest()


@pytest.fixture
def project(
    project_root: Path,
    tmp_path: Path,
    keys: Keys,
    known: Waivable,
    monkeypatch: pytest.MonkeyPatch,
) -> Project:
    root = tmp_path / "project"
    for part in PARTS:
        shutil.copytree(project_root / part, root / part)
    for name in ("dbt_project.yml", ".gitignore"):
        shutil.copy(project_root / name, root)
    allowed = root / "contracts" / "gates" / "allowed_signers"
    allowed.parent.mkdir()
    allowed.write_text("".join(keys.line(role.lower(), role) for role in APPROVERS))
    who = ("-c", "user.name=test", "-c", "user.email=test@test", "-c", "commit.gpgsign=false")
    for arguments in (("init", "-q"), ("add", "-A"), (*who, "commit", "-qm", "start")):
        subprocess.run(["git", "-C", str(root), *arguments], check=True, capture_output=True)
    monkeypatch.setenv("MBP_PROJECT_DIR", str(root))
    monkeypatch.delenv("DBT_TARGET_PATH", raising=False)
    for name in ("rules", "owners", "exercises"):
        monkeypatch.setattr(Waivable, name, getattr(known, name))
    made = Project(root, keys)
    made.rehearse()
    return made
