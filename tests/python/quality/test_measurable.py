"""A rule is not measurable exactly when its verdict follows from something that the source does not have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mbp.ingest.loading.source_facts import NOTHING_ABSENT, SourceFacts
from mbp.quality import measurable
from mbp.quality.measurable import ProjectReads, not_measurable

FACTS = SourceFacts(
    columns={
        "mbp_quotes": {"depth_2pct": "depth is not recorded"},
        "mbp_markets": {"min_liquidity": "no floor was agreed"},
    },
    datasets={"mbp_abuse_events": "there is no detector"},
    rules={"twap_reconciles": "the average is computed here"},
)
# What a rule reads besides: where its rows are.
ROWS = {"mbp.quotes", "mbp.quotes._loaded_at", "mbp.abuse_events"}


@pytest.fixture
def reasons(
    project_root: Path, contract_rule: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., dict[str, str]]:
    def of(reads: set[str], facts: SourceFacts = FACTS, **changes: Any) -> dict[str, str]:
        rule = replace(contract_rule("r", "mbp_quotes"), **changes)
        project = ProjectReads({rule.id: frozenset(reads | ROWS)}, {})
        monkeypatch.setattr(measurable, "project_reads", lambda *_: project)
        return not_measurable(project_root, [rule], facts)

    return of


@pytest.mark.parametrize(
    ("reads", "reason"),
    [
        ({"mbp.quotes.price"}, None),
        (set(), None),
        (
            {"mbp.quotes.price", "mbp.quotes.depth_2pct"},
            "no mbp_quotes.depth_2pct: depth is not recorded",
        ),
        ({"mbp.markets.min_liquidity"}, "no mbp_markets.min_liquidity: no floor was agreed"),
        ({"mbp.abuse_events.kind"}, "no mbp_abuse_events: there is no detector"),
        # the column is absent in another dataset than the one the rule reads it from
        ({"mbp.quotes.min_liquidity"}, None),
        ({"mbp.markets.depth_2pct"}, None),
    ],
)
def test_reason(
    reasons: Callable[..., dict[str, str]], reads: set[str], reason: str | None
) -> None:
    assert reasons(reads) == ({"r": reason} if reason else {})


def test_every_rule_of_an_absent_dataset(reasons: Callable[..., dict[str, str]]) -> None:
    assert reasons(set(), dataset="mbp_abuse_events") == {
        "r": "no mbp_abuse_events: there is no detector"
    }


def test_a_rule_that_can_do_without_a_dataset_reads_the_rest(
    reasons: Callable[..., dict[str, str]],
) -> None:
    reads, optional = {"mbp.quotes.price", "mbp.abuse_events.kind"}, ("mbp_abuse_events",)
    assert reasons(reads, optional=optional) == {}
    assert reasons({*reads, "mbp.quotes.depth_2pct"}, optional=optional) == {
        "r": "no mbp_quotes.depth_2pct: depth is not recorded"
    }


def test_a_rule_that_is_named_itself(reasons: Callable[..., dict[str, str]]) -> None:
    assert reasons({"mbp.quotes.price"}, id="twap_reconciles") == {
        "twap_reconciles": "the average is computed here"
    }


def test_a_source_with_everything_measures_everything(
    reasons: Callable[..., dict[str, str]],
) -> None:
    assert reasons({"mbp.quotes.depth_2pct"}, NOTHING_ABSENT) == {}
