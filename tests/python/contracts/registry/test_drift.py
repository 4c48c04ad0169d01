"""Zero on what was just built; every kind of difference is counted and named, on both engines."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lab.postgres_server import PostgresServer
from lab.simulate.schema import CONTRACTS
from mbp.cli import main as cli
from mbp.contracts import Contract, load_contracts
from mbp.contracts.registry.odcs_documents import working
from mbp.core.errors import EXIT_FINDINGS, EXIT_PASS, MbpError
from mbp.quality.drift import against_manifest, against_registry, find_drift, unknown_rules
from mbp.runs.dbt_process import environment
from mbp.warehouse import connect
from tests.python.built import Built, copied

ENGINES = ("duckdb", "postgres")
# Statement -> (subject, what) of the one difference that it makes.
SPOILED: dict[str, tuple[str, str]] = {
    "alter table marts.mbp_markets add column extra text": ("mbp_markets", "columns in order"),
    "alter table marts.mbp_markets drop column category": ("mbp_markets", "columns in order"),
    "alter table marts.mbp_markets rename column category to kind": (
        "mbp_markets",
        "columns in order",
    ),
    "alter table marts.mbp_markets alter column category drop not null": (
        "mbp_markets.category",
        "required",
    ),
    "alter table marts.mbp_quotes alter column volume type decimal(19, 8)": (
        "mbp_quotes.volume",
        "type",
    ),
    "comment on column marts.mbp_markets.category is 'something else'": (
        "mbp_markets.category",
        "description",
    ),
    "drop table marts.mbp_abuse_events": ("mbp_abuse_events", "no relation"),
}


@pytest.fixture(params=ENGINES)
def live(
    request: pytest.FixtureRequest, built: Built, postgres_server: PostgresServer, tmp_path: Path
) -> Iterator[tuple[str, Mapping[str, str]]]:
    """A target, and the variables of a copy of what was built there."""
    with copied(built, postgres_server, request.param, tmp_path) as settings:
        yield request.param, settings


@pytest.mark.slow
def test_there_is_no_drift_in_what_was_just_built(
    project_root: Path, live: tuple[str, Mapping[str, str]]
) -> None:
    target, settings = live
    with environment(settings):
        found, places = find_drift(project_root, [target])
    assert found == []
    # Registry, model and table of each.
    assert places == 3 * len(CONTRACTS)


@pytest.mark.slow
@pytest.mark.parametrize("statement", SPOILED)
def test_a_changed_table_is_drift(
    project_root: Path, live: tuple[str, Mapping[str, str]], statement: str
) -> None:
    target, settings = live
    with environment(settings):
        with connect(project_root, target) as warehouse:
            # PostgreSQL lets no table change below a view; what readers see is not what is compared here.
            warehouse.execute("drop schema published cascade")
            warehouse.execute("drop schema semantic cascade")
            # DuckDB keeps comments and constraints of a table whose views or keys depend on it.
            if target == "duckdb" and "alter table" in statement and "add column" not in statement:
                _without_constraints(warehouse, statement)
            warehouse.execute(statement)
        found, _ = find_drift(project_root, [target])
    assert SPOILED[statement] in {(one.subject, one.what) for one in found}
    assert all(one.where == f"live ({target})" for one in found)


def _without_constraints(warehouse: Any, statement: str) -> None:
    """DuckDB refuses to alter a table that an index depends on."""
    table = statement.split()[2]
    warehouse.execute(f"create table {table}_plain as select * from {table}")
    warehouse.execute(f"drop table {table}")
    warehouse.execute(f"alter table {table}_plain rename to {table.split('.')[1]}")
    if "drop not null" in statement:
        warehouse.execute(f"alter table {table} alter column category set not null")


@pytest.mark.slow
def test_the_command_counts_and_fails(
    project_root: Path,
    built: Built,
    postgres_server: PostgresServer,
    tmp_path: Path,
) -> None:
    cli.register()
    arguments = ["registry", "drift", "--target", "postgres"]
    with copied(built, postgres_server, "postgres", tmp_path) as settings, environment(settings):
        clean = CliRunner().invoke(cli.app, arguments)
        with connect(project_root, "postgres") as warehouse:
            warehouse.execute("alter table marts.mbp_markets add column extra text")
        spoiled = CliRunner().invoke(cli.app, arguments)
    assert clean.exit_code == EXIT_PASS
    assert "schema drift: 0" in clean.stdout
    assert spoiled.exit_code == EXIT_FINDINGS
    assert "schema drift: 1" in spoiled.stdout


def test_a_warehouse_that_is_not_there_is_no_absence_of_drift(
    project_root: Path, tmp_path: Path
) -> None:
    with (
        # As in the other tests: one parse serves them all.
        environment({"MBP_DUCKDB_PATH": str(tmp_path / "mbp.duckdb"), "MBP_RAW": "sample"}),
        pytest.raises(MbpError, match="does not exist"),
    ):
        find_drift(project_root, ["duckdb"])


def _contract(root: Path) -> Contract:
    return next(one for one in load_contracts(root) if one.dataset == "mbp_markets")


def test_a_working_contract_that_differs_from_the_registry_is_drift(
    project_root: Path, tmp_path: Path
) -> None:
    shutil.copytree(project_root / "contracts", tmp_path / "contracts")
    shutil.copytree(project_root / "tests/dbt/generic", tmp_path / "tests/dbt/generic")
    (tmp_path / "dbt_project.yml").write_text("name: mbp\n", encoding="utf-8")
    path = tmp_path / "contracts/a106/mbp_markets.odcs.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("as traders read it", "as the traders read it"), encoding="utf-8")

    found = list(against_registry(tmp_path, _contract(tmp_path), working(tmp_path)["mbp_markets"]))
    assert [one.what for one in found] == ["description_changed"]

    for version in (tmp_path / "contracts/registry/mbp_markets").glob("*.json"):
        version.unlink()
    (gone,) = against_registry(tmp_path, _contract(tmp_path), working(tmp_path)["mbp_markets"])
    assert gone.what == "not published"


def _manifest(contract: Contract) -> dict[str, Any]:
    """What dbt says of a model that follows the contract."""
    columns = {
        column.name: {
            "data_type": column.physical_type,
            "constraints": [{"type": "not_null"}] if column.required else [],
            "description": column.description,
            "meta": {"classification": column.classification, "unit": column.unit},
        }
        for column in contract.columns
    }
    model = {
        "resource_type": "model",
        "name": contract.dataset,
        "config": {"contract": {"enforced": True}},
        "columns": columns,
    }
    tests = {
        f"test.{rule.id}": {
            "resource_type": "test",
            "name": rule.id,
            "config": {
                "meta": {"rule_id": rule.id},
                "severity": "warn" if rule.severity == "warning" else "error",
            },
        }
        for rule in contract.rules
    }
    return {"nodes": {"model": model, **tests}}


def _column(manifest: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = manifest["nodes"]["model"]["columns"]["category"]
    return found


Edit = Callable[[dict[str, Any]], Any]
DIFFERENT: dict[str, Edit] = {
    "no model": lambda manifest: manifest["nodes"].pop("model"),
    "contract enforced": lambda manifest: manifest["nodes"]["model"]["config"].clear(),
    "columns in order": lambda manifest: manifest["nodes"]["model"]["columns"].pop("name"),
    "type": lambda manifest: _column(manifest).update(data_type="bigint"),
    "required": lambda manifest: _column(manifest).update(constraints=[]),
    "description": lambda manifest: _column(manifest).update(description="other"),
    "classification": lambda manifest: _column(manifest)["meta"].update(classification="internal"),
    "unit": lambda manifest: _column(manifest)["meta"].update(unit="s"),
    "test of mbp_markets_volume": lambda manifest: manifest["nodes"].pop("test.mbp_markets_volume"),
    "test of mbp_markets_fresh": lambda manifest: manifest["nodes"]["test.mbp_markets_freshness"][
        "config"
    ].update(severity="warn"),
}


def test_a_manifest_that_follows_the_contract_is_no_drift(project_root: Path) -> None:
    contract = _contract(project_root)
    assert list(against_manifest(contract, _manifest(contract))) == []


@pytest.mark.parametrize("what", DIFFERENT)
def test_a_manifest_that_differs_is_drift(project_root: Path, what: str) -> None:
    contract = _contract(project_root)
    manifest = _manifest(contract)
    DIFFERENT[what](manifest)
    found = {one.what for one in against_manifest(contract, manifest)}
    assert any(one.startswith(what) for one in found)
    assert len(found) == 1


def test_a_test_of_an_unknown_rule_is_drift(project_root: Path) -> None:
    contract = _contract(project_root)
    manifest = _manifest(contract)
    manifest["nodes"]["test.x"] = {
        "resource_type": "test",
        "name": "x",
        "config": {"meta": {"rule_id": "gone"}},
    }
    (found,) = unknown_rules([contract], manifest)
    assert (found.subject, found.actual) == ("x", "gone")
