"""What dbt_project.yml says, without starting dbt."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from mbp.core import yaml_io
from mbp.core.errors import MbpError
from mbp.core.paths import ROOT_MARK

# dbt's default paths.
PATHS: dict[str, list[str]] = {
    "model-paths": ["models"],
    "seed-paths": ["seeds"],
    "test-paths": ["tests"],
    "macro-paths": ["macros"],
    "docs-paths": [],
    "snapshot-paths": ["snapshots"],
    "analysis-paths": ["analyses"],
}
# Where the node of a dataset is defined, and the ends of its file.
NODES = {"model-paths": (".sql", ".py"), "seed-paths": (".csv",), "snapshot-paths": (".sql",)}


def read_project(root: Path) -> dict[str, Any]:
    """dbt_project.yml as plain values; nothing without the file.

    Raises:
        MbpError: it cannot be read, or is not a mapping.
    """
    if not (root / ROOT_MARK).is_file():
        return {}  # contracts alone; dbt says that there is no project
    return _read(yaml_io.read(root / ROOT_MARK, shown_as=ROOT_MARK))


@lru_cache(maxsize=8)
def _read(text: str) -> dict[str, Any]:
    document = yaml_io.plain(yaml_io.loads(text, shown_as=ROOT_MARK))
    if not isinstance(document, dict):
        raise MbpError("expected a mapping", path=ROOT_MARK, fix="restore the file")
    return document


def paths_of(root: Path, kind: str) -> list[str]:
    """The folders of one of PATHS."""
    return [str(name) for name in read_project(root).get(kind, PATHS[kind])]


def node_file(root: Path, name: str) -> Path | None:
    """The file of the model, seed or snapshot of that name."""
    for kind, ends in NODES.items():
        for path in files_in(root, kind, ends):
            if path.stem == name:
                return path
    for path in files_in(root, "snapshot-paths", (".sql", ".yml", ".yaml")):
        text = path.read_text(encoding="utf-8", errors="replace")
        if f"snapshot {name} " in text or f"name: {name}\n" in text:
            return path
    return None


def files_in(root: Path, kind: str, ends: tuple[str, ...]) -> Iterator[Path]:
    """The files of that kind, by path."""
    for folder in paths_of(root, kind):
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in ends and path.is_file():
                yield path
