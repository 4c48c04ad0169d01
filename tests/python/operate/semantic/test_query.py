"""`mbp metrics query`: answers, words for errors and for nothing, and no way to write."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

import pytest
from typer.testing import CliRunner, Result

from mbp.cli import main as cli
from mbp.core.errors import EXIT_COULD_NOT_RUN, MbpError
from mbp.operate.semantic.metric_forms import empty_in_words, written
from mbp.operate.semantic.metrics_check import MANIFEST, fresh_manifest
from mbp.operate.semantic.query import Answer, Question, request_of
from mbp.runs.dbt_process import environment, target_path
from tests.python.operate.semantic.conftest import Asked

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

ANSWER = Answer(
    columns=("metric_time__hour", "market", "price"),
    metrics=("price",),
    rows=[
        (datetime(2026, 1, 5, 0), "m1", 0.25),
        (datetime(2026, 1, 5, 1), "m1", 0.5),
        (datetime(2026, 1, 5, 1), "mm2", None),
    ],
    units={"price": "probability"},
)


@pytest.fixture(scope="module")
def asked(layers: Mapping[str, Asked]) -> Asked:
    return layers["duckdb"]


def test_a_table_has_units_and_says_where_there_is_no_value() -> None:
    assert written(ANSWER, "text").splitlines() == [
        "metric_time__hour  market  price (probability)",
        "-----------------  ------  -------------------",
        "2026-01-05 00:00   m1                     0.25",
        "2026-01-05 01:00   m1                      0.5",
        "2026-01-05 01:00   mm2                       -",
    ]


def test_csv_and_json_keep_every_digit() -> None:
    exact = Answer(("a", "b"), ("b",), [("x,y", Decimal("0.123456789012"))], {"b": "shares"})
    assert list(csv.reader(io.StringIO(written(exact, "csv")))) == [
        ["a", "b"],
        ["x,y", "0.123456789012"],
    ]
    document = json.loads(written(exact, "json"))
    assert document["rows"] == [["x,y", "0.123456789012"]]
    assert document["metrics"] == [{"name": "b", "unit": "shares"}]


@pytest.mark.parametrize(
    ("question", "told"),
    [
        (
            Question(("traded_volum",)),
            "no metric 'traded_volum'. Fix: did you mean 'traded_volume'",
        ),
        (Question(("abuse_rate_numerator",)), "no metric 'abuse_rate_numerator'"),
        (Question(("price",), by=("catgory",)), "no dimension 'catgory'.*market__category"),
        (Question(("price",), by=("minute",)), "no dimension 'minute'.*hour"),
        (Question(("kpi_dec_p95",), by=("market",)), "no dimension 'market'"),
        (Question(saved="market_day"), "no saved query 'market_day'.*'market_days'"),
        (Question(saved="market_days", by=("day",)), "its own dimensions"),
        (Question(), "name metrics, or one --saved query"),
        (Question(("price",), saved="market_days"), "name metrics, or one --saved query"),
        (Question(("price",), start="yesterday"), "--from: 'yesterday' is not an instant"),
        (Question(("price",), end="2026-13-01"), "--to: '2026-13-01' is not an instant"),
        (Question(("price",), where=("stat = 'open'",)), "no dimension 'stat'"),
        (Question(("price",), where=("market = 'x'; drop table y",)), "refused as SQL"),
        (Question(("price",), where=("market in (select 1)",)), "refused as SQL"),
        (Question(("price",), where=("pg_sleep(1) = 1",)), "refused as SQL"),
        (Question(("price",), where=("{{ Dimension('market') }} = 1",)), "refused: a template"),
        (Question(("price",), where=("market = '{{ 1 }}'",)), "refused: a template"),
    ],
    ids=lambda value: None if isinstance(value, Question) else str(value)[:30],
)
def test_what_cannot_be_asked_is_told(asked: Asked, question: Question, told: str) -> None:
    with pytest.raises(MbpError, match=told):
        request_of(question, asked.layer)


def test_an_unknown_metric_lists_what_exists(asked: Asked) -> None:
    with pytest.raises(MbpError) as error:
        request_of(Question(("zzz",)), asked.layer)
    for name in asked.layer.metric_names:
        assert name in str(error.value)


def test_a_condition_selects_and_a_span_has_a_half_open_end(asked: Asked) -> None:
    whole = asked.ask(Question(("traded_volume",), by=("day", "market__category")))
    assert len({row[0] for row in whole.rows}) == 3
    finance = asked.ask(
        Question(
            ("traded_volume",),
            by=("day", "market__category"),
            where=("market__category = 'finance' and metric_time__day <> timestamp '2026-01-04'",),
        )
    )
    assert finance.rows == [
        row for row in whole.rows if row[1] == "finance" and row[0] != datetime(2026, 1, 4)
    ]
    span = asked.ask(
        Question(
            ("traded_volume",),
            by=("day", "market__category"),
            start="2026-01-05",
            end="2026-01-06T00:00+00:00",
        )
    )
    assert span.rows == [row for row in whole.rows if row[0] == datetime(2026, 1, 5)]
    limited = asked.ask(Question(("traded_volume",), by=("day", "market__category"), limit=2))
    assert limited.rows == whole.rows[:2]


def test_a_saved_query_is_its_metrics_by_its_dimensions(asked: Asked) -> None:
    saved = asked.ask(Question(saved="market_days"))
    assert saved.metrics == ("traded_volume", "depth", "price")
    assert saved.columns[:2] == ("metric_time__day", "market")
    alone = asked.ask(Question(("depth",), by=("day", "market")))
    place = saved.columns.index("depth")
    found = {row[:2]: row[place] for row in saved.rows if row[place] is not None}
    assert found == {row[:2]: row[2] for row in alone.rows}


def test_every_saved_query_has_an_answer_on_both_engines(layers: Mapping[str, Asked]) -> None:
    names = sorted(layers["duckdb"].layer.saved_queries)
    assert len(names) == 4
    for name in names:
        left, right = (one.ask(Question(saved=name)) for one in layers.values())
        assert left.rows and left.columns == right.columns
        assert [row[:1] for row in left.rows] == [row[:1] for row in right.rows]
        for ours, theirs in zip(left.rows, right.rows, strict=True):
            for one, other in zip(ours, theirs, strict=True):
                if isinstance(one, float | Decimal) and other is not None:
                    assert float(one) == pytest.approx(float(other), rel=1e-9)
                else:
                    assert one == other


def test_nothing_under_the_conditions_is_not_nothing_at_all(asked: Asked) -> None:
    none = asked.ask(Question(("traded_volume",), start="2030-01-01"))
    assert none.empty and not none.nothing_anywhere
    assert "the query is valid, and nothing was measured under its conditions" in empty_in_words(
        none
    )
    # `mbp kpi collect` did not run on the sample.
    never = asked.ask(Question(("kpi_hook_coverage",), start="2026-01-01"))
    assert never.empty and never.nothing_anywhere
    assert "nothing was ever measured" in empty_in_words(never)
    assert asked.ask(Question(("kpi_hook_coverage",))).nothing_anywhere


def run(asked: Asked, *arguments: str) -> Result:
    cli.register()
    with environment(asked.built.settings["duckdb"]):
        result = CliRunner().invoke(
            cli.app,
            ["metrics", *arguments],
            env={"MBP_PROJECT_DIR": str(asked.built.root)},
        )
    if isinstance(result.exception, MbpError):
        result.exit_code = EXIT_COULD_NOT_RUN
    return result


def test_the_command_answers_and_parses_only_once(asked: Asked) -> None:
    shown = run(asked, "query", "market_state", "--by", "market__status", "--format", "csv")
    assert shown.exit_code == 0, shown.output
    rows = dict(list(csv.reader(io.StringIO(shown.stdout)))[1:])
    assert rows == {"open": "6", "resolved": "7", "closed": "2", "canceled": "1", "paused": "1"}
    again = run(asked, "query", "kpi_hook_coverage")
    assert again.exit_code == 1
    assert "reading the project" not in again.stderr
    assert "nothing was ever measured" in again.stdout
    assert run(asked, "query", "traded_volume", "--from", "2030-01-01").exit_code == 0
    assert run(asked, "query", "nothing").exit_code == EXIT_COULD_NOT_RUN
    listed = run(asked, "list", "brier_score", "--format", "json")
    document = json.loads(listed.stdout)
    assert [one["name"] for one in document["metrics"]] == ["brier_score"]
    assert document["metrics"][0]["owner"] == "PM"
    assert "forecast__horizon_hours" in document["metrics"][0]["dimensions"]
    assert "calibration_by_horizon" in run(asked, "list").stdout
    # What dbt kept of an earlier parse has the whole semantic layer.
    with environment(asked.built.settings["duckdb"]):
        first = fresh_manifest(asked.built.root, "duckdb")
        folder = target_path(asked.built.root) / "metrics/duckdb"
        made = (folder / "target" / MANIFEST).stat().st_mtime_ns
        assert fresh_manifest(asked.built.root, "duckdb") == first
        assert (folder / "target" / MANIFEST).stat().st_mtime_ns == made
        (folder / "made_of").write_text("of another state")
        assert fresh_manifest(asked.built.root, "duckdb") == first
        assert (folder / "target" / MANIFEST).stat().st_mtime_ns > made
