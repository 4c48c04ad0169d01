"""What Prometheus is told of a real reader's warehouse."""

from __future__ import annotations

from tests.python.cdc import market
from tests.python.cdc.conftest import Pair

from mbp.hooks.cdc_alarms import samples


def test_a_warehouse_that_nobody_streams_into_has_no_metrics(pair: Pair) -> None:
    assert samples(pair.root, pair.target) == []


def test_letters_stops_slot_and_clock_are_told(pair: Pair) -> None:
    pair.execute("alter table markets alter column min_liquidity type numeric", market.quotes(1, 3))
    pair.read()
    pair.execute(
        "insert into markets (market_id, min_liquidity) values ('m', 0.123456789)",
        "alter table quotes drop column price",
        "insert into quotes (quote_id) values ('q')",
    )
    pair.read()
    found = {
        (name, labels.get("table")): value
        for name, labels, value in samples(pair.root, pair.target)
    }
    assert found["mbp_cdc_dead_letters", "markets"] == 1
    assert found["mbp_cdc_dead_letters", "quotes"] == 1
    assert found["mbp_cdc_dead_letters", "resolutions"] == 0
    assert found["mbp_cdc_stream_stopped", "quotes"] == 1
    assert found["mbp_cdc_stream_stopped", "markets"] == 0
    assert 0 <= found["mbp_cdc_slot_retained_bytes", None] < found["mbp_cdc_slot_limit_bytes", None]
    assert abs(found["mbp_cdc_clock_skew_seconds", None]) < 0.5
    assert 0 <= found["mbp_cdc_reader_age_seconds", None] < 60
