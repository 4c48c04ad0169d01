"""Files that are not as the run read them are named: by content where the manifest has it, else by time."""

from __future__ import annotations

import hashlib
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mbp.core.errors import MbpError
from mbp.runs.artifacts import changed_files, moment_of

RAN_AT = datetime(2026, 1, 1, 0, 0, 5, tzinfo=UTC)
MODEL, MACRO, YAML = "models/marts/m.sql", "macros/m.sql", "contracts/a106/m.odcs.yaml"
TEXT = "{% macro m() %}1{% endmacro %}"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("dbt_project.yml", MODEL, MACRO, YAML):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(TEXT)
        aged(path, -60)
    return tmp_path


@pytest.fixture
def manifest() -> dict[str, Any]:
    checksum = {"name": "sha256", "checksum": hashlib.sha256(TEXT.encode()).hexdigest()}
    node = {"package_name": "mbp", "original_file_path": MODEL, "checksum": checksum}
    macro = {"package_name": "mbp", "original_file_path": MACRO, "macro_sql": TEXT}
    return {
        "metadata": {"project_name": "mbp"},
        "nodes": {"model.mbp.m": node},
        "macros": {"macro.mbp.m": macro},
    }


def aged(path: Path, seconds: float) -> None:
    os.utime(path, (RAN_AT.timestamp() + seconds, RAN_AT.timestamp() + seconds))


def test_files_of_this_state_are_not_named(root: Path, manifest: dict[str, Any]) -> None:
    assert changed_files(root, manifest, RAN_AT) == []


@pytest.mark.parametrize("name", [MACRO, YAML])
def test_a_file_changed_since_is_named(root: Path, manifest: dict[str, Any], name: str) -> None:
    aged(root / name, 60)
    assert changed_files(root, manifest, RAN_AT) == [name]


def test_a_model_that_git_wrote_again_is_the_same(root: Path, manifest: dict[str, Any]) -> None:
    aged(root / MODEL, 60)
    (root / MODEL).write_text(f"{TEXT}\n")
    assert changed_files(root, manifest, RAN_AT) == []


@pytest.mark.parametrize("name", [MODEL, MACRO])
def test_other_content_under_an_old_time_is_named(
    root: Path, manifest: dict[str, Any], name: str
) -> None:
    (root / name).write_text("select 2")
    aged(root / name, -60)
    assert changed_files(root, manifest, RAN_AT) == [name]
    (root / name).unlink()
    assert changed_files(root, manifest, RAN_AT) == [name]


def test_a_new_model_is_named(root: Path, manifest: dict[str, Any]) -> None:
    (root / "models" / "new.sql").write_text("select 1")
    aged(root / "models" / "new.sql", -60)
    assert changed_files(root, manifest, RAN_AT) == ["models/new.sql"]


@pytest.mark.parametrize("metadata", [{}, {"generated_at": "yesterday"}])
def test_an_artifact_without_a_time_is_refused(metadata: dict[str, str]) -> None:
    with pytest.raises(MbpError, match="generated_at"):
        moment_of({"metadata": metadata}, "generated_at", "manifest.json")
