"""Who comes to trade and when: the part of a market that does not depend on its price.

Arrays are step-major: shape (steps, markets of the group), row i holds every market's i-th quote.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab.simulate.market_plan import MarketPlan
from lab.simulate.parameters import MINUTE, SECOND

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

WINDOW = 5 * MINUTE  # of the time-weighted average price
SMALLEST_GAP = 5_000  # between two quotes of a market, microseconds

QUIET, NOISE, INFORMED, CROWD, ONE_ACCOUNT, ONE_SIDED = range(6)
QUIET_SHARE, NOISE_SHARE = 0.2, 0.45  # of the quotes; the rest is informed
CLUSTERED_SHARE = 0.6  # of the quotes, that follow soon
EPISODE_CHANCE = 0.8  # of a market, to see an attack
JUMP_CHANCE = 0.004  # of a quote, to carry news
ACCOUNTS = 400


@dataclass(frozen=True)
class Flow:
    """Orders of a group of markets. All but `count` and `burst_window` have shape (steps, markets)."""

    count: Integers  # quotes per market; later steps are padding
    times: Integers  # microseconds, growing per market
    opens_window: Integers  # step whose price was in force five minutes earlier, -1: none
    intent: NDArray[np.int8]
    shock: Floats  # standard normal
    luck: Floats  # uniform
    jump: Floats  # news: relative move of the price, mostly 0
    account: Integers
    burst_window: Integers  # per market: so many trades in so short a time are a burst


def make_flow(plan: MarketPlan, markets: slice, start: int, random: np.random.Generator) -> Flow:
    """Orders of the plan's `markets`; `start` is the instant of the snapshot."""
    count = plan.quotes[markets]
    steps, group = int(count.max()), len(count)
    inside = np.arange(steps)[:, None] < count[None, :]

    choice = random.random((steps, group))
    noisy = np.where(choice < QUIET_SHARE + NOISE_SHARE, NOISE, INFORMED)
    intent = np.where(choice < QUIET_SHARE, QUIET, noisy).astype(np.int8)
    account = np.floor(ACCOUNTS * random.random((steps, group)) ** 2).astype(np.int64)
    gap = random.standard_exponential((steps, group))
    gap *= np.where(random.random((steps, group)) < CLUSTERED_SHARE, 0.25, 2.1)
    hurried = np.zeros((steps, group), dtype=np.int64)
    _add_episodes(count, intent, account, hurried, random)

    quote_from, quote_until = plan.quote_from[markets], plan.quote_until[markets]
    times = _times(quote_from, quote_until, gap, hurried, inside)
    _add_simultaneous(times, count)
    mean_gap = (quote_until - quote_from) // count
    early = times < start + 10 * MINUTE  # the snapshot has no pauses in it
    jump = np.where(
        (random.random((steps, group)) < JUMP_CHANCE) & ~early,
        (0.02 + 0.03 * random.random((steps, group)))
        * (2.0 * random.integers(0, 2, (steps, group)) - 1.0),
        0.0,
    )
    return Flow(
        count=count,
        times=times,
        opens_window=_opens_window(times, count),
        intent=intent,
        shock=random.standard_normal((steps, group)),
        luck=random.random((steps, group)),
        jump=jump,
        account=account,
        burst_window=np.minimum(60 * SECOND, mean_gap),
    )


def _add_episodes(
    count: Integers,
    intent: NDArray[np.int8],
    account: Integers,
    hurried: Integers,
    random: np.random.Generator,
) -> None:
    """Attacks: ten orders within seconds, by a crowd, by one account, or by one to one side."""
    length = 10
    for market in np.flatnonzero(random.random(len(count)) < EPISODE_CHANCE):
        quotes = int(count[market])
        if quotes < 4 * length:
            continue
        first = int(quotes * (0.2 + 0.5 * random.random()))
        kind = (CROWD, ONE_ACCOUNT, ONE_SIDED)[int(market) % 3]
        steps = slice(first, first + length)
        intent[steps, market] = kind
        if kind != CROWD:
            account[steps, market] = int(random.integers(0, ACCOUNTS))
        hurried[first + 1 : first + length, market] = random.integers(
            1 * SECOND, 5 * SECOND, length - 1
        )


def _times(
    quote_from: Integers,
    quote_until: Integers,
    gap: Floats,
    hurried: Integers,
    inside: NDArray[np.bool_],
) -> Integers:
    """Instants from `quote_from` to `quote_until`: relative gaps stretched around hurried ones."""
    ordinary = inside & (hurried == 0)
    ordinary[0] = False
    hurried = np.where(inside, hurried, 0)
    relative = np.where(ordinary, gap, 0.0)
    span = quote_until - quote_from
    # Where quotes are so dense that hurry would not fit, an attack is simply as dense as the rest.
    share = np.minimum(1.0, 0.05 * span / np.maximum(1, hurried.sum(axis=0)))
    hurried = (hurried * share).astype(np.int64)
    spare = span - hurried.sum(axis=0) - SMALLEST_GAP * ordinary.sum(axis=0)
    scale = spare / np.maximum(relative.sum(axis=0), 1e-9)
    gaps = hurried + np.where(ordinary, SMALLEST_GAP + (relative * scale).astype(np.int64), 0)
    return quote_from + np.cumsum(gaps, axis=0)


def _add_simultaneous(times: Integers, count: Integers) -> None:
    """Every third market has two quotes in the same instant: the later log position is in force."""
    for market in range(0, len(count), 3):
        step = int(count[market]) // 3
        if step > 1:
            times[step, market] = times[step - 1, market]


def _opens_window(times: Integers, count: Integers) -> Integers:
    """Per quote the last step at or before five minutes earlier; -1 before the first quote."""
    indices = np.full(times.shape, -1, dtype=np.int64)
    for market, quotes in enumerate(count):
        clock = np.ascontiguousarray(times[:quotes, market])
        indices[:quotes, market] = np.searchsorted(clock, clock - WINDOW, side="right") - 1
    return indices
