"""What the documents say exists: commands, targets, files; and what may not stand in the repository."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from mbp.release.documents.command_lines import (
    is_group,
    known_commands,
    mentions,
    objection_to_mention,
)
from tests.python.sources import python_files

MACHINE_TRACES = re.compile(
    r"/(?:home|root|Users)/\w|index-url|extra-index-url|\bpypi\.org|files\.pythonhosted"
)


def documents(root: Path) -> list[Path]:
    found = [*root.glob("*.md"), *root.glob("docs/**/*.md"), *root.glob("packages/*/README.md")]
    assert len(found) >= 8
    return sorted(found)


def test_every_mbp_command_in_a_document_exists(project_root: Path) -> None:
    seen = 0
    for path in documents(project_root):
        for line, words in mentions(path.read_text(encoding="utf-8")):
            seen += 1
            objection = objection_to_mention(words)
            assert objection is None, f"{path.name}:{line}: {objection}"
    assert seen > 20


def test_every_command_has_an_example() -> None:
    for name, command in known_commands().items():
        if not is_group(command):
            assert "mbp " in (command.epilog or ""), f"mbp {name} --help shows no example"


def test_every_link_of_a_document_outside_of_docs_leads_to_a_file(project_root: Path) -> None:
    """Those of docs/ are judged by MkDocs, `tests/python/release/website/test_site_pages.py`."""
    seen = 0
    for path in documents(project_root):
        if path.is_relative_to(project_root / "docs"):
            continue
        text = re.sub(r"`[^`\n]+`", "", path.read_text(encoding="utf-8"))
        for address in re.findall(r"\]\(([^)\s]+)", text):
            if "://" not in address and not address.startswith("#"):
                seen += 1
                assert (path.parent / address.split("#")[0]).exists(), f"{path}: {address}"
    assert seen > 5


def test_every_make_target_in_a_document_exists(project_root: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (project_root / "Makefile").read_text(), re.MULTILINE))
    for path in documents(project_root):
        for name in re.findall(r"`make ([a-z]+)`|^make ([a-z]+)", path.read_text(), re.MULTILINE):
            assert "".join(name) in targets, f"{path.name}: make {''.join(name)}"


def test_no_trace_of_a_machine_or_a_registry_in_the_repository(project_root: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=project_root, capture_output=True, text=True, check=False
    ).stdout.split()
    if not listed:
        pytest.skip("not a git checkout: the list of tracked files is not known")
    here = Path(__file__).resolve()
    for name in listed:
        path = project_root / name
        if path.suffix in {".csv", ".svg"} or path.resolve() == here or not path.is_file():
            continue
        match = MACHINE_TRACES.search(path.read_text(encoding="utf-8", errors="ignore"))
        assert match is None or "no-emit-index-url" in path.read_text(), f"{name}: {match}"


def test_modules_and_macros_stay_small(project_root: Path) -> None:
    for path in python_files(project_root).values():
        assert len(path.read_text().splitlines()) <= 400, path.name
    for path in (project_root / "macros").rglob("*.sql"):
        for macro in re.findall(r"{% macro.*?endmacro", path.read_text(), re.DOTALL):
            assert macro.count("\n") < 40, path.name


def test_target_type_stands_in_the_engine_folder_alone(project_root: Path) -> None:
    places = [*(project_root / "macros").rglob("*.sql"), *(project_root / "models").rglob("*.*")]
    places += list((project_root / "tests" / "dbt").rglob("*.sql"))
    naming = {path for path in places if "target.type" in path.read_text(encoding="utf-8")}
    assert naming
    assert {path.parent.name for path in naming} == {"engine"}


def test_the_queries_of_the_start_page_run(project_root: Path) -> None:
    import duckdb

    from mbp.contracts import load_contracts

    text = (project_root / "docs/dbt/overview.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```sql\n(.*?)```", text, re.DOTALL)
    queries = [query for query in block.split(";") if query.strip()]
    assert len(queries) == 4
    with duckdb.connect() as connection:
        connection.execute("create schema published")
        for contract in load_contracts(project_root):
            columns = ", ".join(f"{c.name} {c.physical_types['duckdb']}" for c in contract.columns)
            connection.execute(f"create table published.{contract.dataset} ({columns})")
        for query in queries:
            assert connection.execute(query).description
