"""The mask itself, and rows as JSON carries them; which columns are masked is in test_lineage.py."""

from __future__ import annotations

from mbp.core.masking import mask, masked_rows, plain_row


def test_the_mask_is_stable_short_and_not_the_value() -> None:
    assert mask("ana") == mask("ana")
    assert mask("ana") != mask("eva")
    assert len(mask("ana")) == 5
    assert "ana" not in mask("ana")
    assert mask(None) is None


def test_rows_are_masked_by_column() -> None:
    rows = masked_rows(["market_id", "who"], [("m1", "ana"), ("m2", None)], frozenset({"who"}))
    assert rows == [{"market_id": "m1", "who": mask("ana")}, {"market_id": "m2", "who": None}]


def test_a_row_becomes_json() -> None:
    from datetime import UTC, datetime
    from decimal import Decimal

    moment = datetime(2026, 1, 2, tzinfo=UTC)
    assert plain_row({"a": Decimal("0E-8"), "b": moment, "c": None, "d": True}) == {
        "a": "0.00000000",
        "b": "2026-01-02 00:00:00+00:00",
        "c": None,
        "d": True,
    }
