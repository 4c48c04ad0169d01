"""Files that are not as a run of dbt read them: by content where its manifest has it, else by time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from mbp.core.paths import shown

# What changes the verdicts. Python is not here: it computes no row.
WATCHED = (
    ("dbt_project.yml", "dbt_project.yml"),
    ("models", "**/*.sql"),
    ("models", "**/*.yml"),
    ("macros", "**/*.sql"),
    ("packages", "**/*.sql"),
    ("seeds", "**/*.csv"),
    ("tests/dbt", "**/*.sql"),
    ("tests/dbt", "**/*.yml"),
    ("contracts/a106", "**/*.yaml"),
)
# A file of these that the manifest does not know is new, whatever its time.
ALL_IN_MANIFEST = (("models", ".sql"), ("seeds", ".csv"))


def changed_files(root: Path, manifest: Mapping[str, Any], since: datetime) -> list[str]:
    """Paths of the files that changed since the manifest was made, sorted.

    Args:
        manifest: dbt's, with the checksum of models and seeds and the text of macros.
        since: when dbt began to read the project; a change of a file without a checksum (YAML) shows in its time.
    """
    checksums = dict(_checksums(manifest))
    changed = {name for name in checksums if not (root / name).is_file()}
    for path in _watched(root):
        name = shown(path, root)
        if name in checksums:
            # With its line ends, but without white space around: so dbt counts.
            content = path.read_bytes().decode("utf-8", errors="replace").strip().encode()
            if hashlib.sha256(content).hexdigest() != checksums[name]:
                changed.add(name)
        elif path.stat().st_mtime > since.timestamp() or (checksums and _unknown(name)):
            changed.add(name)
    changed.update(_changed_macros(root, manifest))
    return sorted(changed)


def _watched(root: Path) -> Iterator[Path]:
    for folder, pattern in WATCHED:
        paths = [root / folder] if folder == pattern else sorted((root / folder).glob(pattern))
        yield from (path for path in paths if path.is_file())


def _unknown(name: str) -> bool:
    return any(
        name.startswith(f"{folder}/") and name.endswith(end) for folder, end in ALL_IN_MANIFEST
    )


def _checksums(manifest: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(path, SHA-256) of each file that is one node; a large seed has none."""
    project = (manifest.get("metadata") or {}).get("project_name")
    disabled = (node for nodes in (manifest.get("disabled") or {}).values() for node in nodes)
    for node in (*manifest["nodes"].values(), *disabled):
        checksum = node.get("checksum") or {}
        path = node.get("original_file_path")
        own = project is None or node.get("package_name", project) == project
        if own and path and checksum.get("name") == "sha256" and checksum.get("checksum"):
            yield path, checksum["checksum"]


def _changed_macros(root: Path, manifest: Mapping[str, Any]) -> Iterator[str]:
    """Files of the project's macros that no longer have the text which dbt read."""
    project = (manifest.get("metadata") or {}).get("project_name")
    texts: dict[str, str] = {}
    for macro in (manifest.get("macros") or {}).values():
        name, sql = macro.get("original_file_path"), macro.get("macro_sql")
        if macro.get("package_name") != project or not name or not sql:
            continue
        path = root / name
        if name not in texts:
            texts[name] = path.read_text(encoding="utf-8") if path.is_file() else ""
        if sql.strip() not in texts[name]:
            yield name
