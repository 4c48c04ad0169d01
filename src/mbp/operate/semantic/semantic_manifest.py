"""dbt's semantic manifest of the project as it is now, parsed again when that changed.

MetricFlow reads the manifest and never checks its age. It names relations with their database, so there is one
per target.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mbp.core.errors import MbpError
from mbp.core.files import write_text
from mbp.core.paths import shown
from mbp.quality.measurable import project_state
from mbp.runs.dbt_process import demand, run_dbt, target_path
from mbp.warehouse.profile import read_target

MANIFEST = "semantic_manifest.json"
# What the semantic layer is written in.
SOURCES = ("models/semantic", "contracts/a87")
READ_SUFFIXES = (".sql", ".yml", ".yaml")


def fresh_manifest(root: Path, target: str) -> str:
    """Text of the semantic manifest of the current project, for a target.

    Raises:
        MbpError: dbt cannot parse the project, or makes no manifest of it.
    """
    folder = target_path(root) / "metrics" / target
    path, mark = folder / "target" / MANIFEST, folder / "made_of"
    made_of = project_state(root, read_target(root, target)[1])
    if path.is_file() and mark.is_file() and mark.read_text(encoding="utf-8") == made_of:
        return manifest_text(path, root)
    for file in (path, mark):
        file.unlink(missing_ok=True)
    demand(run_dbt(root, ["parse"], target=target, artifacts=folder, quiet=True))
    text = manifest_text(path, root)
    write_text(mark, made_of)
    return text


def manifest_text(path: Path, root: Path) -> str:
    """A semantic manifest with something in it.

    Raises:
        MbpError: it is missing, unreadable, or holds no metric or no semantic model.
    """
    place, fix = shown(path, root), "run `dbt parse`"
    try:
        text = path.read_text(encoding="utf-8")
        document = json.loads(text)
    except FileNotFoundError as error:
        raise MbpError("there is no semantic manifest", path=place, fix=fix) from error
    except (OSError, ValueError) as error:
        raise MbpError(f"cannot be read: {error}", path=place, fix=fix) from error
    for kind in ("semantic_models", "metrics"):
        if not isinstance(document, dict) or not isinstance(document.get(kind), list):
            raise MbpError("is no semantic manifest", path=place, fix=fix)
        if not document[kind]:
            raise MbpError(
                f"the project parsed into no {kind.replace('_', ' ')} at all",
                path=place,
                fix="write models/semantic in the legacy specification: dbt 1.11 reads the newer one into nothing",
            )
    return text


def read_manifest(folder: Path, root: Path) -> dict[str, Any]:
    """The semantic manifest of dbt's last parse, which must be newer than what it is made of.

    Raises:
        MbpError: it is missing, unreadable, empty or older than a file of the semantic layer.
    """
    path = folder / MANIFEST
    document: dict[str, Any] = json.loads(manifest_text(path, root))
    made = path.stat().st_mtime
    newer = sorted(
        shown(file, root)
        for folder in SOURCES
        for file in (root / folder).rglob("*")
        if file.suffix in READ_SUFFIXES and file.stat().st_mtime > made
    )
    if newer:
        raise MbpError(
            f"is older than {newer[0]}: it may say what no longer holds",
            path=shown(path, root),
            fix="run `dbt parse`",
        )
    return document
