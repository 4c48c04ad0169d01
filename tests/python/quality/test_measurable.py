"""A rule is not measurable exactly when it reads something that the source does not have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from mbp.ingest.loading import SourceFacts
from mbp.ingest.loading.loaded_facts import NOTHING_ABSENT
from mbp.quality.measurable import not_measurable

FACTS = SourceFacts(
    columns={
        "mbp_quotes": {"depth_2pct": "depth is not recorded"},
        "mbp_markets": {"min_liquidity": "no floor was agreed"},
    },
    datasets={"mbp_abuse_events": "there is no detector"},
    rules={"twap_reconciles": "the average is computed here"},
)


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        (("price",), None),
        ((), None),
        (("price", "depth_2pct"), "no depth_2pct: depth is not recorded"),
        (("mbp_quotes.depth_2pct",), "no depth_2pct: depth is not recorded"),
        (("mbp_markets.min_liquidity",), "no mbp_markets.min_liquidity: no floor was agreed"),
        (("mbp_abuse_events.kind",), "no mbp_abuse_events: there is no detector"),
        # the column is absent in another dataset than the one the rule reads it from
        (("min_liquidity",), None),
        (("mbp_markets.depth_2pct",), None),
    ],
)
def test_reason(
    contract_rule: Callable[..., Any], columns: tuple[str, ...], reason: str | None
) -> None:
    rule = contract_rule("r", "mbp_quotes", columns=columns)
    assert not_measurable([rule], FACTS) == ({"r": reason} if reason else {})


def test_every_rule_of_an_absent_dataset(contract_rule: Callable[..., Any]) -> None:
    rule = contract_rule("mbp_abuse_events_volume", "mbp_abuse_events")
    assert list(not_measurable([rule], FACTS)) == ["mbp_abuse_events_volume"]


def test_a_rule_that_can_do_without_a_dataset_reads_the_rest(
    contract_rule: Callable[..., Any],
) -> None:
    columns = ("price", "mbp_abuse_events.kind")
    rule = replace(
        contract_rule("r", "mbp_quotes", columns=columns), optional=("mbp_abuse_events",)
    )
    assert not_measurable([rule], FACTS) == {}
    lacks = replace(rule, columns=(*columns, "depth_2pct"))
    assert not_measurable([lacks], FACTS) == {"r": "no depth_2pct: depth is not recorded"}


def test_a_rule_that_is_named_itself(contract_rule: Callable[..., Any]) -> None:
    rule = contract_rule("twap_reconciles", "mbp_quotes", columns=("price",))
    assert not_measurable([rule], FACTS) == {"twap_reconciles": "the average is computed here"}


def test_a_source_with_everything_measures_everything(contract_rule: Callable[..., Any]) -> None:
    rule = contract_rule("liquidity_floor", "mbp_quotes", columns=("depth_2pct",))
    assert not_measurable([rule], NOTHING_ABSENT) == {}
