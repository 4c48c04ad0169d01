"""docs/first_day.md as it is written: a market with one row, five people, and a warehouse on PostgreSQL."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from lab.drill.market import COLUMNS, SETTINGS, execute
from lab.market_server import PASSWORD
from lab.postgres_server import PostgresServer
from mbp.contracts import load_contracts
from mbp.contracts.raw_columns import logged
from mbp.ingest.initialise import initialise
from mbp.ingest.loading.source_facts import NO_CHANGE, NO_ROW, source_facts
from mbp.runs.dbt_process import environment
from mbp.warehouse import Warehouse, connect

PAGE = "docs/first_day.md"
MARKET = (
    "insert into markets (market_id, template_id, name, category, truth_source, status, opened_at,"
    " closes_at, resolution_deadline, min_liquidity, created_at, updated_at)"
    " values ('mkt-1', 't-1', 'First', 'sports', 'table', 'open', now(), now() + interval '7 days',"
    " now() + interval '8 days', 100, now(), now())"
)


def blocks(root: Path, language: str, page: str = PAGE) -> list[str]:
    text = (root / page).read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def steps(block: str) -> list[str]:
    """The commands of a block, without what differs between a trial and a service."""
    lines = [
        line.split(" #")[0].split(" ||")[0].replace(" --once", "") for line in block.splitlines()
    ]
    return [line.strip() for line in lines if line.startswith(("mbp ", "psql "))]


def test_the_readme_has_the_same_steps(project_root: Path) -> None:
    page = [step for block in blocks(project_root, "sh") for step in steps(block)]
    for readme in ("README.md", "README.pt-BR.md"):
        (recipe,) = [one for one in blocks(project_root, "sh", readme) if "MBP_PG_ROLE" in one]
        assert [step for step in page if step in steps(recipe)] == steps(recipe)
        assert recipe.index("MBP_RAW=loaded") < recipe.index("mbp build")


def test_the_page_has_the_tables_of_the_contracts(project_root: Path) -> None:
    (ddl,) = blocks(project_root, "sql")
    listed = {
        table: re.findall(r"(\w+) (text|timestamptz|decimal\(18,8\))", body)
        for table, body in re.findall(r"create table (\w+) \((.*?)\n\);", ddl, re.DOTALL)
    }
    assert listed == {table: list(columns) for table, columns in COLUMNS.items()}


@pytest.fixture
def warehouse(project_root: Path, tmp_path: Path) -> Iterator[Warehouse]:
    settings = {"MBP_DUCKDB_PATH": str(tmp_path / "mbp.duckdb"), "MBP_RAW": "loaded"}
    with environment(settings), connect(project_root, "duckdb") as opened:
        initialise(project_root, opened)
        yield opened


def test_what_capture_has_not_seen_yet_is_not_measured(
    project_root: Path, warehouse: Warehouse
) -> None:
    """And a log that lost its rows, or that nothing captured, is none of it."""
    tables = {log.table: contract.dataset for contract, log in logged(load_contracts(project_root))}
    quiet, lost, copied, streamed, _ = sorted(tables)
    for table, detail in ((quiet, "0 rows"), (lost, "7 rows"), (copied, "1 rows")):
        warehouse.execute(
            "insert into raw_mbp._cdc_events (slot, kind, table_name, detail, recorded_at)"
            f" values ('mbp_cdc', 'snapshot', '{table}', '{detail}', now())"
        )
    warehouse.execute(f"insert into raw_mbp.{copied} (__op) values ('r')")
    warehouse.execute(f"insert into raw_mbp.{streamed} (__op) values ('r'), ('u')")
    facts = source_facts(project_root, warehouse)
    assert dict(facts.datasets) == {tables[quiet]: NO_ROW}
    assert dict(facts.rules) == {f"{tables[copied]}_latency": NO_CHANGE}
    warehouse.execute(f"insert into raw_mbp.{quiet} (__op) values ('c')")
    assert not source_facts(project_root, warehouse).datasets


def test_the_page_leads_to_datasets_that_are_built_and_watched(
    project_root: Path, tmp_path: Path
) -> None:
    with PostgresServer(SETTINGS) as server:
        for database, owner in (("market", "owner_of_market"), ("mbp", "owner_of_warehouse")):
            server.create_database(database)
            rights = f"create role {owner} login createrole password '{PASSWORD}'"
            if database == "market":
                rights += " replication"
            execute(server, "postgres", rights, f"alter database {database} owner to {owner}")
        # Only a superuser may give it; the page says so.
        execute(server, "market", "alter schema public owner to owner_of_market")
        execute(server, "market", "set role owner_of_market", *blocks(project_root, "sql"))
        execute(server, "market", "alter table markets owner to owner_of_market", MARKET)
        values = {
            "HOST": server.host,
            "PORT": str(server.port),
            "PASSWORD": PASSWORD,
        }
        market = {**values, "DATABASE": "market", "USER": "owner_of_market"}
        place = {**values, "DATABASE": "mbp", "USER": "owner_of_warehouse"}
        own = {"DBT_TARGET_PATH": str(tmp_path / "target"), "MBP_STATE_DIR": str(tmp_path)}
        said = [
            follow(project_root, block, {"PG": market, "MBP_SOURCE": market, "MBP_PG": place}, own)
            for block in blocks(project_root, "sh")
        ]
        built = said[-1]
        assert "build passed on postgres (loaded data)" in built
        assert "NOT MEASURED: the source lacks what they read" in built
        assert "published" not in built.split("build passed")[0].split("sample")[0]
        login = {**server.environment("mbp"), "MBP_PG_USER": "analyst", "MBP_PG_PASSWORD": PASSWORD}
        with (
            environment({**login, "MBP_PG_ROLE": ""}),
            connect(project_root, "postgres") as analyst,
        ):
            assert analyst.query("select market_id from published.mbp_markets")[1] == [("mkt-1",)]
            breached = analyst.query(
                "select distinct kpi_id from reliability.kpi_windows where verdict = 'breach'"
            )[1]
        assert set(breached) <= {("hook_coverage",)}  # no exercise was run, whatever the data are


def follow(
    root: Path, block: str, values: Mapping[str, Mapping[str, str]], own: Mapping[str, str]
) -> str:
    """Runs a block of the page with its `...` filled in; what it printed."""

    def filled(found: re.Match[str]) -> str:
        prefix, _, name = found[1].rpartition("_") if "_" in found[1] else ("PG", "", found[1][2:])
        return f"{found[1]}='{values[prefix][name]}'"

    script = re.sub(r"(\w+)=\.\.\.", filled, block).replace("'...'", f"'{PASSWORD}'")
    assert "..." not in script, script
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MBP_", "PG", "DBT_"))
    }
    path = f"{root / '.venv/bin'}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=root,
        env={**clean, **own, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr
