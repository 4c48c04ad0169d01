"""A small project with the contracts of this one, artifacts made by hand, and a warehouse that recorded their run."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from mbp.contracts import all_rules, load_contracts
from mbp.runs.dbt_process import environment
from mbp.runs.run_control import nodes_digest

TARGET = "duckdb"
INVOCATION, WAREHOUSE = "run-one", "warehouse-one"
COPIED = ("contracts", "tests/dbt/generic", "profiles.example.yml", "dbt_project.yml")
MODEL, UNIT_TEST, SEED = "model.mbp.mbp_quotes", "unit_test.mbp.logic", "seed.mbp.sheet"
MODEL_FILE, YAML_FILE = "models/marts/mbp_quotes.sql", "models/marts/_models.yml"


def git(root: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.invalid"]
    subprocess.run(["git", "-C", str(root), *identity, *arguments], check=True, capture_output=True)


@dataclass
class Project:
    """The folder, and what dbt left in it."""

    root: Path
    manifest: dict[str, Any] = field(default_factory=dict)
    run_results: dict[str, Any] = field(default_factory=dict)
    began: datetime = field(default_factory=lambda: datetime.now(UTC) - timedelta(minutes=10))

    @property
    def ended(self) -> datetime:
        return self.began + timedelta(minutes=2)

    @property
    def database(self) -> Path:
        return self.root / "target" / "mbp.duckdb"

    @contextmanager
    def inside(self) -> Iterator[None]:
        with environment(
            {
                "MBP_DUCKDB_PATH": str(self.database),
                "MBP_RAW": "sample",
                "MBP_STATE_DIR": "target/state",
                "MBP_PROJECT_DIR": str(self.root),
                "DBT_TARGET": TARGET,
                "DBT_TARGET_PATH": "target",
            }
        ):
            yield

    def execute(self, *statements: str) -> None:
        with duckdb.connect(str(self.database)) as connection:
            for statement in statements:
                connection.execute(statement)

    def save(self) -> None:
        """Writes the artifacts as dbt would."""
        for name, document in (
            ("manifest.json", self.manifest),
            ("run_results.json", self.run_results),
        ):
            (self.root / "target" / name).write_text(json.dumps(document))

    def record(self, invocation: str, command: str, began: datetime, ids: list[str] | None) -> None:
        """As macros/engine/runs.sql; a run without ids has not ended."""
        began_at = began.isoformat()
        self.execute(
            "insert into verification.runs select"
            f" '{invocation}', warehouse_id, '{command}', 'began', timestamptz '{began_at}', null"
            " from verification.warehouse"
        )
        if ids is not None:
            self.execute(
                "insert into verification.runs select"
                f" '{invocation}', warehouse_id, '{command}', 'ended',"
                f" timestamptz '{began_at}' + interval '2 minutes', '{nodes_digest(ids)}'"
                " from verification.warehouse"
            )

    def record_again(self) -> None:
        """The warehouse recorded the run with the results as they are now."""
        self.execute("delete from verification.runs")
        ids = [one["unique_id"] for one in self.run_results["results"]]
        self.record(INVOCATION, "build", self.began, ids)

    def leave_out(self, *ids: str, **arguments: Any) -> None:
        """dbt ran without these nodes, because of these arguments."""
        kept = [one for one in self.run_results["results"] if one["unique_id"] not in ids]
        self.run_results["results"] = kept
        self.run_results["args"].update(arguments)
        self.record_again()


def node(unique_id: str, kind: str, **more: Any) -> dict[str, Any]:
    name = unique_id.split(".")[2]
    return {
        "unique_id": unique_id,
        "name": name,
        "resource_type": kind,
        "package_name": "mbp",
        "fqn": ["mbp", name],
        "depends_on": {"nodes": []},
        "config": {"materialized": "table"},
        **more,
    }


def carrying(rule: Any) -> dict[str, Any]:
    severity = "warn" if rule.severity == "warning" else "error"
    meta = {"rule_id": rule.id, "dataset": rule.dataset, "owner": rule.owner, "pack": "A89"}
    return node(
        f"test.mbp.{rule.id}.0a1b2c3d4e",
        "test",
        attached_node=MODEL,
        depends_on={"nodes": [MODEL]},
        config={"severity": severity, "meta": meta},
    )


def make_project(original: Path, root: Path) -> Project:
    """A whole run that passed, ten minutes ago."""
    for name in COPIED:
        source, copy = original / name, root / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, copy)
        else:
            shutil.copy2(source, copy)
    (root / ".gitignore").write_text("target/\n")
    texts = {MODEL_FILE: "select 1 as quote_id\n", YAML_FILE: "models: []\n"}
    for name, text in texts.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    project = Project(root)
    for path in root.rglob("*"):
        age(path, project.began - timedelta(hours=1))
    git(root, "init", "-q")
    git(root, "add", ".")
    git(root, "commit", "-qm", "first")
    contracts = load_contracts(root)
    tests = [carrying(rule) for rule in all_rules(contracts)]
    digest = hashlib.sha256(texts[MODEL_FILE].strip().encode()).hexdigest()
    checksum = {"name": "sha256", "checksum": digest}
    model = node(MODEL, "model", checksum=checksum, original_file_path=MODEL_FILE)
    metadata: Mapping[str, Any] = {"invocation_id": INVOCATION, "project_name": "mbp"}
    project.manifest = {
        "metadata": {**metadata, "generated_at": project.began.isoformat()},
        "nodes": {one["unique_id"]: one for one in (model, node(SEED, "seed"), *tests)},
        "unit_tests": {UNIT_TEST: node(UNIT_TEST, "unit_test")},
        "disabled": {},
        "macros": {},
        "groups": {},
    }
    built = [{"unique_id": name, "status": "success"} for name in (MODEL, SEED)]
    passed = [
        {"unique_id": name, "status": "pass", "failures": 0}
        for name in (*(one["unique_id"] for one in tests), UNIT_TEST)
    ]
    project.run_results = {
        "metadata": {
            **metadata,
            "invocation_started_at": project.began.isoformat(),
            "generated_at": project.ended.isoformat(),
        },
        "args": {"which": "build", "target": TARGET, "vars": {}, "empty": False, "select": []},
        "results": built + passed,
    }
    (root / "target").mkdir()
    project.execute(
        "create schema verification",
        "create table verification.warehouse (warehouse_id text, created_at timestamptz)",
        f"insert into verification.warehouse values ('{WAREHOUSE}', now())",
        "create table verification.runs (invocation_id text, warehouse_id text, command text,"
        " event text, happened_at timestamptz, nodes_digest text)",
        "create schema marts",
        *(f"create table marts.{one.dataset} as select 1 as key" for one in contracts),
    )
    project.record_again()
    project.save()
    return project


def age(path: Path, moment: datetime) -> None:
    import os

    os.utime(path, (moment.timestamp(), moment.timestamp()))
