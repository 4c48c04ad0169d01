"""`mbp quality failures`: exit codes, pure JSON on stdout, and what cannot be looked at."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from typer.testing import CliRunner, Result

from mbp.cli import main as cli
from mbp.contracts import Contract, all_rules, load_contracts
from mbp.core.errors import MbpError
from mbp.quality.classes import classified_names
from mbp.runs.artifacts import read_artifact
from mbp.runs.run_control import nodes_digest


@pytest.fixture
def folder(project_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("MBP_RAW", raising=False)
    monkeypatch.setenv("MBP_PROJECT_DIR", str(project_root))
    monkeypatch.setenv("DBT_TARGET_PATH", str(tmp_path))
    monkeypatch.setenv("MBP_DUCKDB_PATH", str(tmp_path / "mbp.duckdb"))
    return tmp_path


def write(folder: Path, artifacts: Any) -> None:
    now = datetime.now(tz=UTC).isoformat()
    for name, document in (
        ("manifest.json", artifacts.manifest),
        ("run_results.json", artifacts.run_results),
    ):
        document["metadata"]["generated_at"] = now
        if "invocation_started_at" in document["metadata"]:
            document["metadata"]["invocation_started_at"] = now
        (folder / name).write_text(json.dumps(document))
    ids = [one["unique_id"] for one in artifacts.run_results["results"]]
    with duckdb.connect(str(folder / "mbp.duckdb")) as warehouse:
        for statement in (
            "create schema if not exists verification",
            "create or replace table verification.warehouse as select 'here' as warehouse_id",
            "create or replace table verification.runs as select 'one' as invocation_id,"
            " 'here' as warehouse_id, 'build' as command, event, now() as happened_at,"
            f" '{nodes_digest(ids)}' as nodes_digest from (values ('began'), ('ended')) as t(event)",
        ):
            warehouse.execute(statement)


def run(*options: str) -> Result:
    cli.register()
    return CliRunner().invoke(cli.app, ["quality", "failures", *options])


def add_all_rules(artifacts: Any, contracts: list[Contract]) -> None:
    for rule in all_rules(contracts):
        severity = "warn" if rule.severity == "warning" else "error"
        artifacts.test(rule.id, "pass", severity=severity, in_contract=False)


def test_nothing_found(folder: Path, project_root: Path, artifacts: Any) -> None:
    contracts = load_contracts(project_root)
    add_all_rules(artifacts, contracts)
    write(folder, artifacts)
    result = run()
    assert result.exit_code == 0, result.output
    total = len(all_rules(contracts))
    closing = "mbp quality failures: 1 file checked, 0 errors, 0 warnings, 0 notes"
    assert result.stdout == f"{total} passed\n{closing}\n"


def test_a_finding_is_exit_code_1_and_json_is_pure(folder: Path, artifacts: Any) -> None:
    artifacts.test("mbp_quotes_fk", "fail", failures=2)
    write(folder, artifacts)
    result = run("--limit", "0", "--format", "json")
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    verdicts = {one["rule_id"]: one["verdict"] for one in document["findings"]}
    assert verdicts["mbp_quotes_fk"] == "fail"
    assert verdicts["twap_reconciles"] == "not_measured"


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("run_results.json", None, "is missing"),
        ("manifest.json", "{", "cannot be read"),
        ("manifest.json", "[]", "is not a dbt artifact"),
        ("run_results.json", "{}", "is not a dbt artifact"),
        ("run_results.json", '{"metadata": {}}', "results: expected a list"),
        (
            "run_results.json",
            '{"metadata": {}, "results": [{}]}',
            r"results.0..unique_id: expected",
        ),
        ("run_results.json", '{"metadata": {}, "results": [3]}', r"results.0..unique_id: expected"),
        ("manifest.json", '{"metadata": {}, "nodes": []}', "nodes: expected entries by id"),
        ("manifest.json", '{"metadata": {}, "nodes": {"a": {}}}', r"nodes.a.name: expected a text"),
    ],
)
def test_artifacts_that_cannot_be_read(
    folder: Path, artifacts: Any, name: str, text: str | None, told: str
) -> None:
    write(folder, artifacts)
    if text is None:
        (folder / name).unlink()
    else:
        (folder / name).write_text(text)
    result = run()
    assert isinstance(result.exception, MbpError)
    assert re.search(told, str(result.exception))
    assert name in str(result.exception)
    with pytest.raises(MbpError, match=told):
        read_artifact(folder, name, folder)


def test_names_that_are_classified_anywhere_are_known(project_root: Path, artifacts: Any) -> None:
    contracts = load_contracts(project_root)
    artifacts.nodes["model.mbp.mbp_quotes"]["columns"] = {
        "actor": {"meta": {"classification": "personal"}},
        "quote_id": {"meta": {}},
    }
    manifest = {
        **artifacts.manifest,
        "sources": {"s": {"columns": {"Body": {"config": {"meta": {"classification": "?"}}}}}},
    }
    names = classified_names(contracts, manifest)
    assert {"decided_by_hash", "user_id_hash", "details", "actor", "body"} <= names
    assert not {"quote_id", "price", "market_id"} & names
