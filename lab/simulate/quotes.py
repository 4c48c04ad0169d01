"""The change log of quotes: price paths of a group as records of whole numbers, then as columns."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lab.simulate import change_log, encode, schema
from lab.simulate.change_log import CREATED, DELETED, READ, UPDATED
from lab.simulate.group import MarketGroup
from lab.simulate.market_maker import HIGHEST_PRICE, UNIT
from lab.simulate.parameters import SECOND, Parameters

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

RECORD = np.dtype(
    [
        ("loaded", "<i8"),
        ("position", "<i8"),
        ("commit", "<i8"),
        ("quoted", "<i8"),
        ("price", "<i8"),
        ("volume", "<i8"),
        ("depth", "<i8"),
        ("twap", "<i8"),
        ("market", "<i4"),
        ("number", "<i4"),
        ("operation", "<i4"),
    ]
)
Records = NDArray[np.void]
QUOTE_DIGITS = 6


def log_of_group(group: MarketGroup, random: np.random.Generator) -> tuple[Records, Records]:
    """All changes of the group's quotes, sorted by arrival; and each quote once, with its true amounts."""
    parameters = group.parameters
    created = _created(group, random)
    true = created.copy()
    revised = _revisions(created, group.flow.count)
    log: Records = np.concatenate([created, *revised])
    streamed = log["commit"] >= parameters.start_us
    log["operation"][~streamed] = READ
    slot = np.where(
        log["operation"] <= CREATED, change_log.QUOTE, change_log.QUOTE_REVISION
    ).astype(np.int64)
    slot[len(created) :] = change_log.QUOTE_REVISION
    position = change_log.positions(parameters, log["commit"], log["market"].astype(np.int64), 0)
    log["position"] = position + np.where(streamed, slot, 0)
    log["loaded"] = change_log.arrivals(parameters, log["commit"], random)
    for name in ("position", "loaded"):
        true[name] = log[name][: len(true)]
    again, later = change_log.redelivered(
        parameters, log["commit"], change_log.QUOTES_REDELIVERED, random
    )
    repeats = log[again]
    repeats["loaded"] += later
    log = np.concatenate([log, repeats])
    log["commit"] = np.maximum(log["commit"], parameters.start_us)
    return log[np.argsort(log["loaded"], kind="stable")], true


def _created(group: MarketGroup, random: np.random.Generator) -> Records:
    """One record per quote of the paths, market after market."""
    flow, paths, markets = group.flow, group.paths, group.markets
    steps, width = flow.times.shape
    inside = (np.arange(steps)[:, None] < flow.count[None, :]).T
    volume, depth = _amounts(group)
    delay = 2_000 + np.floor(6_000 * random.random((steps, width))).astype(np.int64)
    # Commits of a market keep the order of its quotes: the position decides what is in force.
    order = np.arange(steps)[:, None]
    commit = np.maximum.accumulate(flow.times + delay - order, axis=0) + order
    records = np.zeros(int(flow.count.sum()), dtype=RECORD)
    for name, values in (
        ("commit", commit),
        ("quoted", flow.times),
        ("price", paths.price),
        ("volume", volume),
        ("depth", depth),
        ("twap", paths.twap),
    ):
        records[name] = values.T[inside]
    records["market"] = np.repeat(np.arange(markets.start, markets.stop), flow.count)
    records["number"] = np.broadcast_to(np.arange(1, steps + 1), (width, steps))[inside]
    records["operation"] = CREATED
    return records


def _amounts(group: MarketGroup) -> tuple[Integers, Integers]:
    """Shares traded, and CE$ that move the price by 2 % up or down together, in units of 1e-8;
    both from the reserves that the prices imply.
    """
    flow, paths = group.flow, group.paths
    liquidity = np.broadcast_to(group.plan.liquidity[group.markets], flow.times.shape).copy()
    for market in range(0, len(flow.count), 5):  # a trader adds a quarter to the liquidity
        liquidity[int(flow.count[market]) // 2 :, market] *= 1.25
    root = _root_of_odds(paths.price)
    before = np.concatenate([root[:1], root[:-1]])
    # A buyer's CE$ become as many shares of both sides; those not wanted go into the reserves,
    # which give out wanted ones until their product is the same again.
    into_no, out_of_yes = liquidity * (root - before), liquidity * (1.0 / before - 1.0 / root)
    shares = np.abs(into_no + out_of_yes)
    shares[0] = 0.0
    shares[paths.paused] = 0.0
    up = _root_of_odds(paths.price * 102 // 100)
    down = _root_of_odds(paths.price * 98 // 100)
    depth = liquidity * (up - root) + liquidity * (1.0 / down - 1.0 / root)
    return np.rint(shares * UNIT).astype(np.int64), np.rint(depth * UNIT).astype(np.int64)


def _root_of_odds(price: Integers) -> Floats:
    return np.sqrt(price / (UNIT - price))


def _revisions(created: Records, count: Integers) -> list[Records]:
    """Changes after the creation, one market in two: a wrong first version that is corrected, or a
    quote that should never have been and is deleted. Alters `created` where it was wrong at first.
    """
    ends = np.cumsum(count)
    market = np.arange(len(count))
    at = ends - count + 2 * count // 3
    wrong_price, wrong_volume = at[market % 4 == 1], at[market % 4 == 2]  # noqa: PLR2004
    corrected = created[np.concatenate([wrong_price, wrong_volume])]
    corrected["commit"] += 4 * SECOND + 137_000
    corrected["operation"] = UPDATED
    created["price"][wrong_price] = np.minimum(
        created["price"][wrong_price] * 117 // 100, HIGHEST_PRICE
    )
    created["volume"][wrong_volume] = created["volume"][wrong_volume] * 10 + UNIT

    spurious = created[at[market % 8 == 3]]  # noqa: PLR2004
    spurious["number"] = count[market % 8 == 3] + 1  # noqa: PLR2004
    spurious["quoted"] += 2_000
    spurious["commit"] += 4_000
    spurious["price"] = spurious["price"] * 104 // 100
    spurious["volume"] = 0
    deleted = spurious.copy()
    deleted["commit"] += 9 * SECOND + 411_000
    deleted["operation"] = DELETED
    return [corrected, spurious, deleted]


def columns(parameters: Parameters, records: Records) -> pa.Table:
    """Records as typed columns of the raw table."""
    digits = parameters.market_digits
    market = records["market"].astype(np.int64) + 1
    arrays = [
        encode.numbered("q-", (market, digits), (records["number"], QUOTE_DIGITS)),
        encode.numbered("mkt-", (market, digits)),
        encode.instants(records["quoted"]),
        *(
            encode.decimals(records[name], schema.AMOUNT)
            for name in ("price", "volume", "depth", "twap")
        ),
        *change_log.columns(records, records["operation"]),
    ]
    return pa.table(arrays, schema=schema.SCHEMAS["mbp.quotes"])
