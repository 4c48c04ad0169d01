"""Evidence says what it is of, and what is no evidence is refused."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab.postgres_server import PostgresServer
from mbp.core.errors import MbpError
from mbp.runs import envelope
from mbp.runs.dbt_process import environment
from mbp.runs.run_control import data_state
from mbp.runs.working_copy import source_of
from mbp.warehouse import connect
from tests.python.built import Built, copied
from tests.python.measured import passed


def git(root: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.invalid"]
    subprocess.run(["git", "-C", str(root), *identity, *arguments], check=True, capture_output=True)


CONTENT = passed("documents", findings=[{"path": "docs/a.md", "message": "old"}])


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("DBT_TARGET_PATH", raising=False)
    git(tmp_path, "init", "-q")
    (tmp_path / ".gitignore").write_text("target/\n")
    (tmp_path / "model.sql").write_text("select 1\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    return tmp_path


def test_what_is_written_is_read(repository: Path) -> None:
    envelope.write(
        envelope.begin(repository),
        "documents",
        summary="one finding",
        content=CONTENT,
        target="duckdb",
        warehouse="id",
        data="state",
    )
    found = envelope.read(repository, "documents")
    now = source_of(repository)
    assert (found.verdict, found.summary, found.content) == (
        "fail",
        "one finding",
        CONTENT,
    )
    assert (found.commit, found.source, found.clean) == (now.commit, now.digest, True)
    assert (found.source_after, found.began_at <= found.ended_at) == (now.digest, True)
    assert (found.target, found.warehouse, found.data) == ("duckdb", "id", "state")
    assert (found.invocation, found.nodes) == (None, None)
    assert found.path == "target/evidence/documents.json"


CHANGES: dict[str, Callable[[Path], object]] = {
    "a changed file": lambda root: (root / "model.sql").write_text("select 2\n"),
    "a new file": lambda root: (root / "new.sql").write_text("select 1\n"),
    "a removed file": lambda root: (root / "model.sql").unlink(),
    "a renamed file": lambda root: git(root, "mv", "model.sql", "other.sql"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_every_change_is_another_source(repository: Path, change: Callable[[Path], object]) -> None:
    before = source_of(repository)
    assert before.clean
    change(repository)
    after = source_of(repository)
    assert after.digest != before.digest
    assert not after.clean
    git(repository, "add", "-A")
    git(repository, "commit", "-qm", "second")
    committed = source_of(repository)
    assert committed.clean
    assert committed.digest == after.digest
    assert committed.commit != before.commit


def test_signatures_and_what_git_ignores_are_not_the_source(repository: Path) -> None:
    before = source_of(repository)
    for name in ("contracts/gates/signoffs/M2/SRE.json", "contracts/waivers/x.yaml", "target/x"):
        path = repository / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    assert source_of(repository) == before
    git(repository, "add", ".")
    git(repository, "commit", "-qm", "signed")
    assert source_of(repository).digest == before.digest
    assert source_of(repository).clean


@pytest.mark.parametrize("flag", ["--assume-unchanged", "--skip-worktree"])
def test_a_file_that_git_was_told_not_to_look_at_is_looked_at(repository: Path, flag: str) -> None:
    before = source_of(repository)
    git(repository, "update-index", flag, "model.sql")
    assert not source_of(repository).clean
    (repository / "model.sql").write_text("select 2\n")
    after = source_of(repository)
    assert (after.digest == before.digest, after.clean) == (False, False)


def test_what_only_this_machine_ignores_is_part_of_the_source(repository: Path) -> None:
    before = source_of(repository)
    (repository / ".git" / "info" / "exclude").write_text("local.sql\n")
    git(repository, "config", "core.excludesFile", str(repository / "target" / "ignored"))
    (repository / "target").mkdir()
    (repository / "target" / "ignored").write_text("local.sql\n")
    (repository / "local.sql").write_text("select 1\n")
    after = source_of(repository)
    assert (after.digest == before.digest, after.clean) == (False, False)


@pytest.mark.parametrize("added", [True, False])
def test_a_repository_inside_of_the_project_is_refused(repository: Path, added: bool) -> None:
    inner = repository / "models"
    inner.mkdir()
    git(inner, "init", "-q")
    (inner / "model.sql").write_text("select 1\n")
    git(inner, "add", ".")
    git(inner, "commit", "-qm", "inner")
    if added:
        git(repository, "add", "models")
        git(repository, "commit", "-qm", "second")
    with pytest.raises(MbpError, match="a separate repository"):
        source_of(repository)


def test_the_content_behind_a_link_counts_and_may_not_be_elsewhere(
    repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    (repository / "target").mkdir()
    (repository / "target" / "made.sql").write_text("select 1\n")
    (repository / "link.sql").symlink_to("target/made.sql")
    before = source_of(repository)
    (repository / "target" / "made.sql").write_text("select 2\n")
    assert source_of(repository).digest != before.digest
    (repository / "link.sql").unlink()
    (repository / "link.sql").symlink_to(tmp_path_factory.mktemp("elsewhere"))
    with pytest.raises(MbpError, match="leads out of the folder"):
        source_of(repository)


def test_outside_of_a_repository_the_source_is_not_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DBT_TARGET_PATH", raising=False)
    with pytest.raises(MbpError, match="git"):
        source_of(tmp_path)
    envelope.write(envelope.begin(tmp_path), "documents", summary="", content=CONTENT)
    assert envelope.read(tmp_path, "documents").source is None


def spoiled(**changes: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda document: {**document, **changes}


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (spoiled(verdict="green"), "unknown verdict"),
        (spoiled(version=1), "version 1, this release of mbp reads version 3"),
        (spoiled(name="other"), "expected version 3 of documents"),
        (spoiled(more=1), "expected an object with"),
        (spoiled(content=[]), "content is not an object"),
        (spoiled(began_at="yesterday"), "Invalid isoformat"),
        (spoiled(ended_at="2026-01-01T00:00:00"), "ended_at has no time zone"),
        (spoiled(nodes={"covered": 1}), "nodes: expected an object with"),
        (spoiled(nodes={"covered": "1", "demanded": 1, "digest": ""}), "nodes.covered: expected"),
        (lambda document: {"version": document["version"]}, "expected an object with"),
        (lambda document: {"name": document["name"]}, "version None, this release"),
    ],
)
def test_what_is_no_evidence_is_refused(
    repository: Path, spoil: Callable[[dict[str, Any]], dict[str, Any]], told: str
) -> None:
    with pytest.raises(envelope.NoEvidenceError, match="not measured"):
        envelope.read(repository, "documents")
    begun = envelope.begin(repository)
    path = envelope.write(begun, "documents", summary="", content=CONTENT)
    path.write_text(json.dumps(spoil(json.loads(path.read_text()))))
    with pytest.raises(MbpError, match=told) as caught:
        envelope.read(repository, "documents")
    assert not isinstance(caught.value, envelope.NoEvidenceError)
    path.write_bytes(b"\xff{")
    with pytest.raises(MbpError, match="is not valid evidence"):
        envelope.read(repository, "documents")


@pytest.mark.parametrize("target", ["duckdb", "postgres"])
def test_one_changed_value_is_another_state_of_the_data(
    built: Built, postgres_server: PostgresServer, tmp_path: Path, target: str
) -> None:
    with (
        copied(built, postgres_server, target, tmp_path) as settings,
        environment(settings),
        connect(built.root, target) as warehouse,
    ):
        before = data_state(built.root, warehouse)
        assert data_state(built.root, warehouse) == before
        warehouse.execute(
            "update marts.mbp_resolutions set evidence_uri = 'other' where resolution_id ="
            " (select min(resolution_id) from marts.mbp_resolutions)"
        )
        assert data_state(built.root, warehouse) != before
        warehouse.execute("drop table marts.mbp_resolutions cascade")
        with pytest.raises(MbpError, match="cannot be read"):
            data_state(built.root, warehouse)
