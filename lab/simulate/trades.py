"""The change log of trades: one per quote that traded, of the last hours of the history."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lab.simulate import change_log, encode, schema
from lab.simulate.flow import ACCOUNTS
from lab.simulate.group import MarketGroup
from lab.simulate.lifecycle import pseudonym
from lab.simulate.parameters import HOUR, Parameters
from lab.simulate.quotes import QUOTE_DIGITS

NAMES = ("loaded", "position", "commit", "traded", "price", "shares")
RECORD = np.dtype(
    [
        *((name, "<i8") for name in NAMES),
        *((name, "<i4") for name in ("market", "number", "account", "side")),
    ]
)
Records = NDArray[np.void]
SIDES = ("YES", "NO")
# The source keeps single trades since then; before, a quote's volume is all that is known.
RECORDED_HOURS = 8


def log_of_group(group: MarketGroup, quotes: Records, random: np.random.Generator) -> Records:
    """The trades behind a group's `quotes`, which hold true amounts; sorted by arrival.

    A trade is written in the transaction of its quote, and arrives with it.
    """
    parameters, paths = group.parameters, group.paths
    since = parameters.end_us - RECORDED_HOURS * HOUR
    quotes = quotes[(quotes["volume"] > 0) & (quotes["quoted"] >= max(since, parameters.start_us))]
    step, market = quotes["number"] - 1, quotes["market"] - group.markets.start
    log = np.zeros(len(quotes), dtype=RECORD)
    for name, of_quote in zip(
        (*NAMES, "market", "number"),
        ("loaded", "position", "commit", "quoted", "price", "volume", "market", "number"),
        strict=True,
    ):
        log[name] = quotes[of_quote]
    log["position"] += change_log.TRADE - change_log.QUOTE
    log["account"] = group.flow.account[step, market]
    log["side"] = paths.price[step, market] < paths.price[step - 1, market]
    again, later = change_log.redelivered(
        parameters, log["commit"], change_log.ROWS_REDELIVERED, random
    )
    repeats = log[again]
    repeats["loaded"] += later
    log = np.concatenate([log, repeats])
    return log[np.argsort(log["loaded"], kind="stable")]


def columns(parameters: Parameters, records: Records) -> pa.Table:
    """Records as typed columns of the raw table."""
    digits = parameters.market_digits
    market = records["market"].astype(np.int64) + 1
    key = ((market, digits), (records["number"], QUOTE_DIGITS))
    arrays = [
        encode.numbered("t-", *key),
        encode.numbered("mkt-", (market, digits)),
        encode.numbered("q-", *key),
        encode.chosen(records["side"], SIDES),
        encode.decimals(records["shares"], schema.AMOUNT),
        encode.decimals(records["price"], schema.AMOUNT),
        encode.instants(records["traded"]),
        encode.chosen(
            records["account"], [pseudonym(f"account-{number}") for number in range(ACCOUNTS)]
        ),
        *change_log.columns(records, np.full(len(records), change_log.CREATED)),
    ]
    return pa.table(arrays, schema=schema.SCHEMAS["mbp.trades"])
