"""The table of docs/performance.md is what the record of the last `make bench` says."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from lab.bench.figures import BEGIN, DOCUMENT, END, RECORD, record, write_table

NAMES = ("models", "row_rules", "twap", "plain_copy", "added", "idle", "overhead")
SIZES = [
    {"quotes": 1_000_000, "full": 5.0, "quotes_per_second": 200_000.4, **dict.fromkeys(NAMES, 0.25)}
]


def test_a_run_is_recorded_with_commit_machine_and_date(tmp_path: Path) -> None:
    for command in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "first"]):
        identity = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
        subprocess.run(["git", "-C", str(tmp_path), *identity, *command], check=True)
    for path in (RECORD, DOCUMENT):
        (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / DOCUMENT).write_text(f"Before.\n\n{BEGIN}\nold\n{END}\n\nAfter.\n")
    record(tmp_path, SIZES)
    content = json.loads((tmp_path / RECORD).read_text())
    assert {"date", "commit", "machine", "load_average", "sizes"} == content.keys()
    text = (tmp_path / DOCUMENT).read_text()
    assert content["commit"] in text and content["date"] in text and "old" not in text
    assert "| | 1,000,000 quotes |" in text and "| quotes per second | 200,000 |" in text
    assert "/ TWAP | 0.2 / 0.2 / 0.2 s |" in text
    assert text.startswith("Before.") and text.endswith("After.\n")
    write_table(tmp_path)
    assert (tmp_path / DOCUMENT).read_text() == text


def test_the_document_has_the_figures_of_the_record(project_root: Path, tmp_path: Path) -> None:
    text = (project_root / DOCUMENT).read_text("utf-8")
    assert text.count(BEGIN) == text.count(END) == 1
    if (project_root / RECORD).exists():
        for path in (RECORD, DOCUMENT):
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_bytes((project_root / path).read_bytes())
        write_table(tmp_path)
        assert (tmp_path / DOCUMENT).read_text("utf-8") == text
