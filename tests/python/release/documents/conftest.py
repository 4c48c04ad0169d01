"""A copy of the project's documents that may be spoiled, one place at a time."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest

from mbp.core.reporting import Finding
from mbp.release.documents.document_checks import DocumentReport, judge, read_documents
from mbp.release.documents.document_findings import NamedThings
from mbp.release.documents.markdown_body import Document, read_document

TODAY = date(2026, 11, 25)
PARTS = ("contracts", "docs", "lab", "macros", "models", "scripts", "src", "tests")
Spoil = Callable[[str, str, str], None]
Found = Callable[[], list[Finding]]


@pytest.fixture(scope="session")
def copied_project(project_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project without its data; put back what you change."""
    root = tmp_path_factory.mktemp("documents")
    for part in PARTS:
        shutil.copytree(
            project_root / part,
            root / part,
            ignore=shutil.ignore_patterns("__pycache__", "*.csv", "golden", "records"),
        )
    for file in (*project_root.glob("*.md"), *project_root.glob("*.yml")):
        shutil.copy(file, root)
    return root


@pytest.fixture(scope="session")
def world(copied_project: Path) -> NamedThings:
    """What the copied project has, read once."""
    return NamedThings(copied_project)


@pytest.fixture
def spoil(copied_project: Path) -> Iterator[Spoil]:
    """Replaces the first text that stands in a file; all is put back at the end."""
    originals: dict[Path, str] = {}

    def change(name: str, find: str, replace: str) -> None:
        path = copied_project / name
        text = path.read_text(encoding="utf-8")
        originals.setdefault(path, text)
        assert find in text, f"{name} has no {find!r}"
        path.write_text(text.replace(find, replace, 1), encoding="utf-8")

    yield change
    for path, text in originals.items():
        path.write_text(text, encoding="utf-8")


@pytest.fixture(scope="session")
def documents(copied_project: Path) -> list[Document]:
    """The documents before anything is spoiled."""
    return read_documents(copied_project)


@pytest.fixture
def report(
    copied_project: Path, documents: list[Document], world: NamedThings
) -> Callable[[], DocumentReport]:
    """Judges the documents as they are now, held against the project as it was."""

    def now(one: Document) -> Document:
        file = copied_project / one.path
        changed = hashlib.sha256(file.read_bytes()).hexdigest() != one.sha256
        return read_document(file, one.kind, one.path) if changed else one

    return lambda: judge([now(one) for one in documents], world, TODAY)


@pytest.fixture(scope="session")
def known(documents: list[Document], world: NamedThings) -> frozenset[Finding]:
    """What is wrong with the copy before anything is spoiled; its own test is of the project."""
    return frozenset(judge(documents, world, TODAY).findings)


@pytest.fixture
def found(known: frozenset[Finding], report: Callable[[], DocumentReport]) -> Found:
    """Findings that were not there before."""
    return lambda: [one for one in report().findings if one not in known]
