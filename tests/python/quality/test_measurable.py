"""A rule is not measurable exactly when it reads something that the source does not have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mbp.quality.measurable import not_measurable


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        (("price",), None),
        ((), None),
        (("depth_2pct",), "the source has no depth_2pct"),
        (("price", "depth_2pct", "volume"), "the source has no depth_2pct, volume"),
        (("mbp_markets.min_liquidity",), "the source has no mbp_markets.min_liquidity"),
        (("mbp_quotes.depth_2pct",), "the source has no depth_2pct"),
        # the column is absent in another dataset than the one the rule reads it from
        (("min_liquidity",), None),
        (("mbp_markets.depth_2pct",), None),
    ],
)
def test_reason(
    contract_rule: Callable[..., Any], columns: tuple[str, ...], reason: str | None
) -> None:
    rule = contract_rule("r", "mbp_quotes", columns=columns)
    absent = {"mbp_quotes": {"depth_2pct", "volume"}, "mbp_markets": {"min_liquidity"}}
    assert not_measurable([rule], absent) == ({"r": reason} if reason else {})


def test_a_source_with_everything_measures_everything(contract_rule: Callable[..., Any]) -> None:
    assert not_measurable([contract_rule("r", "mbp_quotes", columns=("price",))], {}) == {}
