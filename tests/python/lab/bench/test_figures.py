"""The record of a run, the table of docs/performance.md, and what a later run lost against the record."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from lab.bench import quick
from lab.bench.figures import (
    BEGIN,
    DOCUMENT,
    END,
    RECORD,
    Figure,
    compare,
    record,
    recorded,
    write_table,
)
from mbp.core.errors import EXIT_FINDINGS, EXIT_PASS, MbpError

RULES = Figure("all rules", "1,000 quotes", 4.0, "s", "pure read", 2.0, goal=3.0, quick=True)
START = Figure("start", "a process", 0.5, "s", "imports", 0.25, quick=True)
DRAINED = Figure("changes drained", "20,000 inserts", 45_000.4, "events/s", goal=40_000)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for command in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "first"]):
        identity = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
        subprocess.run(["git", "-C", str(tmp_path), *identity, *command], check=True)
    for path in (RECORD, DOCUMENT):
        (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / DOCUMENT).write_text(f"Before.\n\n{BEGIN}\nold\n{END}\n\nAfter.\n")
    return tmp_path


def test_a_run_is_recorded_with_commit_machine_date_and_load(project: Path) -> None:
    record(project, [RULES, DRAINED], 0.24)
    head, figures = recorded(project)
    assert {"date", "commit", "machine", "load_average", "figures"} == head.keys()
    assert figures == [RULES, DRAINED]
    text = (project / DOCUMENT).read_text()
    assert head["commit"] in text and head["date"] in text and "old" not in text
    assert "load average before the run: 0.2.\n" in text
    assert "| all rules | 1,000 quotes | 4 s | 3, missed | pure read: 2 s | 2.00 |" in text
    assert "| changes drained | 20,000 inserts | 45,000 events/s | 40,000 |  |  |" in text
    assert text.startswith("Before.") and text.endswith("After.\n")
    write_table(project)
    assert (project / DOCUMENT).read_text() == text


def test_a_record_holds_one_run_and_says_when_the_machine_was_busy(project: Path) -> None:
    record(project, [RULES], 0.2)
    record(project, [START], 3.0)
    text = (project / DOCUMENT).read_text()
    assert "all rules" not in text and "start" in text
    assert "load average before the run: 3.0. Other work ran beside it." in text


def test_without_a_record_there_is_no_table(project: Path) -> None:
    write_table(project)
    assert f"{BEGIN}\n\nNo run is recorded.\n\n{END}" in (project / DOCUMENT).read_text()


def test_nothing_measured_is_not_recorded(project: Path) -> None:
    with pytest.raises(MbpError, match="nothing was measured"):
        record(project, [], 0.0)
    assert not (project / RECORD).exists()


@pytest.mark.parametrize("text", [None, "no json", "{}", '{"figures": [{"name": "a"}]}', "[]"])
def test_without_a_record_nothing_is_compared(tmp_path: Path, text: str | None) -> None:
    (tmp_path / RECORD).parent.mkdir(parents=True)
    if text is not None:
        (tmp_path / RECORD).write_text(text)
    with pytest.raises(MbpError, match=r"no run is recorded|not a record") as refused:
        recorded(tmp_path)
    assert "lab/bench/figures.json" in str(refused.value)
    assert "python -m lab.bench quick" in str(refused.value)


@pytest.mark.parametrize(
    ("value", "peer_value", "lost"),
    [
        (4.0, 2.0, False),
        (4.79, 2.0, False),
        (4.81, 2.0, True),
        (48.0, 24.0, False),  # a machine that is ten times slower
        (4.0, 1.6, True),  # the peer became faster on it
        (1.0, 2.0, False),
    ],
)
def test_a_loss_is_a_ratio_and_not_a_time(
    value: float, peer_value: float, lost: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    now = replace(RULES, value=value, peer_value=peer_value)
    compared = compare([now, START], [START, RULES, DRAINED])
    assert [one.lost for one in compared] == [lost, False]
    assert quick.verdict(compared) == (EXIT_FINDINGS if lost else EXIT_PASS)
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith("LOST more than 20%: all rules" if lost else "ok: all rules")
    assert told[1].startswith("ok: start")


@pytest.mark.parametrize(
    ("now", "before", "named"),
    [
        ([RULES], [RULES, START], "start"),
        ([RULES, START], [START], "all rules"),
        ([RULES], [DRAINED], "all rules"),
        ([RULES], [replace(RULES, size="5 quotes")], "all rules"),
        ([], [], "no ratio at all"),
        ([DRAINED], [DRAINED], "no ratio at all"),
    ],
)
def test_another_set_of_ratios_cannot_be_compared(
    now: list[Figure], before: list[Figure], named: str
) -> None:
    with pytest.raises(MbpError, match=f"do not measure the same: .*{named}"):
        compare(now, before)


def test_the_least_of_several_counts() -> None:
    values = iter([3.0, 30.0, 1.0, 10.0, 2.0, 20.0])
    assert quick.best(3, lambda: next(values), lambda: next(values)) == [1.0, 10.0]


def test_a_command_that_fails_is_not_measured(tmp_path: Path) -> None:
    with pytest.raises(MbpError, match=r"failed with 3: it broke"):
        quick.spent([sys.executable, "-c", "print('it broke'); raise SystemExit(3)"], tmp_path, {})


def test_the_document_has_the_figures_of_the_record(project_root: Path, tmp_path: Path) -> None:
    text = (project_root / DOCUMENT).read_text("utf-8")
    assert text.count(BEGIN) == text.count(END) == 1
    for path in (RECORD, DOCUMENT):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        if (project_root / path).exists():
            (tmp_path / path).write_bytes((project_root / path).read_bytes())
    write_table(tmp_path)
    assert (tmp_path / DOCUMENT).read_text("utf-8") == text
