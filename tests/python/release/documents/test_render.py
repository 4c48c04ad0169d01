"""`mbp docs render`: index, decision log and tables follow from the front matter."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from mbp.cli.main import app, register
from mbp.core.errors import MbpError
from mbp.core.files import stale, write_stale
from mbp.release.documents.document_checks import (
    GENERATED,
    LOG_FILE,
    rendered_documents,
)
from tests.python.release.documents.conftest import Spoil

DECISION = "docs/adr/adr_001_dec_latency_slo.md"


def test_the_committed_documents_are_fresh(project_root: Path) -> None:
    assert stale(project_root, rendered_documents(project_root)) == []


def test_the_log_goes_by_date_and_names_what_is_superseded(
    copied_project: Path, spoil: Spoil
) -> None:
    for name in GENERATED:
        spoil(name, "#", "#")  # put back at the end
    spoil(DECISION, "date: 2026-11-24", "date: 2026-11-20")
    spoil(DECISION, "id: ADR-001\n", "id: ADR-001\nsupersedes: [ADR-099]\n")
    assert write_stale(copied_project, rendered_documents(copied_project)) == [LOG_FILE]
    rows = (copied_project / LOG_FILE).read_text().splitlines()[8:]
    assert rows[0].startswith("| 2026-11-20 | [ADR-001](adr_001_dec_latency_slo.md) |")
    assert "ADR-099" in rows[0]
    assert [row.split("|")[1] for row in rows] == sorted(row.split("|")[1] for row in rows)
    assert write_stale(copied_project, rendered_documents(copied_project)) == []


def test_nothing_is_written_when_a_front_matter_is_wrong(
    copied_project: Path, spoil: Spoil
) -> None:
    spoil(DECISION, "status: accepted", "status: agreed")
    before = (copied_project / LOG_FILE).read_text()
    with pytest.raises(MbpError, match=r"adr_001_dec_latency_slo\.md: the front matter"):
        write_stale(copied_project, rendered_documents(copied_project))
    assert (copied_project / LOG_FILE).read_text() == before


def test_the_command_names_what_is_stale(
    copied_project: Path, spoil: Spoil, monkeypatch: pytest.MonkeyPatch
) -> None:
    register()
    monkeypatch.setenv("MBP_PROJECT_DIR", str(copied_project))
    runner = CliRunner()
    assert runner.invoke(app, ["docs", "render", "--check"]).exit_code == 0
    spoil(LOG_FILE, "accepted", "rejected")
    ran = runner.invoke(app, ["docs", "render", "--check"])
    assert ran.exit_code == 1
    assert ran.stdout.startswith(
        f"{LOG_FILE}: error stale: out of date. Fix: run `mbp docs render`"
    )
