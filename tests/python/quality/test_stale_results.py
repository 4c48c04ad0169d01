"""Results of another state of the project are said to be so."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mbp.errors import MbpError
from mbp.quality.freshness import generated_at, stale_reasons

RAN_AT = datetime(2026, 1, 1, 0, 0, 5, tzinfo=UTC).timestamp()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("dbt_project.yml", "models/marts/m.sql", "contracts/a106/m.odcs.yaml"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
        os.utime(path, (RAN_AT - 60, RAN_AT - 60))
    return tmp_path


def reasons(root: Path, artifacts: Any, target: str | None = None, **changes: Any) -> list[str]:
    manifest = {**artifacts.manifest, **changes}
    return stale_reasons(root, manifest, artifacts.run_results, target=target)


def test_results_of_this_state_are_fresh(root: Path, artifacts: Any) -> None:
    assert reasons(root, artifacts, "duckdb") == []


@pytest.mark.parametrize("name", ["models/marts/m.sql", "contracts/a106/m.odcs.yaml"])
def test_a_file_changed_since_is_named(root: Path, artifacts: Any, name: str) -> None:
    os.utime(root / name, (RAN_AT + 60, RAN_AT + 60))
    (reason,) = reasons(root, artifacts)
    assert reason == f"changed since the run of 2026-01-01 00:00:05 UTC: {name}"


def test_a_later_manifest_is_said(root: Path, artifacts: Any) -> None:
    later = {"generated_at": "2026-01-02T00:00:00Z", "invocation_id": "two"}
    (reason,) = reasons(root, artifacts, metadata=later)
    assert "later dbt command" in reason


def test_a_node_that_is_gone_is_said(root: Path, artifacts: Any) -> None:
    artifacts.test("r")
    del artifacts.nodes["test.mbp.r.0a1b2c3d4e"]
    (reason,) = reasons(root, artifacts)
    assert "test.mbp.r.0a1b2c3d4e" in reason


def test_another_target_is_said(root: Path, artifacts: Any) -> None:
    (reason,) = reasons(root, artifacts, "postgres")
    assert reason == "the results are of target duckdb, the rows below of postgres"


@pytest.mark.parametrize("metadata", [{}, {"generated_at": "yesterday"}])
def test_an_artifact_without_a_time_is_refused(metadata: dict[str, str]) -> None:
    with pytest.raises(MbpError, match="generated_at"):
        generated_at({"metadata": metadata}, "manifest.json")
