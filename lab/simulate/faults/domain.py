"""Faults of the rules that only the domain knows, by hand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

from lab.simulate.faults.editor import Editor
from lab.simulate.faults.fault_model import Fault
from mbp.core.errors import MbpError

MARKETS, QUOTES, TRADES = "mbp.markets", "mbp.quotes", "mbp.trades"
RESOLUTIONS, ABUSE_EVENTS = "mbp.resolutions", "mbp.abuse_events"
WINDOW = timedelta(minutes=5)
HOUR = timedelta(hours=1)
EIGHT_PLACES = Decimal("0.00000001")

_FAULTS: dict[str, Fault] = {}


def fault(
    rule_id: str, description: str, *tables: str
) -> Callable[[Callable[[Editor], None]], Callable[[Editor], None]]:
    """Registers the decorated change as the fault of a rule."""

    def register(change: Callable[[Editor], None]) -> Callable[[Editor], None]:
        _FAULTS[rule_id] = Fault(rule_id, description, tables, change)
        return change

    return register


def domain_faults() -> dict[str, Fault]:
    """All faults of this module by rule id."""
    return dict(_FAULTS)


@fault("closed_market_no_trades", "a trade while the market is paused", QUOTES, TRADES)
def _trade_while_paused(editor: Editor) -> None:
    quote, trade = editor.idle_quote(), editor.idle_row(TRADES)
    editor.change(QUOTES, quote, volume=Decimal("12.5"))
    editor.append(
        TRADES,
        trade,
        trade_id=f"{trade['trade_id']}-x",
        market_id=quote["market_id"],
        quote_id=quote["quote_id"],
        shares=Decimal("12.5"),
        price=quote["price"],
        traded_at=quote["quoted_at"],
    )


@fault("trade_matches_quote", "a trade at another price than its quote", TRADES)
def _other_price(editor: Editor) -> None:
    row = editor.idle_row(TRADES)
    editor.change(TRADES, row, price=row["price"] - EIGHT_PLACES)


@fault("quote_after_close", "a quote without volume after the market closed", QUOTES)
def _quote_after_close(editor: Editor) -> None:
    market = editor.market("canceled")
    last = editor.last_quote(market)
    # Ten minutes later the average is the price itself, so the quote is right but for its time.
    later = max(market["closed_at"], last["quoted_at"]) + 2 * WINDOW
    editor.append(
        QUOTES,
        last,
        quote_id=f"{last['quote_id']}-x",
        quoted_at=later,
        volume=Decimal(0),
        twap_5m=last["price"],
    )


@fault("closed_late", "a market that closed a second after its scheduled end", MARKETS)
def _closed_late(editor: Editor) -> None:
    market = editor.market("canceled")
    editor.change(MARKETS, market, closes_at=market["closed_at"] - timedelta(seconds=1))


@fault("trade_after_scheduled_close", "a trade after the scheduled end of an open market", MARKETS)
def _trade_after_scheduled_close(editor: Editor) -> None:
    market = editor.market("open")
    traded = [
        quote["quoted_at"]
        for quote in editor.in_force(QUOTES)
        if quote["market_id"] == market["market_id"] and quote["volume"] > 0
    ]
    editor.change(MARKETS, market, closes_at=max(traded) - timedelta(microseconds=1))


@fault("resolution_audit", "a manual resolution without evidence", RESOLUTIONS)
def _no_evidence(editor: Editor) -> None:
    editor.change(RESOLUTIONS, editor.resolution(manual=True), evidence_uri=None)


@fault("resolution_order", "a resolution that was decided before it was started", RESOLUTIONS)
def _decided_before_started(editor: Editor) -> None:
    row = editor.resolution(manual=False)
    editor.change(RESOLUTIONS, row, started_at=row["decided_at"] + HOUR)


@fault("resolution_early", "a resolution decided before the scheduled close", RESOLUTIONS)
def _decided_early(editor: Editor) -> None:
    closes = {row["market_id"]: row["closes_at"] for row in editor.in_force(MARKETS)}
    row = editor.resolution(manual=False)
    decided = closes[row["market_id"]] - timedelta(minutes=10)
    editor.change(RESOLUTIONS, row, decided_at=decided, started_at=decided - HOUR / 3)


@fault("resolution_sla", "a resolution that took 25 hours", RESOLUTIONS)
def _too_slow(editor: Editor) -> None:
    row = editor.resolution(manual=False)
    editor.change(RESOLUTIONS, row, started_at=row["decided_at"] - 25 * HOUR)


@fault("resolved_iff_resolution", "a resolved market without a resolution", MARKETS)
def _resolved_without(editor: Editor) -> None:
    editor.change(MARKETS, editor.market("closed"), status="resolved")


@fault("twap_reconciles", "a recorded average that is 0.0001 too high", QUOTES)
def _wrong_average(editor: Editor) -> None:
    # Not one of the newest: an earlier quote of its window could still be on its way.
    hour_before = editor.end_of_data() - HOUR
    row = editor.choose(QUOTES, lambda row: bool(row["_loaded_at"] < hour_before))
    editor.change(QUOTES, row, twap_5m=row["twap_5m"] + Decimal("0.0001"))


@fault("twap_bound", "two windows in a row off the average in an open market", QUOTES)
def _off_the_average(editor: Editor) -> None:
    """A jump by 3 % and back, in a silence so long that no other average sees it."""
    for market in editor.in_force(MARKETS):
        if market["status"] != "open":
            continue
        key = market["market_id"]
        quotes = sorted(
            (row for row in editor.in_force(QUOTES) if row["market_id"] == key),
            key=lambda row: row["quoted_at"],
        )
        paused = [
            row["updated_at"]
            for row in editor.rows(MARKETS)
            if row["market_id"] == key and row["status"] == "paused"
        ]
        for before, after in pairwise(quotes):
            boundary = _window_starting_after(before["quoted_at"] + 2 * WINDOW)
            first, second = boundary - timedelta(minutes=2), boundary + timedelta(minutes=2)
            silent = after["quoted_at"] >= second + 2 * WINDOW
            halted = any(at <= after["quoted_at"] for at in paused) or before["volume"] == 0
            if not silent or halted:
                continue
            price = before["price"]
            high = (price * Decimal("1.03")).quantize(EIGHT_PLACES)
            average = ((price * 1 + high * 4) / 5).quantize(EIGHT_PLACES)
            for number, (at, quoted, twap) in enumerate(
                ((first, high, price), (second, price, average))
            ):
                editor.append(
                    QUOTES,
                    before,
                    quote_id=f"{before['quote_id']}-{number}",
                    quoted_at=at,
                    price=quoted,
                    twap_5m=twap,
                    volume=Decimal(0),
                )
            return
    raise MbpError("no open market is silent for long enough", fix="simulate fewer quotes")


def _window_starting_after(moment: datetime) -> datetime:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return epoch + ((moment - epoch) // WINDOW + 1) * WINDOW


@fault("liquidity_floor", "an open market with half the depth it must have", QUOTES)
def _shallow(editor: Editor) -> None:
    market = editor.market("open")
    depth = (market["min_liquidity"] / 2).quantize(EIGHT_PLACES)
    editor.change(QUOTES, editor.last_quote(market), depth_2pct=depth)


@fault("abuse_action", "a flag of high severity without an action", ABUSE_EVENTS)
def _no_action(editor: Editor) -> None:
    row = editor.choose(ABUSE_EVENTS, lambda row: row["severity"] == "high")
    editor.change(ABUSE_EVENTS, row, action_taken="alert_only")


@fault("mbp_abuse_events_after_open", "a flag from before the market opened", ABUSE_EVENTS)
def _flag_before_open(editor: Editor) -> None:
    opened = {row["market_id"]: row["opened_at"] for row in editor.in_force(MARKETS)}
    row = editor.idle_row(ABUSE_EVENTS)
    editor.change(ABUSE_EVENTS, row, detected_at=opened[row["market_id"]] - HOUR)


@fault("mbp_markets_close_after_open", "a market that closes before it opens", MARKETS)
def _closes_before_it_opens(editor: Editor) -> None:
    row = editor.announced_market()
    editor.change(MARKETS, row, closes_at=row["opened_at"] - HOUR)


@fault("mbp_markets_deadline_after_close", "a deadline before the scheduled close", MARKETS)
def _deadline_before_close(editor: Editor) -> None:
    row = editor.announced_market()
    editor.change(MARKETS, row, resolution_deadline=row["closes_at"] - HOUR)


@fault("mbp_markets_updated_after_created", "a market changed before it was created", MARKETS)
def _updated_before_created(editor: Editor) -> None:
    row = editor.announced_market()
    editor.change(MARKETS, row, updated_at=row["created_at"] - HOUR)


@fault("mbp_markets_closed_at_matches_status", "an open market with an end of trading", MARKETS)
def _closed_but_open(editor: Editor) -> None:
    row = editor.announced_market()
    editor.change(MARKETS, row, closed_at=row["closes_at"])
