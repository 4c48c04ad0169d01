"""Words of the market stay in the market's own parts: found in a copy that has one too many."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from mbp.cli.main import _help, app
from scripts.generic_words import EXCEPTIONS, found


def write(root: Path, name: str, text: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text, encoding="utf-8")


def test_the_source_holds_none(project_root: Path) -> None:
    assert list(found(project_root)) == []


def test_a_word_in_a_generic_part_is_found(tmp_path: Path) -> None:
    write(tmp_path, "contracts/a106/mbp_quotes.odcs.yaml", "")
    for name in EXCEPTIONS:
        write(tmp_path, name, "# the market\n")
    write(tmp_path, "src/mbp/core/a.py", '"""Words of data."""\n# a quote, and mbp_quotes\n')
    write(tmp_path, "src/mbp/ingest/b.py", '"""The market."""\n')
    write(tmp_path, "src/mbp/release/c.py", "from mbp.ingest.cdc import apply  # the market\n")
    write(tmp_path, "src/mbp/release/d.j2", "{{ Trades }}")
    told = "is a word of the market in a generic part"
    assert list(found(tmp_path)) == [
        f"src/mbp/core/a.py:2: 'mbp_quotes' {told}",
        f"src/mbp/release/d.j2:1: 'Trades' {told}",
    ]


def test_nothing_checked_is_no_pass(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="nothing was checked"):
        list(found(tmp_path))


def test_the_help_names_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Data contracts and quality for MBP" in CliRunner().invoke(app, ["--help"]).output
    write(tmp_path, "dbt_project.yml", "name: shop\n")
    write(tmp_path, "contracts/a", "")
    write(tmp_path, "mbp.toml", 'title = "Corner shop"\n')
    monkeypatch.setenv("MBP_PROJECT_DIR", str(tmp_path))
    assert _help().startswith("Data contracts and quality for Corner shop.")
