"""dbt-coverage judges the same artifacts; every difference has a known reason, or the test fails."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mbp.building.dbt_process import run_dbt
from mbp.coverage import Item, measure
from mbp.coverage.measure import DESCRIBED

PROJECT = """
name: mbp
version: "1.0.0"
profile: mbp
models: {+materialized: table}
seeds: {+schema: raw}
"""
PROFILES = """
mbp: {target: duckdb, outputs: {duckdb: {type: duckdb, path: scratch.duckdb, schema: main}}}
"""
PROPERTIES = """
version: 2
sources:
  - name: raw
    schema: main_raw
    tables:
      - name: quotes
        description: Raw quotes, as they arrived.
        columns:
          - {name: id, description: Identifies the quote.}
seeds:
  - name: quotes
    description: A few quotes to try things with.
    columns:
      - {name: id, description: ""}
models:
  - name: priced
    latest_version: 2
    description: One row per quote with its price.
    columns:
      - {name: id, description: Identifies the quote.}
      - {name: price, description: "   "}
    versions: [{v: 1}, {v: 2}]
  - name: plain
    description: One row per quote.
    columns:
      - {name: id, description: TODO}
      - {name: price, description: Price of the YES share.}
      - {name: volume, description: "   "}
"""


def scratch_project(folder: Path) -> None:
    """A small project that has every case in which the two tools are known to differ."""
    for name, text in {
        "dbt_project.yml": PROJECT,
        "profiles.yml": PROFILES,
        "models/properties.yml": PROPERTIES,
        "models/priced_v1.sql": "select 1 as id, 0.5 as price",
        "models/priced_v2.sql": "select 1 as id, 0.5 as price",
        "models/plain.sql": "select id, price, 1 as volume from {{ ref('quotes') }}",
        "seeds/quotes.csv": "id,price\n1,0.5\n",
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def theirs(folder: Path) -> dict[tuple[str, str], bool]:
    """(relation, column) -> documented, as dbt-coverage reports it."""
    report = folder / "theirs.json"
    finished = subprocess.run(
        [
            *(str(Path(sys.executable).parent / "dbt-coverage"), "compute", "doc"),
            *("--project-dir", str(folder), "--cov-report", str(report)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    found = {}
    for table in json.loads(report.read_text())["tables"]:
        for column in table["columns"]:
            found[table["name"].lower(), column["name"].lower()] = column["covered"] > 0
    return found


def relation_name(unique_id: str) -> str:
    """The name under which dbt-coverage knows a relation: schema.table."""
    kind, _, *rest = unique_id.split(".")
    if kind in {"source", "seed"}:
        return f"main_raw.{rest[-1]}"
    return f"main.{'_'.join(rest)}"


def reason_for(
    item: Item, known: dict[tuple[str, str], bool], described: dict[Item, str], names: list[str]
) -> str | None:
    """Why the two differ about a column; None when they agree or nobody knows."""
    name = relation_name(item.unique_id)
    if (name, item.column) not in known and ".v" in item.unique_id:
        return "model versions collapse into one name"
    if names.count(name) > 1:
        return "a source and a seed of one relation overwrite each other"
    text = described[item]
    if known.get((name, item.column)) and not text.strip():
        return "a blank description counts there"
    if known.get((name, item.column)) and text.strip().upper() == "TODO":
        return "a placeholder counts there"
    return None


@pytest.mark.slow
def test_every_difference_has_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DBT_PROFILES_DIR", raising=False)
    for arguments in (["build"], ["docs", "generate"]):
        outcome = run_dbt(tmp_path, arguments, quiet=True)
        assert outcome.success, outcome.problem
    manifest = json.loads((tmp_path / "target" / "manifest.json").read_text())
    catalog = json.loads((tmp_path / "target" / "catalog.json").read_text())
    items = [item for item in measure(manifest, catalog).items if item.column]
    nodes = {**manifest["nodes"], **manifest["sources"]}
    texts = {
        item: (nodes[item.unique_id]["columns"].get(item.column) or {}).get("description", "")
        for item in items
    }
    names = [relation_name(unique_id) for unique_id in {item.unique_id for item in items}]
    known = theirs(tmp_path)
    assert known, "dbt-coverage looked at nothing"
    reasons = set()
    for item in items:
        ours = item.state == DESCRIBED
        if known.get((relation_name(item.unique_id), item.column)) is ours:
            continue
        reason = reason_for(item, known, texts, names)
        assert reason, f"unexplained: {item}, dbt-coverage says {known}"
        reasons.add(reason)
    assert "a blank description counts there" in reasons
    assert "a placeholder counts there" in reasons
    assert len(reasons) >= 3
