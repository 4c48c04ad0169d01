"""The proof's own machinery on a project of two models: what fails, what is left alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest

from lab.proof.compiled_project import read_project
from lab.proof.dbt_verdict import verdict
from lab.proof.proof_project import ProofProject, Seen
from lab.proof.sandbox_duckdb import DuckdbSandbox
from lab.proof.shown_rows import ShownRows
from mbp.core.errors import MbpError

QUOTES = {"column_types": {"quote_id": "varchar", "price": "decimal(18,8)"}}
MARKETS = {"column_types": {"market_id": "varchar"}}


def rows(*prices: str | None) -> pa.Table:
    return pa.table(
        {
            "quote_id": pa.array([f"q{number}" for number in range(len(prices))], pa.string()),
            "price": pa.array(prices, pa.string()),
        }
    )


def node(kind: str, name: str, parents: list[str], **more: Any) -> dict[str, Any]:
    config = {"materialized": more.pop("materialized", "table"), **more.pop("config", {})}
    schema = more.pop("schema", "marts")
    return {
        "unique_id": f"{kind}.p.{name}",
        "name": name,
        "resource_type": kind,
        "database": "mbp",
        "schema": schema,
        "relation_name": f'"mbp"."{schema}"."{more.pop("alias", name)}"',
        "depends_on": {"nodes": parents},
        "config": config,
        **more,
    }


def manifest() -> dict[str, Any]:
    quotes, markets = "seed.p.raw_mbp__quotes", "seed.p.raw_mbp__markets"
    nodes = [
        node("seed", "raw_mbp__quotes", [], schema="sample_mbp", alias="quotes", config=QUOTES),
        node("seed", "raw_mbp__markets", [], schema="sample_mbp", alias="markets", config=MARKETS),
        node(
            "model",
            "stg_quotes",
            [quotes],
            materialized="view",
            compiled_code='select quote_id, price from "mbp"."sample_mbp"."quotes"',
        ),
        node(
            "model",
            "mbp_quotes",
            ["model.p.stg_quotes"],
            compiled_code='select * from "mbp"."marts"."stg_quotes"',
        ),
        node(
            "model",
            "mbp_markets",
            [markets],
            compiled_code='select * from "mbp"."sample_mbp"."markets"',
        ),
        test("price_not_null", "select * from QUOTES where price is null"),
        test("price_range", "select * from QUOTES where price >= 1"),
        test("price_high", "select * from QUOTES where price > 0.9", severity="WARN"),
        test("quotes_volume", "select 1 from QUOTES having count(*) < 1"),
        test("price_divides", "select * from QUOTES where cast(quote_id as integer) = 1", off=True),
    ]
    return {"nodes": {one["unique_id"]: one for one in nodes}}


def test(name: str, code: str, *, severity: str = "ERROR", off: bool = False) -> dict[str, Any]:
    code = code.replace("QUOTES", '"mbp"."marts"."mbp_quotes"')
    if off:
        code += " and false"
    return node(
        "test",
        name,
        ["model.p.mbp_quotes"],
        compiled_code=code,
        config={
            "severity": severity,
            "meta": {"rule_id": name},
            "fail_calc": "count(*)",
            "warn_if": "!= 0",
            "error_if": "!= 0",
        },
    )


test.__test__ = False  # type: ignore[attr-defined]


@pytest.fixture
def stage() -> Iterator[ProofProject]:
    project = read_project(manifest())
    sandbox = DuckdbSandbox("mbp", ["sample_mbp", "marts"])
    built = ProofProject(sandbox, project)
    assert built.build({"mbp.quotes": rows("0.4", "0.5"), "mbp.markets": markets("m1")}) == []
    yield built
    sandbox.close()


def markets(*names: str) -> pa.Table:
    return pa.table({"market_id": pa.array(names, pa.string())})


def test_a_fault_is_seen_with_its_rows_and_leaves_no_trace(stage: ProofProject) -> None:
    seen = stage.with_changes({"mbp.quotes": rows("0.4", None, None)})
    assert seen == [Seen("price_not_null", "fail", 2)]
    assert stage.with_changes({"mbp.quotes": rows("0.4")}) == []


def test_a_rule_that_cannot_show_its_rows_is_told() -> None:
    nodes = {**manifest(), "metadata": {"adapter_type": "duckdb"}}
    check = nodes["nodes"]["test.p.price_not_null"]
    # As of a test of dbt that another one replaced: it returns rows, and is asked for a value of another name.
    check |= {"test_metadata": {"name": "unique"}, "column_name": "price"}
    check |= {"attached_node": "model.p.mbp_quotes"}
    sandbox = DuckdbSandbox("mbp", ["sample_mbp", "marts"])
    stage = ProofProject(sandbox, read_project(nodes), ShownRows(sandbox, nodes, []))
    stage.build({"mbp.quotes": rows("0.4"), "mbp.markets": markets()})
    seen = stage.with_changes({"mbp.quotes": rows("0.4", None)})
    assert seen == [Seen("price_not_null", "fail", 1)]
    check["compiled_code"] += " and 'unique_field' is not null"
    (wrong,) = stage.with_changes({"mbp.quotes": rows("0.4", None)})
    assert wrong.not_shown.startswith(
        'rows cannot be shown: Binder Error: Referenced column "unique_f'
    )
    sandbox.close()


def test_a_warning_warns(stage: ProofProject) -> None:
    assert stage.with_changes({"mbp.quotes": rows("0.95")}) == [Seen("price_high", "warn", 1)]


def test_statements_touch_what_was_built(stage: ProofProject) -> None:
    break_it = ['update "mbp"."marts"."mbp_quotes" set price = 2']
    seen = stage.with_changes({}, break_it)
    assert seen == [Seen("price_high", "warn", 2), Seen("price_range", "fail", 2)]
    assert stage.with_changes({}, ["select 1"]) == []


def test_another_table_runs_no_test_of_this_one(stage: ProofProject) -> None:
    assert stage.with_changes({"mbp.markets": markets()}) == []


def test_an_emptied_table_is_seen(stage: ProofProject) -> None:
    assert stage.with_changes({"mbp.quotes": rows()}) == [Seen("quotes_volume", "fail", 1)]


def test_data_that_cannot_be_loaded_is_an_error_and_not_a_pass(stage: ProofProject) -> None:
    (seen,) = stage.with_changes({"mbp.quotes": rows("many")})
    assert (seen.rule_id, seen.outcome, seen.rows) == ("(build)", "error", None)
    assert stage.with_changes({"mbp.quotes": rows("0.4")}) == []


def test_a_test_in_error_does_not_hide_the_others() -> None:
    nodes = manifest()
    broken = nodes["nodes"]["test.p.price_divides"]
    broken["compiled_code"] = broken["compiled_code"].replace(" and false", "")
    sandbox = DuckdbSandbox("mbp", ["sample_mbp", "marts"])
    stage = ProofProject(sandbox, read_project(nodes))
    empty = {"mbp.quotes": rows("0.5").slice(0, 0), "mbp.markets": markets()}
    stage.build(empty)
    seen = stage.with_changes({"mbp.quotes": rows("0.4", None)})
    assert [(one.rule_id, one.outcome) for one in seen] == [
        ("price_divides", "error"),
        ("price_not_null", "fail"),
    ]
    sandbox.close()


def test_a_table_that_the_simulator_does_not_make_is_refused() -> None:
    sandbox = DuckdbSandbox("mbp", ["sample_mbp", "marts"])
    stage = ProofProject(sandbox, read_project(manifest()))
    with pytest.raises(MbpError, match=r"mbp\.markets"):
        stage.build({"mbp.quotes": rows("0.5")})


def test_a_seed_without_types_is_refused() -> None:
    nodes = manifest()
    nodes["nodes"]["seed.p.raw_mbp__quotes"]["config"] = {"materialized": "seed"}
    stage = ProofProject(DuckdbSandbox("mbp", ["sample_mbp", "marts"]), read_project(nodes))
    with pytest.raises(MbpError, match=r"the seed of mbp\.quotes has no column_types"):
        stage.build({"mbp.quotes": rows("0.5"), "mbp.markets": markets()})


def test_models_are_in_order_and_know_their_ancestors() -> None:
    project = read_project(manifest())
    names = [model.name for model in project.models]
    assert names.index("stg_quotes") < names.index("mbp_quotes")
    by_name = {one.name: one for one in project.tests}
    assert "seed.p.raw_mbp__quotes" in by_name["price_range"].upstream
    assert "seed.p.raw_mbp__markets" not in by_name["price_range"].upstream
    assert [raw.key for raw in project.raw] == ["mbp.markets", "mbp.quotes"]


def test_zero_tests_are_refused() -> None:
    nodes = manifest()
    nodes["nodes"] = {
        unique_id: one for unique_id, one in nodes["nodes"].items() if "test." not in unique_id
    }
    with pytest.raises(MbpError, match="0 tests"):
        read_project(nodes)


def test_a_test_without_compiled_sql_is_refused() -> None:
    nodes = manifest()
    nodes["nodes"]["test.p.price_range"]["compiled_code"] = None
    with pytest.raises(MbpError, match=r"test\.p\.price_range has no compiled SQL"):
        read_project(nodes)


@pytest.mark.parametrize(
    ("severity", "should_warn", "should_error", "outcome"),
    [
        ("error", True, True, "fail"),
        ("error", True, False, "warn"),
        ("error", False, False, "pass"),
        ("warn", True, True, "warn"),
        ("warn", False, True, "pass"),
        ("error", None, None, "pass"),
    ],
)
def test_verdicts_are_dbts(
    severity: str, should_warn: Any, should_error: Any, outcome: str
) -> None:
    assert verdict(severity, should_warn, should_error) == outcome
