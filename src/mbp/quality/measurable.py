"""What rules and KPIs read, and those that the loaded rows cannot show: none of their sources has what they read."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mbp.contracts import Rule
from mbp.core.dbt_project import PATHS, paths_of
from mbp.core.files import write_text
from mbp.core.paths import ROOT_MARK
from mbp.ingest.loading.source_facts import SourceFacts, dataset_tables
from mbp.quality.compiled_tests import compiled_sample
from mbp.quality.read_sets import Raw, Reads, Relations, followed, read_sets
from mbp.runs.preflight import LOADED
from mbp.warehouse import Warehouse
from mbp.warehouse.relations import exists

WINDOWS = ("reliability", "kpi_windows")
UNMEASURED = "verification.unmeasured_kpis"
# Any engine will do: what is read follows from the same models, and this one needs no server.
ENGINE = "duckdb"
FOLDER = ".mbp/read_sets"
FILES = (ROOT_MARK, "package-lock.yml")
NAMED = re.compile(rb"""env_var\(\s*['"](\w+)""")


def not_measurable(root: Path, rules: Sequence[Rule], facts: SourceFacts) -> dict[str, str]:
    """Rule id -> reason, for every rule that the loaded rows cannot show.

    What a rule reads is computed from its compiled SQL and that of the models before it, down to the raw columns.

    Args:
        facts: what none of the loaded sources has.

    Raises:
        MbpError: dbt cannot compile the project.
    """
    absent = absent_columns(root, facts)
    reads: Mapping[str, Iterable[str]] = project_reads(root, facts.columns).rules if absent else {}
    tables = dataset_tables(root) if absent else {}
    reasons: dict[str, str] = {}
    for rule in rules:
        if rule.dataset in facts.datasets:
            reasons[rule.id] = f"no {rule.dataset}: {facts.datasets[rule.dataset].rstrip('.')}"
        elif rule.id in facts.rules:
            reasons[rule.id] = facts.rules[rule.id]
        else:
            optional = {f"mbp.{tables[dataset]}" for dataset in rule.optional if dataset in tables}
            missing = missing_of(set(reads.get(rule.id, ())) - optional, absent)
            if missing:
                reasons[rule.id] = missing
    return reasons


def unmeasured_kpis(root: Path, facts: SourceFacts) -> dict[str, str]:
    """KPI -> reason, for every KPI whose value the loaded rows cannot show.

    Raises:
        MbpError: dbt cannot compile the project.
    """
    absent = absent_columns(root, facts)
    reads = project_reads(root, facts.columns).relations.get(WINDOWS) if absent else None
    reasons = {}
    for (column, kpi), part in reads.parts.items() if reads else ():
        missing = missing_of(part.columns["value"] | part.columns["samples"], absent)
        if column == "kpi_id" and missing:
            reasons[kpi] = missing
    return reasons


def unmeasured_columns(
    root: Path, facts: SourceFacts, sql: str, dialect: str, names: Iterable[str]
) -> dict[str, str]:
    """Column -> reason, for those columns of a query whose values the loaded rows cannot show.

    Args:
        sql: a query over relations of the project.
        names: of the columns that matter.

    Raises:
        MbpError: dbt cannot compile the project.
    """
    absent = absent_columns(root, facts)
    if not absent:
        return {}
    reads = followed(sql, dialect, project_reads(root, facts.columns).relations)
    if reads is None:  # it may read anything
        return dict.fromkeys(names, next(iter(sorted(absent.values()))))
    reasons = {name: missing_of(reads.columns[name.lower()], absent) for name in names}
    return {name: reason for name, reason in reasons.items() if reason}


def noted_kpis(warehouse: Warehouse) -> dict[str, str]:
    """KPI -> reason, of those that the models of the KPIs leave without a value."""
    if not exists(warehouse, *UNMEASURED.split(".")):
        return {}
    return dict(warehouse.query(f"select kpi_id, reason from {UNMEASURED}")[1])


def note_unmeasured_kpis(warehouse: Warehouse, reasons: Mapping[str, str]) -> None:
    """Writes them to the warehouse, for the models of the KPIs; before these are built.

    The table is made by dbt, with those of its runs.
    """
    with warehouse.transaction():
        warehouse.execute(f"delete from {UNMEASURED}")
        for row in reasons.items():
            mark = warehouse.mark
            warehouse.execute(f"insert into {UNMEASURED} values ({mark}, {mark})", list(row))


def absent_columns(root: Path, facts: SourceFacts) -> dict[str, str]:
    """Raw column (`shop.orders.amount`), or table (`shop.orders`), that no source has -> what to tell of it."""
    tables = dataset_tables(root) if facts.columns or facts.datasets else {}
    absent = {
        f"mbp.{tables[dataset]}": f"no {dataset}: {reason.rstrip('.')}"
        for dataset, reason in facts.datasets.items()
    }
    for dataset, columns in facts.columns.items():
        for name, reason in columns.items():
            absent[f"mbp.{tables[dataset]}.{name}"] = f"no {dataset}.{name}: {reason.rstrip('.')}"
    return absent


def missing_of(reads: Iterable[str], absent: Mapping[str, str]) -> str | None:
    """What to tell of the first absent thing among what is read; None when all of it is there.

    Args:
        absent: as `absent_columns` has it. That a table is empty says something of those alone who read a column
            of it: the project's now, say, is the newest arrival in any log.
    """
    columns = {name for name in reads if not name.rpartition(".")[2].startswith("_")}
    for name in sorted(columns & absent.keys()):
        is_table = name.count(".") == 1
        if not is_table or any(column.startswith(f"{name}.") for column in columns):
            return absent[name]
    committed = sorted(set(reads) & absent.keys() - columns)
    return absent[committed[0]] if committed else None


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
