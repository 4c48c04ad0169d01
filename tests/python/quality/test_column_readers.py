"""Who reads a column: what the SQL uses, through views, joins, unions and stars; everything where it is unclear."""

from __future__ import annotations

from typing import Any

import pytest

from mbp.quality.column_readers import ColumnReaders

COLUMNS = {"t": ["a", "b", "k"], "u": ["k", "x"]}


def manifest(**queries: str) -> dict[str, Any]:
    """Tables t and u, and models of the queries, each after all before it."""
    nodes: dict[str, Any] = {
        f"model.p.{name}": {
            "name": name,
            "schema": "s",
            "depends_on": {"nodes": []},
            "columns": {column: {} for column in columns},
        }
        for name, columns in COLUMNS.items()
    }
    for name, sql in queries.items():
        kind = "test" if name.startswith("test_") else "model"
        nodes[f"{kind}.p.{name}"] = {
            "name": name,
            "schema": "s",
            "depends_on": {"nodes": [key for key in nodes if key.startswith("model.")]},
            "columns": {},
            "compiled_code": sql,
        }
    return {"metadata": {"adapter_type": "duckdb"}, "nodes": nodes}


def readers(column: str | None, **queries: str) -> list[str]:
    columns = frozenset({column}) if column else None
    return ColumnReaders(manifest(**queries)).readers("t", columns)


@pytest.mark.parametrize(
    ("sql", "reads"),
    [
        ("select a from s.t", True),
        ("select b from s.t", False),
        ("select * from s.t", True),
        ("select count(*) as n from s.t", False),
        ("select b from s.t where a > 1", True),
        ("select b from s.t order by a limit 1", True),
        ("select max(b) as m from s.t group by a", True),
        ("select b from s.t join s.u on t.a = u.x", True),
        ("select b from s.t join s.u using (k)", False),
        ("select x from s.u where k in (select k from s.t where a = 1)", True),
        ("select x from s.u where exists (select 1 from s.t where t.k = u.k)", False),
        ("with c as (select a, b from s.t) select b from c", False),
        ("with c as (select a as z, b from s.t) select z from c", True),
        ("with c as (select *, row_number() over (partition by a) as n from s.t)"
         " select b from c where n = 1", True),
        ("select b from s.t union all select x from s.u", False),
        ("select b from s.t union all select a from s.t", True),
        ("select b, (select max(a) from s.t) as m from s.t", True),
        ("select x from s.u", False),
        ("select b from s.t, generate_series(1, 2) as g(i)", False),
        ("select case when a > 0 then 1 end as sign from s.t", True),
        ("select b from s.t qualify row_number() over (partition by k order by a) = 1", True),
        # Not one query, a function of rows, a pivot: nobody is left out.
        ("select b from", True),
        ("pivot s.t on b", True),
        ("select unnest(columns(*)) from s.t", True),
    ],
)  # fmt: skip
def test_a_query_reads_what_it_uses(sql: str, reads: bool) -> None:
    assert ("model m" in readers("a", m=sql)) is reads


def test_a_column_is_followed_through_models() -> None:
    chain = {
        "first": "select a + 1 as c, b from s.t",
        "second": "select c, b from s.first",
        "third": "select b from s.second",
        "fourth": "select c from s.second where b > 1",
    }
    assert readers("a", **chain) == ["model first", "model fourth", "model second"]
    assert readers("b", **chain) == [
        f"model {name}" for name in ("first", "fourth", "second", "third")
    ]
    assert readers(None, **chain) == readers("b", **chain)


def test_a_query_is_followed_through_what_dbt_writes_into_it() -> None:
    ephemeral = (
        "with __dbt__cte__inner_one as (select a, b from s.t) select {} from __dbt__cte__inner_one"
    )
    chain = {
        "inner_one": "select a, b from s.t",
        "m": ephemeral.format("a"),
        "n": ephemeral.format("b"),
    }
    assert readers("a", **chain) == ["model inner_one", "model m"]


def test_a_rule_reads_what_decides_its_rows() -> None:
    rules = {
        "test_a": "select * from s.t where a is null",
        "test_b": "select * from s.t where b is null",
        "test_n": "select * from (select *, count(*) over (partition by a) as n from s.t) as d where n > 1",
    }
    assert readers("a", **rules) == ["rule test_a", "rule test_n"]


def test_metrics_and_exposures_are_reached_through_measures() -> None:
    document = manifest(m="select a, b, k from s.t")
    document["semantic_models"] = {
        "semantic_model.p.s": {
            "name": "s",
            "depends_on": {"nodes": ["model.p.m"]},
            "measures": [{"name": "sum_a", "expr": "a * 2"}, {"name": "b", "expr": None}],
            "dimensions": [{"name": "kind", "expr": "k"}],
        }
    }
    document["metrics"] = {
        f"metric.p.{name}": {
            "name": name,
            "depends_on": {"nodes": ["semantic_model.p.s", *others]},
            "type_params": {"input_measures": inputs, "metrics": metrics},
            "filter": condition,
        }
        for name, others, inputs, metrics, condition in (
            ("of_a", (), [{"name": "sum_a"}], [], None),
            ("of_b", (), [{"name": "b"}], [], None),
            (
                "of_kind",
                (),
                [{"name": "b"}],
                [],
                {"where_sql_template": "{{ Dimension('s__kind') }}"},
            ),
            ("ratio", ("metric.p.of_a",), [], [{"name": "of_a"}], None),
        )
    }
    document["exposures"] = {
        f"exposure.p.{name}": {"name": name, "depends_on": {"nodes": [reads]}}
        for name, reads in (("page_a", "metric.p.of_a"), ("page_b", "metric.p.of_b"))
    }
    found = ColumnReaders(document)
    assert found.readers("t", frozenset({"a"})) == [
        *("exposure page_a", "metric of_a", "metric ratio", "model m"),
    ]
    assert found.readers("t", frozenset({"k"})) == ["metric of_kind", "model m"]
