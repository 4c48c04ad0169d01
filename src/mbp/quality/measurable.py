"""Rules that the loaded rows cannot show: they read something that none of their sources has."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from mbp.core.files import write_text
from mbp.ingest.loading.loaded_facts import SourceFacts
from mbp.ingest.loading.source_facts import dataset_tables
from mbp.quality.compiled_project import compiled_sample
from mbp.quality.read_sets import read_sets
from mbp.runs.dbt_process import profiles_folder
from mbp.runs.parsed import fingerprint

# Any engine will do: what a rule reads follows from the same models, and this one needs no server.
ENGINE = "duckdb"
FOLDER = ".mbp/read_sets"


class ReadingRule(Protocol):
    """The part of a contract rule that names it."""

    @property
    def id(self) -> str: ...
    @property
    def dataset(self) -> str: ...


def not_measurable(root: Path, rules: Sequence[ReadingRule], facts: SourceFacts) -> dict[str, str]:
    """Rule id -> reason, for every rule that the loaded rows cannot show.

    What a rule reads is computed from its compiled SQL and that of the models before it, down to the raw columns.

    Args:
        facts: what none of the loaded sources has.

    Raises:
        MbpError: dbt cannot compile the project.
    """
    absent = absent_columns(root, facts)
    reads = rule_reads(root) if absent else {}
    reasons: dict[str, str] = {}
    for rule in rules:
        missing = sorted(reads.get(rule.id, frozenset()) & absent.keys())
        if rule.dataset in facts.datasets:
            reasons[rule.id] = f"no {rule.dataset}: {facts.datasets[rule.dataset]}"
        elif rule.id in facts.rules:
            reasons[rule.id] = facts.rules[rule.id]
        elif missing:
            reasons[rule.id] = absent[missing[0]]
    return reasons


def absent_columns(root: Path, facts: SourceFacts) -> dict[str, str]:
    """Raw column (`mbp.quotes.price`), or table (`mbp.quotes`), that no source has -> what to tell of it."""
    tables = dataset_tables(root) if facts.columns or facts.datasets else {}
    absent = {
        f"mbp.{tables[dataset]}": f"no {dataset}: {reason}"
        for dataset, reason in facts.datasets.items()
    }
    for dataset, columns in facts.columns.items():
        for name, reason in columns.items():
            absent[f"mbp.{tables[dataset]}.{name}"] = f"no {dataset}.{name}: {reason}"
    return absent


def rule_reads(root: Path) -> Mapping[str, frozenset[str]]:
    """Rule id -> the raw columns and tables that its verdict follows from; kept until the project changes.

    Raises:
        MbpError: dbt cannot compile the project.
    """
    key = fingerprint(root, profiles_folder(root), ENGINE, ["compile"])
    kept = root / FOLDER / f"{key}.json"
    if key and kept.is_file():
        document = json.loads(kept.read_text(encoding="utf-8"))
    else:
        document = _read(root)
        if key:
            for old in kept.parent.glob("*.json"):
                old.unlink(missing_ok=True)
            write_text(kept, json.dumps(document))
    return {rule: frozenset(columns) for rule, columns in document.items()}


def _read(root: Path) -> dict[str, list[str]]:
    manifest: Mapping[str, Any] = compiled_sample(root, ENGINE)
    document: dict[str, list[str]] = {}
    for unique_id, reads in read_sets(manifest).items():
        node = manifest["nodes"][unique_id]
        if node["resource_type"] == "test":
            # Its rows alone decide, unless it counts in another way.
            counted = str(node["config"].get("fail_calc") or "count(*)") == "count(*)"
            rule = str((node["config"].get("meta") or {}).get("rule_id") or node["name"])
            document[rule] = sorted(reads.rows if counted else reads.whole)
    return document
