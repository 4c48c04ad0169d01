"""What the documents tell people to run, run: every query on both engines, every command that only looks."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.python.built import Built
from typer.testing import CliRunner

from mbp.building.dbt_process import environment
from mbp.cli import app, register
from mbp.documents.command_lines import Call, calls
from mbp.documents.reading import Block
from mbp.documents.run import read_documents
from mbp.paths import project_root as find_project_root

# Commands that change nothing and need no more than a built warehouse; the others are parsed by the check.
LOOKING = (
    ("status",),
    ("watch", "--once", "--dry-run"),
    ("degrade", "status"),
    ("cdc", "status"),
    ("cdc", "replay", "--list"),
    ("deploy-check",),
    ("hooks", "check"),
    ("contracts", "lint"),
    ("quality", "failures"),
)
NOBODY_LOOKED = {"deploy-check", "degrade", "quality", "cdc"}
CAP_SECONDS = 30


def blocks(language: str) -> Iterator[tuple[str, Block]]:
    for document in read_documents(find_project_root(Path(__file__).parent)):
        for block in document.body.blocks:
            if block.language == language:
                yield f"{document.name}-{block.line}", block


def looking() -> list[Call]:
    found: dict[tuple[str, ...], Call] = {}
    for _, block in blocks("sh"):
        for call in calls(block.text, block.line):
            words = call.words[1:]
            if call.words[:1] == ("mbp",) and any(words[: len(one)] == one for one in LOOKING):
                found.setdefault(words, call)
    return [found[words] for words in sorted(found) if "--target" not in words]


QUERIES = dict(blocks("sql"))


@pytest.mark.parametrize("target", ["duckdb", "postgres"])
@pytest.mark.parametrize("name", QUERIES)
def test_every_query_runs_and_only_reads(built: Built, target: str, name: str) -> None:
    with built.open(target) as warehouse:
        names, _ = warehouse.query(QUERIES[name].text)
    assert names


def test_there_are_queries_and_commands() -> None:
    assert len(QUERIES) >= 12
    assert len(looking()) >= 6


def test_every_command_that_looks_can_look(
    built: Built, tmp_path: Path
) -> None:
    register()
    artifacts = tmp_path / "target"
    shutil.copytree(
        Path(built.settings["duckdb"]["MBP_DUCKDB_PATH"]).parent / "duckdb" / "target", artifacts
    )
    changes = {
        **built.settings["duckdb"],
        "MBP_STATE_DIR": str(tmp_path / "state"),
        "DBT_TARGET_PATH": str(artifacts),
    }
    begun = time.monotonic()
    with environment(changes):
        for call in looking():
            ran = CliRunner().invoke(app, list(call.words[1:]))
            told = f"mbp {' '.join(call.words[1:])}: {ran.exception!r} {ran.output[-400:]}"
            print(told)
    assert time.monotonic() - begun < CAP_SECONDS
