"""dbt reads only what changed of a project, and every rule keeps its owner, id and severity."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from mbp.contracts import load_contracts
from mbp.contracts.rules import all_rules
from mbp.runs.dbt_process import EARLIER_PARSE, run_dbt
from tests.python.runs.small import PROJECT

PROFILE = """
mbp:
  target: duckdb
  outputs:
    duckdb: {type: duckdb, path: "{{ env_var('MBP_DUCKDB_PATH', 'small.duckdb') }}"}
"""
PARTS = ("models", "macros", "seeds", "packages", "dbt_packages", "docs/dbt", "tests/dbt")
UNTOUCHED = "model.mbp.stg_mbp__quotes"
QUOTES = "models/marts/mbp/mbp_quotes.sql"
PROPERTIES = "models/marts/mbp/_mbp__models.gen.yml"
RULE = "tests/dbt/generic/quote_after_close.sql"


def parse(root: Path, **changes: str) -> dict[str, Any]:
    outcome = run_dbt(root, ["parse"], artifacts=root / "out", changes=changes, quiet=True)
    assert outcome.success, outcome.problem
    return dict(json.loads((root / "out/target/manifest.json").read_text())["nodes"])


def facts(nodes: dict[str, Any]) -> dict[str, Any]:
    """Name of each test -> everything that is said of it."""
    return {
        node["name"]: (
            *(node["config"]["severity"], sorted(set(node["config"]["tags"])), node["description"]),
            *(
                node["config"]["meta"],
                node["config"]["fail_calc"],
                sorted(node["depends_on"]["nodes"]),
            ),
        )
        for node in nodes.values()
        if node["resource_type"] == "test"
    }


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text, path
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_owner_rule_and_severity_survive(project_root: Path, tmp_path: Path) -> None:
    for part in PARTS:
        shutil.copytree(project_root / part, tmp_path / part, symlinks=True)
    for name in ("dbt_project.yml", "profiles.example.yml", "package-lock.yml", "packages.yml"):
        shutil.copyfile(project_root / name, tmp_path / name)
    first = parse(tmp_path)
    said, read = facts(first), first[UNTOUCHED]["created_at"]
    rules = {rule.id: rule for rule in all_rules(load_contracts(project_root))}
    of_rules = {text[3]["rule_id"]: text for text in said.values() if text[3].get("rule_id")}
    assert rules.keys() <= of_rules.keys()
    for rule in rules.values():
        severity, _, description, meta, *_ = of_rules[rule.id]
        assert (str(severity).lower()[:4], description) == (rule.severity[:4], rule.description)
        assert (meta["dataset"], meta["family"]) == (rule.dataset, rule.family)
    for name, owner in (("assert_load_rejects", "DATA"), ("assert_telemetry_is_sound", "SRE")):
        assert said[name][3]["owner"] == owner

    # A model, the SQL of a rule, a macro that rules call, and a variable of the environment that models name.
    edit(tmp_path / QUOTES, "select", "select -- again\n")
    edit(tmp_path / RULE, "with quotes", "-- again\nwith quotes")
    edit(tmp_path / "macros/daily/rows_to_check.sql", "What a row rule", "Which rows a rule")
    assert facts(now := parse(tmp_path)) == said
    assert facts(parse(tmp_path, MBP_NOW="2026-11-20 00:00:00")) == said
    assert now[UNTOUCHED]["created_at"] == read, "dbt read the whole project again"
    assert now["model.mbp.mbp_quotes"]["created_at"] != first["model.mbp.mbp_quotes"]["created_at"]

    edit(tmp_path / PROPERTIES, "severity: warn", "severity: error")
    changed = facts(parse(tmp_path))
    (name,) = [name for name in said if changed[name] != said[name]]
    assert (said[name][0].lower(), changed[name][0].lower()) == ("warn", "error")
    assert said[name][1:] == changed[name][1:]


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    files = {
        "dbt_project.yml": PROJECT,
        "profiles.yml": PROFILE,
        "sql/one.sql": "select 1 as one",
        "sql/two.sql": "select 2 as two",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setenv("MBP_DUCKDB_PATH", str(tmp_path / "small.duckdb"))
    return tmp_path


def test_a_new_folder_begins_with_what_the_project_was_read_into(small: Path) -> None:
    assert run_dbt(small, ["parse"], quiet=True).success  # as plain dbt does, in target/
    shared = json.loads((small / "target/manifest.json").read_text())["nodes"]
    assert parse(small)["model.small.one"] == shared["model.small.one"]
    (small / "sql/three.sql").write_text("select 3 as three")
    (small / "sql/two.sql").unlink()
    assert parse(small).keys() == {"model.small.one", "model.small.three"}
    own = small / "out/target" / EARLIER_PARSE
    own.write_bytes(own.read_bytes()[:1000])  # another process has not ended writing it
    assert parse(small).keys() == {"model.small.one", "model.small.three"}


def test_another_file_of_the_warehouse_is_no_other_project(small: Path) -> None:
    read = parse(small)["model.small.one"]
    other = small / "other"
    again = parse(small, MBP_DUCKDB_PATH=str(other / "small.duckdb"))["model.small.one"]
    assert again["created_at"] == read["created_at"], "dbt read the whole project again"
    renamed = parse(small, MBP_DUCKDB_PATH=str(other / "renamed.duckdb"))["model.small.one"]
    assert (read["database"], renamed["database"]) == ("small", "renamed")


def test_a_project_that_does_not_parse_says_so_each_time(small: Path) -> None:
    (small / "sql/one.sql").write_text("select * from {{ ref('nobody') }}")
    for _ in range(2):
        outcome = run_dbt(small, ["build"], artifacts=small / "out", quiet=True)
        assert not outcome.success
        assert outcome.problem is not None and "nobody" in outcome.problem


def test_variables_of_a_command_count(small: Path) -> None:
    (small / "sql/one.sql").write_text("{{ config(alias=var('called', 'one')) }} select 1 as one")
    for called in ("first", "second"):
        told = ["run", "--select", "one", "--vars", f"called: {called}"]
        outcome = run_dbt(small, told, artifacts=small / "out", quiet=True)
        assert [one.node.alias for one in outcome.result] == [called]
