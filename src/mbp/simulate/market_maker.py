"""The automated market maker: a constant product of YES and NO reserves gives the price.

With reserves `yes` and `no` and `yes * no = liquidity ** 2` the price of YES is
`no / (yes + no)`: buying YES puts CE$ into the NO side and moves the price up. Prices are whole
units of 1e-8, so the time-weighted average is exact, and only square roots and the four basic
operations touch the path: the same seed gives the same bytes on every machine.

The market maker trades inside a band around the five-minute average. News breaks the band: then
either the average catches up before the next five-minute window, or the circuit breaker pauses the
market, so that a price off its average in two windows in a row is only seen in paused markets.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mbp.simulate import abuse
from mbp.simulate.flow import (
    CROWD,
    INFORMED,
    NOISE,
    ONE_ACCOUNT,
    ONE_SIDED,
    QUIET,
    WINDOW,
    Flow,
)
from mbp.simulate.parameters import MINUTE, SECOND
from mbp.simulate.plan import NEVER, Plan

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

UNIT = 100_000_000  # price 1.0
LOWEST_PRICE, HIGHEST_PRICE = UNIT * 6 // 100, UNIT * 94 // 100
BAND = 9  # per mille around the average
BOUND = 10  # per mille: beyond it a window counts as divergent
FEE = 0.01  # of the traded amount, paid to the house: it does not enter the reserves
NO_TRADE_BEFORE_END = 45 * MINUTE  # no news and no pause so close to the end
PLANNED, BREAKER, ABUSE = "planned", "breaker", "abuse"


@dataclass(frozen=True)
class Pause:
    """Trading halted; `market` is the position inside the group."""

    market: int
    from_us: int
    until_us: int
    reason: str


@dataclass
class Paths:
    """What came of a group: prices and averages in units of 1e-8, shape (steps, markets)."""

    price: Integers
    twap: Integers
    paused: Flags
    pauses: list[Pause] = field(default_factory=list)
    flags: list[abuse.Flag] = field(default_factory=list)


class _Averages:
    """Exact time-weighted averages: areas below the price path, in integers that may wrap around.

    An area since the market opened can leave 64 bits; the difference over five minutes cannot.
    """

    def __init__(self, flow: Flow, price: Integers) -> None:
        self.flow = flow
        self.price = price
        self.area = np.zeros_like(price)
        self.markets = np.arange(price.shape[1])

    def at(self, step: int) -> Integers:
        """The average over the five minutes before the quotes of this step (not the first)."""
        times = self.flow.times
        clock = times[step]
        self.area[step] = self.area[step - 1] + self.price[step - 1] * (clock - times[step - 1])
        before = self.flow.opens_window[step]
        known = np.maximum(before, 0)
        until_open = self.area[known, self.markets] + self.price[known, self.markets] * (
            clock - WINDOW - times[known, self.markets]
        )
        inside = before >= 0
        area = self.area[step] - np.where(inside, until_open, 0)
        weight = np.maximum(np.where(inside, WINDOW, clock - times[0]), 1)
        average: Integers = (area + weight // 2) // weight
        return average


def run(plan: Plan, markets: slice, flow: Flow, random: np.random.Generator) -> Paths:
    """Lets the orders of `flow` meet the market maker of every market of the group."""
    steps, group = flow.times.shape
    price = np.zeros((steps, group), dtype=np.int64)
    twap = np.zeros_like(price)
    was_paused = np.zeros((steps, group), dtype=np.bool_)
    paths = Paths(price, twap, was_paused)
    averages = _Averages(flow, price)
    detector = abuse.Detector(flow.burst_window)

    fair = 0.25 + 0.5 * random.random(group)
    price[0] = np.rint(fair * UNIT).astype(np.int64)
    twap[0] = price[0]
    outcome, pull = _outcomes(plan, markets, random)
    planned_from, planned_until = plan.pause_from[markets], plan.pause_until[markets]
    last_call = plan.quote_until[markets] - NO_TRADE_BEFORE_END
    pause_from = np.full(group, NEVER, dtype=np.int64)
    pause_until = np.full(group, -1, dtype=np.int64)
    divergent_window = np.full(group, -9, dtype=np.int64)
    alert = np.zeros(group, dtype=np.bool_)
    for market in np.flatnonzero(planned_from < NEVER):
        until = int(planned_until[market])
        paths.pauses.append(Pause(int(market), int(planned_from[market]), until, PLANNED))

    for step in range(1, steps):
        clock, active = flow.times[step], step < flow.count
        current, average = price[step - 1], averages.at(step)
        halted = (clock >= pause_from) & (clock < pause_until)
        paused = halted | ((clock >= planned_from) & (clock < planned_until))
        may_pause = (
            (pause_until <= clock)
            & (clock < last_call)
            & ((clock < planned_from - NO_TRADE_BEFORE_END) | (clock >= planned_until))
        )
        window = clock // WINDOW
        same_window = alert & (window == divergent_window)
        off = np.abs(current - average) * 1000 > BAND * average
        breaker = active & alert & ~same_window & off & ~paused & may_pause
        if breaker.any():
            long = clock + ((10 + 10 * flow.luck[step]) * MINUTE).astype(np.int64)
            pause_from = np.where(breaker, clock, pause_from)
            pause_until = np.where(breaker, long, pause_until)
            paths.pauses += [
                Pause(int(market), int(clock[market]), int(long[market]), BREAKER)
                for market in np.flatnonzero(breaker)
            ]
            paused = paused | breaker
        alert = same_window & ~paused
        news = (
            (flow.jump[step] != 0.0)
            & ~paused
            & ~alert
            & may_pause
            & (window > divergent_window + 1)
        )
        volatility = 0.012 * fair * (1.0 - fair)
        fair = fair + volatility * flow.shock[step] + pull * (outcome - fair)
        wanted = _wanted(flow, step, current, average, fair, paused, detector.last_side)
        wanted = np.where(news, np.rint(current * (1.0 + flow.jump[step])), wanted)
        fair = np.clip(np.where(news, wanted / UNIT, fair), 0.02, 0.98)
        low, high = -(-average * (1000 - BAND) // 1000), average * (1000 + BAND) // 1000
        free = paused | news | alert
        inside = np.where(free, wanted, np.clip(wanted, low, high)).astype(np.int64)
        inside = np.clip(inside, LOWEST_PRICE, HIGHEST_PRICE)
        price[step] = np.where(active, inside, current)
        twap[step] = average
        was_paused[step] = paused
        divergent = ~paused & active & (np.abs(price[step] - average) * 1000 > BOUND * average)
        divergent_window = np.where(divergent, window, divergent_window)
        alert = alert | divergent
        trade = active & ~paused & (price[step] != current)
        flag = detector.observe(
            step,
            clock,
            trade,
            np.sign(price[step] - current),
            flow.account[step],
            flow.luck[step],
            may_pause & ~paused,
        )
        if flag is not None:
            paths.flags.append(flag)
            for market, detected, action in zip(
                flag.market.tolist(), flag.detected_at.tolist(), flag.action.tolist(), strict=True
            ):
                if action == abuse.PAUSED:
                    until = detected + 15 * MINUTE + 7 * SECOND
                    pause_from[market], pause_until[market] = detected, until
                    paths.pauses.append(Pause(market, detected, until, ABUSE))
    return paths


def _outcomes(
    plan: Plan, markets: slice, random: np.random.Generator
) -> tuple[Floats, Floats]:
    """Where the fair value drifts to, and how fast: decided markets know it before they close."""
    cases = [plan.case_of(market) for market in range(markets.start, markets.stop)]
    target = {"YES": 0.9, "NO": 0.1}
    known = np.array([target.get(case.decision or "", -1.0) for case in cases])
    drifting = random.random(len(cases))
    outcome = np.where(known >= 0, known, 0.2 + 0.6 * drifting)
    return outcome, np.where(known >= 0, 0.012, 0.001)


def _wanted(
    flow: Flow,
    step: int,
    current: Integers,
    average: Integers,
    fair: Floats,
    paused: Flags,
    last_side: Integers,
) -> Floats:
    """The price every market's next order would like, before band and limits; in units of 1e-8."""
    intent, shock, luck = flow.intent[step], flow.shock[step], flow.luck[step]
    price = current.astype(np.float64)
    away = fair * UNIT - price
    # An attack to one side starts from where the band leaves the most room.
    started = (flow.intent[step - 1] == ONE_SIDED) & (last_side != 0)
    side = np.where(started, last_side, np.where(current <= average, 1, -1))
    back_and_forth = 1.0 if step % 2 else -1.0
    size = (0.0004 + 0.0004 * luck) * price
    moves = {
        QUIET: 0.0 * price,
        NOISE: 0.003 * shock * price,
        INFORMED: 0.4 * away,
        CROWD: back_and_forth * size,
        ONE_ACCOUNT: back_and_forth * size,
        ONE_SIDED: side * size,
    }
    move = np.select([intent == kind for kind in moves], list(moves.values()))
    indicative = np.where(luck < 0.5, 0.1 * away, 0.0)  # noqa: PLR2004
    wanted: Floats = np.rint(price + np.where(paused, indicative, move))
    return wanted
