"""What the project has, that a document may name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from mbp.contracts.alarm_limits import FILE as ALARMS
from mbp.contracts.alarm_limits import THRESHOLDS
from mbp.contracts.contract_loading import load_contracts
from mbp.contracts.exercises import FILE as EXERCISES
from mbp.contracts.hook_policy import HOOKS
from mbp.contracts.policy import load_policy
from mbp.contracts.sheet import Kpi, load_sheet
from mbp.core.errors import MbpError
from mbp.core.paths import ROOT_MARK
from mbp.core.yaml_io import line_of, load, plain
from mbp.ingest.raw_tables import CDC_CONTROL_TABLES
from mbp.release.documents.front_matter import load_document_policy

PUBLISHED = "published"
VARIABLE = re.compile(r"\bMBP_[A-Z0-9_]+\b")
READING_VARIABLES = ("src/**/*.py", "src/**/*.yaml", "macros/**/*.sql", "*.yml")


@dataclass(frozen=True)
class NamedThings:
    """The project, read once for all documents."""

    root: Path

    @cached_property
    def policy(self) -> Mapping[str, Any]:
        """What documents are held to."""
        return load_document_policy(self.root)

    @cached_property
    def owners(self) -> frozenset[str]:
        """Teams that answer for something."""
        return frozenset(load_policy(self.root).owners)

    @cached_property
    def kpis(self) -> Mapping[str, Kpi]:
        """The measurement sheet."""
        return load_sheet(self.root, load_policy(self.root)).kpis

    @cached_property
    def watchers(self) -> frozenset[str]:
        """Names of the watchers."""
        return frozenset(kpi.watcher for kpi in self.kpis.values())

    @cached_property
    def hooks(self) -> Mapping[str, Mapping[str, Any]]:
        """Hook -> its entry in hooks.yaml with the line as `line`, whatever is wrong with it there."""
        document = load(self.root / HOOKS, shown_as=HOOKS)
        entries = document.get("hooks") if isinstance(document, dict) else None
        results = {
            str(entry["id"]): {**plain(entry), "line": line_of(entry)}
            for entry in entries or []
            if isinstance(entry, dict) and "id" in entry
        }
        if not results:
            raise MbpError("no hook", path=HOOKS, fix="see `mbp hooks check`")
        return results

    @cached_property
    def alarm_runbook(self) -> str:
        """The runbook of the alarms of the change data capture."""
        return str(plain(load(self.root / ALARMS, shown_as=ALARMS)).get("runbook", ""))

    @property
    def alarms(self) -> frozenset[str]:
        """Alarms of the change data capture."""
        return frozenset(THRESHOLDS)

    @cached_property
    def exercises(self) -> frozenset[str]:
        """Ids of the exercises."""
        document = plain(load(self.root / EXERCISES, shown_as=EXERCISES))
        return frozenset(str(exercise.get("id")) for exercise in document.get("exercises", []))

    @cached_property
    def relations(self) -> frozenset[str]:
        """schema.name of every model, published dataset and control table."""
        config = plain(load(self.root / ROOT_MARK, shown_as=ROOT_MARK))["models"]["mbp"]
        models = {
            f"{_schema(config, file.relative_to(self.root / 'models').parts[:-1])}.{file.stem}"
            for file in (self.root / "models").rglob("*.sql")
        }
        public = {f"{PUBLISHED}.{contract.dataset}" for contract in load_contracts(self.root)}
        return frozenset({*models, *public, *CDC_CONTROL_TABLES})

    @cached_property
    def variables(self) -> frozenset[str]:
        """Environment variables that the project reads."""
        results: set[str] = set()
        for pattern in READING_VARIABLES:
            for file in self.root.glob(pattern):
                results.update(VARIABLE.findall(file.read_text(encoding="utf-8")))
        return frozenset(results)


def _schema(config: Mapping[str, Any], folders: tuple[str, ...]) -> str:
    schema, level = "", config
    for folder in folders:
        level = level.get(folder) or {}
        schema = str(level.get("+schema", schema))
    return schema
