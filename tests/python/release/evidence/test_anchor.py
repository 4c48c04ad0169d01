"""A tag says which pack was the evidence, once and for all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mbp.contracts.registry.odcs_documents import git as ask
from mbp.core.errors import MbpError
from mbp.core.reporting import Finding
from mbp.release.evidence.anchor import anchor
from mbp.release.evidence.verify_pack import Verification
from tests.python.release.evidence.test_envelope import git

ROOT = "ab" * 32


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("GIT_AUTHOR", "GIT_COMMITTER"):
        monkeypatch.setenv(f"{name}_NAME", "test")
        monkeypatch.setenv(f"{name}_EMAIL", "test@example.invalid")
    git(tmp_path, "init", "-q")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "first")
    return tmp_path


@pytest.fixture
def found(repository: Path) -> Verification:
    return Verification(
        gate="M2",
        verdict="go",
        commit=ask(repository, "rev-parse", "HEAD").strip(),
        decided_at="2026-03-02T12:00:00+00:00",
        root=ROOT,
        statement_sha256="cd" * 32,
        members=3,
    )


def test_the_tag_tells_root_verdict_statement_and_commit(
    repository: Path, found: Verification
) -> None:
    git(repository, "commit", "-q", "--allow-empty", "-m", "second")
    tag, new = anchor(repository, found, "M2")
    assert (tag, new) == (f"anchor-M2-{ROOT}", True)
    assert ask(repository, "cat-file", "-t", tag).strip() == "tag"
    assert ask(repository, "rev-parse", f"{tag}^{{commit}}").strip() == found.commit
    told = ask(repository, "for-each-ref", "--format=%(contents)", f"refs/tags/{tag}")
    for fact in (f"root: {ROOT}", "verdict: go", f"statement-sha256: {'cd' * 32}", found.commit):
        assert fact in told
    assert anchor(repository, found, "M2") == (tag, False)


def test_an_anchor_is_never_moved(repository: Path, found: Verification) -> None:
    git(repository, "tag", "-a", "-m", "another", f"anchor-M2-{ROOT}")
    with pytest.raises(MbpError, match="says something else"):
        anchor(repository, found, "M2")


def test_a_light_tag_of_that_name_is_no_anchor(repository: Path, found: Verification) -> None:
    git(repository, "tag", f"anchor-M2-{ROOT}")
    with pytest.raises(MbpError, match="says something else"):
        anchor(repository, found, "M2")


def test_what_does_not_verify_is_no_anchor(repository: Path, found: Verification) -> None:
    found.findings.append(Finding("changed_member", "differs", "docs/x.md"))
    with pytest.raises(MbpError, match=r"does not verify: docs/x\.md"):
        anchor(repository, found, "M2")


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"members": 0}, "does not verify"),
        ({"verdict": "None"}, "no verdict"),
        ({"gate": "M3"}, "of the gate M3"),
        ({"commit": "None"}, "not in this repository"),
        ({"commit": "0" * 40}, "not in this repository"),
        ({"commit": "--help"}, "not in this repository"),
    ],
)
def test_what_is_not_known_is_no_anchor(
    change: dict[str, object], what: str, repository: Path, found: Verification
) -> None:
    with pytest.raises(MbpError, match=what):
        anchor(repository, replace(found, **change), "M2")  # type: ignore[arg-type]
    assert ask(repository, "tag", "--list").strip() == ""
