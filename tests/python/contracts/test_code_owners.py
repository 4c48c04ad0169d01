"""CODEOWNERS: each dataset's files lead to its owner under the forge's rule that the last match wins."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pathspec
import pytest
from contracts_project import Project

from mbp.contracts import load_contracts
from mbp.contracts.rendering.code_owners import CODE_OWNERS, OWNERS, code_owners, load_owners
from mbp.core.errors import MbpError


def asked(text: str, path: str) -> list[str]:
    """Who is asked about a path: the owners of the last line that matches, as git matches patterns."""
    found: list[str] = []
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        pattern, *owners = line.split(" ")
        if pathspec.PathSpec.from_lines("gitwildmatch", [pattern]).match_file(path):
            found = owners
    return found


def test_the_files_of_each_dataset_lead_to_its_owner(project_root: Path) -> None:
    text = (project_root / CODE_OWNERS).read_text(encoding="utf-8")
    handles = load_owners(project_root).handles
    contracts = load_contracts(project_root)
    assert contracts
    for contract in contracts:
        short = contract.dataset.removeprefix("mbp_")
        version = f"contracts/registry/{contract.dataset}/1.0.0.json"
        model = f"models/marts/mbp/{contract.dataset}.sql"
        latest = f"models/intermediate/int_mbp__{short}_latest.sql"
        staging = f"models/staging/mbp/stg_mbp__{short}.sql"
        for path in (contract.path, version, model, latest, staging):
            assert (project_root / path).is_file()
            assert asked(text, path) == [handles[contract.owner]], path
        for rule in contract.rules:
            if rule.family == "consistency" and "." not in rule.test:
                named = asked(text, f"tests/dbt/generic/{rule.test}.sql")
                assert {handles[contract.owner], handles[rule.owner]} == set(named)
        for shared in ("docs/reference/rules.md", "models/marts/mbp/_mbp__models.gen.yml"):
            assert handles[contract.owner] in asked(text, shared)


def test_every_file_of_the_repository_has_an_owner(project_root: Path) -> None:
    text = code_owners(project_root)
    handles = set(load_owners(project_root).handles.values())
    listed = subprocess.run(
        ["git", "ls-files", "contracts", "models", ".github"],
        cwd=project_root,
        capture_output=True,
        text=True,
        check=True,
    )
    paths = listed.stdout.split()
    assert len(paths) > 40
    for path in paths:
        owners = asked(text, path)
        assert owners, path
        assert set(owners) <= handles
    assert asked(text, ".github/CODEOWNERS") == ["@mbp/platform"]
    assert asked(text, "contracts/a108/privacy.yaml") == ["@mbp/security"]


def test_the_paths_of_the_policy_exist(project_root: Path) -> None:
    paths = load_owners(project_root).paths
    assert paths
    for path in paths:
        assert (project_root / path.lstrip("/")).exists(), path


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('  SEC: "@mbp/security"\n', "", "'SEC' has no handle"),
        ("  SEC: ", "  SECURITY: ", "unknown owner 'SECURITY'"),
        ("default: DATA", "default: NOBODY", "'NOBODY' has no handle"),
        ("/contracts/a108/: SEC", "/contracts/a108/: ABC", "'ABC' has no handle"),
        ('"@mbp/data"', '"mbp/data"', "mbp/data"),
        ('"@mbp/data"', '"@mbp/data @evil"', "@evil"),
        ("/contracts/a108/:", "/contracts/a1 08/:", "a1 08"),
        ("version: 1", "version: 2", "version"),
    ],
)
def test_a_wrong_policy_is_refused(project: Project, old: str, new: str, told: str) -> None:
    project.replace(OWNERS, old, new)
    with pytest.raises(MbpError, match=OWNERS) as refusal:
        code_owners(project.root)
    assert told in str(refusal.value)


def test_nothing_is_written_when_the_policy_is_wrong(project: Project) -> None:
    project.replace(OWNERS, "version: 1", "version: 2")
    assert project.run("render").exit_code == 2
    assert not (project.root / CODE_OWNERS).exists()
    assert not (project.root / "docs/dbt/columns.md").exists()


def test_a_new_owner_of_a_dataset_makes_it_stale(project: Project) -> None:
    assert project.run("render").exit_code == 0
    project.replace("contracts/a106/mbp_quotes.odcs.yaml", "name: DATA", "name: PM")
    result = project.run("render", "--check")
    assert result.exit_code == 1
    assert f"{CODE_OWNERS}: error stale" in result.stdout
