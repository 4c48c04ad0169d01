"""What the documents tell people to run, run: every query on both engines, every command that only looks."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mbp.cli.main import app, register
from mbp.core.errors import EXIT_COULD_NOT_RUN, MbpError
from mbp.core.paths import project_root as find_project_root
from mbp.release.documents.command_lines import Call, calls
from mbp.release.documents.document_checks import read_documents
from mbp.release.documents.markdown_body import CodeBlock
from mbp.runs.dbt_process import environment
from tests.python.built import Built

# Commands that change nothing and need no more than a built warehouse -> exit code, and what they say where they
# cannot look: nobody has watched or collected a run, and there is no source. The others are parsed by the check.
LOOKING: dict[tuple[str, ...], tuple[int, str]] = {
    ("status",): (0, "open decisions: 0"),
    ("watch", "--once", "--dry-run"): (1, "never measured"),
    ("degrade", "status"): (0, "readers see: live"),
    ("cdc", "status"): (2, "MBP_SOURCE_HOST is not set"),
    ("cdc", "replay", "--list"): (2, "is not in the warehouse"),
    ("deploy-check",): (2, "not measured"),
    ("hooks", "check"): (0, "0 errors"),
    ("contracts", "lint"): (0, "0 errors"),
    ("quality", "failures"): (0, "0 errors"),
}
CAP_SECONDS = 30


def blocks(language: str) -> Iterator[tuple[str, CodeBlock]]:
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


def artifacts_of(built: Built) -> Path:
    """Where dbt left manifest and results of the build on DuckDB."""
    folder = Path(built.settings["duckdb"]["MBP_DUCKDB_PATH"]).parent / "duckdb"
    found = sorted(folder.rglob("run_results.json"))
    assert found, folder
    return found[0].parent


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


def test_every_command_that_looks_can_look(built: Built, tmp_path: Path) -> None:
    register()
    changes = {
        **built.settings["duckdb"],
        "MBP_STATE_DIR": str(tmp_path / "state"),
        "DBT_TARGET_PATH": str(artifacts_of(built)),
    }
    begun = time.process_time()
    with environment(changes):
        for call in looking():
            ran = CliRunner().invoke(app, list(call.words[1:]))
            refused = isinstance(ran.exception, MbpError)
            code = EXIT_COULD_NOT_RUN if refused else ran.exit_code
            wanted, told = next(
                outcome for one, outcome in LOOKING.items() if call.words[1 : len(one) + 1] == one
            )
            assert code == wanted, (call, ran.exception, ran.output)
            assert told in ran.output + str(ran.exception), (call, ran.output)
    assert time.process_time() - begun < CAP_SECONDS
