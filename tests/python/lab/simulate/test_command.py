"""`mbp simulate` on the command line: exit codes, what goes to stdout and what to stderr."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from lab.simulate import faults
from mbp.cli import main as cli

from .rules import all_rules


def mbp(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["mbp", "simulate", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


def test_a_folder_is_written_and_told_about(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    options = ["--quotes", "400", "--days", "1", "--seed", "3", "--start", "2026-03-01"]
    assert mbp(monkeypatch, *options, "--output", str(tmp_path / "out")) == 0
    out, err = capfd.readouterr()
    assert out == ""
    assert "mbp.quotes" in err
    assert "400 of 400 quotes" in err
    first = (tmp_path / "out" / "raw_mbp__quotes.csv").read_text().splitlines()[1]
    assert "2026-03-01 00:00:0" in first


def test_all_faults_are_printed(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    known = faults.faults_of(all_rules())
    monkeypatch.setattr(faults, "all_faults", lambda _root=None: known)
    for option in (["--list-faults"], ["--fault", "list"]):
        assert mbp(monkeypatch, *option) == 0
        lines = capfd.readouterr().out.splitlines()
        assert [line.split()[0] for line in lines] == sorted(known)
        assert {line.split()[1] for line in lines} == {"raw", "mart"}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--start", "yesterday"], "--start yesterday: expected a date such as 2026-01-05"),
        (["--quotes", "5"], "--quotes 5"),
        (["--format", "orc"], "--format orc"),
        (["--seed", "9"], "need --output"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    options: list[str],
    told: str,
) -> None:
    assert mbp(monkeypatch, *options) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert told in err
    assert len(err.splitlines()) == 1
