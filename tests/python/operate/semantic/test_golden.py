"""Every metric on the sample, on both engines, against a computation that does not know MetricFlow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest

from mbp.operate.semantic.query import Question
from mbp.runs.dbt_process import environment
from mbp.warehouse import Warehouse, connect
from tests.python.operate.semantic.conftest import TARGETS, Asked
from tests.python.operate.semantic.golden import GOLDEN, PER_RUN

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

# Two measurements of one day: the worse one is told.
RUNS = [
    ("2026-01-05 10:00:00+00", {"hook_coverage": 99.5}, 3),
    ("2026-01-05 22:00:00+00", {"hook_coverage": 97.25}, 1),
]


class RolledBackError(Exception):
    """Ends the transaction of a test."""


@contextmanager
def with_runs(asked: Asked) -> Iterator[Warehouse]:
    """The built sample with KPIs of two runs, which leave no trace."""
    with (
        environment(asked.built.settings[asked.target]),
        connect(asked.built.root, asked.target) as warehouse,
    ):
        try:
            with warehouse.transaction():
                for measured_at, values, other in RUNS:
                    for kpi_id in PER_RUN:
                        warehouse.execute(
                            "insert into reliability.kpi_runs (run_id, kpi_id, value, samples, measured_at)"
                            f" values ('{kpi_id}/{measured_at}', '{kpi_id}', {values.get(kpi_id, other)}, 5,"
                            f" timestamptz '{measured_at}')"
                        )
                yield warehouse
                raise RolledBackError
        except RolledBackError:
            pass


def test_there_is_one_for_every_metric(layers: Mapping[str, Asked]) -> None:
    assert sorted(GOLDEN) == sorted(one.name for one in layers["duckdb"].known)
    assert sorted(GOLDEN) == list(layers["duckdb"].layer.metric_names)


@pytest.mark.parametrize("target", TARGETS)
def test_metrics_are_what_the_tables_say(
    layers: Mapping[str, Asked], target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = layers[target]
    # The catalog of PostgreSQL is not asked inside of a transaction; the other tests here ask it.
    monkeypatch.setattr("mbp.operate.semantic.query.demand_query_on", lambda *_, **__: None)
    with with_runs(asked) as warehouse:
        for name, golden in GOLDEN.items():
            answer = asked.ask(golden.question, warehouse)
            width = len(answer.columns) - 1
            # A window without a measurement, a market before its first price: no value is none, not zero.
            found = {
                tuple(row[:width]): row[width] for row in answer.rows if row[width] is not None
            }
            expected = golden.computed(warehouse)
            assert expected, name
            assert found.keys() == expected.keys(), name
            for key, value in expected.items():
                assert float(found[key]) == pytest.approx(float(value), rel=1e-9, abs=1e-9), (
                    name,
                    key,
                )


@pytest.mark.parametrize("target", TARGETS)
def test_the_windows_of_dec_p95_are_those_of_the_kpi(
    layers: Mapping[str, Asked], target: str
) -> None:
    asked = layers[target]
    with asked.open() as warehouse:
        answer = asked.ask(Question(("kpi_dec_p95",), by=("decision__window_start",)), warehouse)
        _, rows = warehouse.query(
            "select window_start, p95_ms from reliability.kpi_decision_latency"
            " where decisions > 0 order by window_start"
        )
    assert len(rows) > 500
    # Windows that are not complete yet are asked for here too.
    found = {row[0]: row[1] for row in answer.rows}
    for start, p95_ms in rows:
        assert found[start.replace(tzinfo=None)] == pytest.approx(float(p95_ms), abs=1e-6)
