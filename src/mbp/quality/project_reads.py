"""What each rule and each relation of the project reads, kept until the project changes."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mbp.core.dbt_project import PATHS, paths_of
from mbp.core.files import write_text
from mbp.core.paths import ROOT_MARK
from mbp.quality.compiled_tests import compiled_sample
from mbp.quality.read_sets import Raw, Reads, Relations, read_sets
from mbp.runs.preflight import LOADED

# Any engine will do: what is read follows from the same models, and this one needs no server.
ENGINE = "duckdb"
FOLDER = ".mbp/read_sets"
FILES = (ROOT_MARK, "package-lock.yml")
NAMED = re.compile(rb"""env_var\(\s*['"](\w+)""")


@dataclass(frozen=True)
class ProjectReads:
    """What the project reads.

    Attributes:
        rules: rule id -> raw columns and tables that its verdict follows from.
        relations: (schema, name) -> what a relation follows from.
    """

    rules: Mapping[str, Raw]
    relations: Relations


def project_reads(root: Path, absent: Mapping[str, Iterable[str]] | None = None) -> ProjectReads:
    """Computed from the compiled SQL, once for each state of the project.

    Args:
        absent: dataset -> columns that no source has. A rule that compares whole rows of the log with those of the
            dataset compares the others.

    Raises:
        MbpError: dbt cannot compile the project.
    """
    columns = {dataset: sorted(names) for dataset, names in sorted((absent or {}).items())}
    variables = {"absent_columns": columns}
    kept = root / FOLDER / f"{project_state(root, variables)}.json"
    if kept.is_file():
        document = json.loads(kept.read_text(encoding="utf-8"))
    else:
        # As the loaded data is built: the source is not the sample, and what "now" means follows from MBP_NOW.
        changes = {"MBP_RAW": LOADED, "MBP_NOW": os.environ.get("MBP_NOW", "")}
        manifest = compiled_sample(root, ENGINE, changes=changes, variables=variables)
        document = _computed(manifest)
        for old in kept.parent.glob("*.json"):
            old.unlink(missing_ok=True)
        write_text(kept, json.dumps(document))
    return ProjectReads(
        {rule: frozenset(raw) for rule, raw in document["rules"].items()},
        {(schema, name): _reads(entry) for schema, name, entry in document["relations"]},
    )


def project_state(root: Path, settings: Mapping[str, Any]) -> str:
    """SHA-256 of what dbt makes of the project: its files, the environment that they name, dbt, and more settings."""
    digest = hashlib.sha256(json.dumps([version("dbt-core"), settings], default=str).encode())
    folders = [root / name for kind in PATHS for name in paths_of(root, kind)]
    files = {root / name for name in FILES}.union(*(folder.rglob("*") for folder in folders))
    for file in sorted(file for file in files | {*root.glob("packages/**/*")} if file.is_file()):
        content = file.read_bytes()
        named = [os.environ.get(name.decode(), "") for name in NAMED.findall(content)]
        text = json.dumps([str(file.relative_to(root)), named])
        digest.update(text.encode() + hashlib.sha256(content).digest())
    return digest.hexdigest()


def _computed(manifest: Mapping[str, Any]) -> dict[str, Any]:
    nodes, relations = read_sets(manifest)
    rules = {}
    for unique_id, reads in nodes.items():
        node = manifest["nodes"][unique_id]
        if node["resource_type"] == "test":
            # Its rows alone decide, unless it counts in another way.
            counted = str(node["config"].get("fail_calc") or "count(*)") == "count(*)"
            rule = str((node["config"].get("meta") or {}).get("rule_id") or node["name"])
            rules[rule] = sorted(reads.rows if counted else reads.whole)
    return {
        "rules": rules,
        "relations": [
            [schema, name, _document(reads)] for (schema, name), reads in relations.items()
        ],
    }


def _document(reads: Reads) -> dict[str, Any]:
    return {
        "columns": {name: sorted(raw) for name, raw in reads.columns.items()},
        "rows": sorted(reads.rows),
        "parts": [[*key, _document(part)] for key, part in reads.parts.items()],
    }


def _reads(document: Mapping[str, Any]) -> Reads:
    return Reads(
        {name: frozenset(raw) for name, raw in document["columns"].items()},
        frozenset(document["rows"]),
        {(column, text): _reads(part) for column, text, part in document["parts"]},
    )
