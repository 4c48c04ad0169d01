"""The reject file has its place before the load begins, and is there exactly when the load is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mbp.cli.main import app, register
from mbp.core.errors import MbpError
from mbp.ingest.loading.load_sources import load_folder


@pytest.fixture(autouse=True)
def warehouse_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "loaded.duckdb"
    monkeypatch.setenv("MBP_DUCKDB_PATH", str(path))
    return path


def load(root: Path, folder: Path, reject_file: Path, *, dry_run: bool = False) -> None:
    load_folder(root, folder, folder / "mapping.yaml", reject_file=reject_file, dry_run=dry_run)


@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("nowhere/rejects.csv", r"nowhere: no such folder for the reject file\. Fix: make it"),
        ("no/where/rejects.csv", r"no/where: no such folder"),
        ("data/quotes.csv/rejects.csv", r"quotes\.csv: no such folder"),
        ("data", r"data: is a folder, not a reject file"),
    ],
)
def test_a_place_where_no_file_can_be_is_told_before_the_load(
    project_root: Path,
    folder: Path,
    tmp_path: Path,
    warehouse_file: Path,
    place: str,
    message: str,
    dry_run: bool,
) -> None:
    with pytest.raises(MbpError, match=message):
        load(project_root, folder, tmp_path / place, dry_run=dry_run)
    assert not warehouse_file.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_a_folder_that_may_not_be_written_is_told_before_the_load(
    project_root: Path,
    folder: Path,
    tmp_path: Path,
    warehouse_file: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # modes do not stop an administrator
    with pytest.raises(MbpError, match=r"the reject file may not be written there"):
        load(project_root, folder, tmp_path / "rejects.csv")
    assert not warehouse_file.exists()


def test_a_failed_load_leaves_no_reject_file_and_keeps_the_earlier_one(
    project_root: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("power cut")

    monkeypatch.setattr("mbp.ingest.loading.load_sources.end_load", broken)
    rejects = tmp_path / "out" / "rejects.csv"
    rejects.parent.mkdir()
    rejects.write_text("earlier")
    with pytest.raises(RuntimeError, match="power cut"):
        load(project_root, folder, rejects)
    assert rejects.read_text() == "earlier"
    assert list(rejects.parent.iterdir()) == [rejects]


def test_a_reject_file_that_cannot_be_written_stops_the_load(
    project_root: Path,
    folder: Path,
    tmp_path: Path,
    warehouse_file: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The disk is full, say: here the table of rejects goes to a device that takes nothing."""
    if not Path("/dev/full").exists():
        pytest.skip("no device that is always full")

    class Full:
        def __enter__(self) -> Path:
            return Path("/dev/full")

        def __exit__(self, *_: object) -> None: ...

    monkeypatch.setattr("mbp.ingest.loading.load_sources.atomic_path", lambda _: Full())
    quotes = folder / "quotes.csv"
    quotes.write_text(quotes.read_text() + "t9,m1,never,0.5,1,eve\n")
    with pytest.raises(MbpError, match=r"rejects\.csv: cannot be written"):
        load(project_root, folder, tmp_path / "rejects.csv")
    assert not warehouse_file.exists()


def test_the_command_could_not_run(folder: Path, tmp_path: Path) -> None:
    register()
    arguments = ["load", str(folder), "--mapping", str(folder / "mapping.yaml"), "--reject-file"]
    result = CliRunner().invoke(app, [*arguments, str(tmp_path / "nowhere" / "rejects.csv")])
    assert isinstance(result.exception, MbpError)  # which the entry point makes exit code 2
    result = CliRunner().invoke(app, [*arguments, str(tmp_path / "rejects.csv")])
    assert result.exit_code == 0
    assert (tmp_path / "rejects.csv").read_text() == "table_name,file,source_row,reason,original\n"
