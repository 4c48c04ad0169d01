"""Results of Great Expectations lose every value of a classified column before they are written."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mbp.contracts import load_contracts
from mbp.core.masking import mask
from mbp.quality.classes import Classes
from mbp.quality.enforcement.gx_docs import Shown, veil

RAW = "jane@example.org"
QUERY = 'select user_id_hash as kind, market_id, count(*) as n from "w"."marts"."mbp_abuse_events" group by 1, 2'


@dataclass
class Config:
    kwargs: dict[str, Any]
    meta: dict[str, Any] = field(default_factory=dict)


@dataclass
class Result:
    expectation_config: Config
    result: dict[str, Any]
    exception_info: Any = None


@dataclass
class Suite:
    suite_name: str
    results: list[Result]


@pytest.fixture
def shown(project_root: Path) -> Shown:
    contracts = load_contracts(project_root)
    node = {
        "name": "mbp_abuse_events",
        "resource_type": "model",
        "relation_name": '"w"."marts"."mbp_abuse_events"',
    }
    classes = Classes(
        contracts,
        {"nodes": {"m": node}},
        dialect="postgres",
        columns_of=lambda _: ["abuse_event_id", "market_id", "user_id_hash"],
    )
    return Shown(contracts, {"the_rule": QUERY}, classes)


def veiled(shown: Shown, config: Config, result: dict[str, Any], told: Any = None) -> Result:
    one = Result(config, result, told)
    veil(Suite("mbp_abuse_events", [one]), shown)
    return one


# Every place in which a result of a column holds values, as GX 1.24 writes it.
PLACES: list[dict[str, Any]] = [
    {"unexpected_list": [RAW]},
    {"partial_unexpected_list": [RAW, RAW]},
    {"partial_unexpected_counts": [{"value": RAW, "count": 2}]},
    {"partial_unexpected_index_list": [{"user_id_hash": RAW, "pk": 1}]},
    {"unexpected_index_query": f"select * where user_id_hash = '{RAW}'"},
    {"observed_value": RAW},
    {"observed_value": [RAW]},
    {"details": {"value_counts": [{"value": RAW, "count": 1}]}},
    {"something_new": {"deep": [[{"er": RAW}]]}},
]


@pytest.mark.parametrize("place", PLACES, ids=str)
def test_a_classified_column_shows_no_value(shown: Shown, place: dict[str, Any]) -> None:
    result = {"element_count": 7, "unexpected_count": 2, "unexpected_percent": 28.5, **place}
    one = veiled(shown, Config({"column": "user_id_hash"}), result)
    assert RAW not in str(one.result)
    assert mask(RAW) in str(one.result) or "query" in str(place)
    assert one.result["element_count"] == 7
    assert one.result["unexpected_percent"] == 28.5


@pytest.mark.parametrize("place", PLACES, ids=str)
def test_an_open_column_is_shown(shown: Shown, place: dict[str, Any]) -> None:
    assert veiled(shown, Config({"column": "market_id"}), place).result == place


def test_a_column_that_no_contract_has_shows_no_value(shown: Shown) -> None:
    one = veiled(shown, Config({"column": "surprise"}), {"partial_unexpected_list": [RAW]})
    assert RAW not in str(one.result)


def test_rows_of_a_query_are_masked_by_its_lineage(shown: Shown) -> None:
    config = Config({"unexpected_rows_query": QUERY}, {"rule_id": "the_rule"})
    rows = [{"kind": RAW, "market_id": "m1", "n": 3}]
    one = veiled(shown, config, {"observed_value": 1, "details": {"unexpected_rows": rows}})
    assert one.result == {
        "observed_value": 1,
        "details": {"unexpected_rows": [{"kind": mask(RAW), "market_id": "m1", "n": 3}]},
    }


def test_rows_of_a_query_that_nobody_knows_are_masked_whole(shown: Shown) -> None:
    config = Config({}, {"rule_id": "another"})
    one = veiled(shown, config, {"details": {"unexpected_rows": [{"market_id": RAW}]}})
    assert RAW not in str(one.result)


def test_an_error_shows_no_value(shown: Shown) -> None:
    told = {
        "raised_exception": True,
        "exception_message": f"invalid input syntax for type integer: '{RAW}'",
        "exception_traceback": f"Traceback\n  select '{RAW}'",
    }
    one = veiled(shown, Config({"column": "user_id_hash"}), {}, told)
    assert RAW not in str(one.exception_info)
    assert one.exception_info["raised_exception"] is True
