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

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab.simulate import abuse
from lab.simulate.averages import Averages
from lab.simulate.flow import CROWD, INFORMED, NOISE, ONE_ACCOUNT, ONE_SIDED, QUIET, WINDOW, Flow
from lab.simulate.halts import ABUSE, BREAKER, Halts, Pause
from lab.simulate.market_plan import MarketPlan
from lab.simulate.parameters import MINUTE, SECOND

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

UNIT = 100_000_000  # price 1.0
LOWEST_PRICE, HIGHEST_PRICE = UNIT * 6 // 100, UNIT * 94 // 100
BAND = 9  # per mille around the average
BOUND = 10  # per mille: beyond it a window counts as divergent
VOLATILITY = 0.012  # of the fair value from one quote to the next, at even odds
ABUSE_PAUSE = 15 * MINUTE + 7 * SECOND


@dataclass(frozen=True)
class Paths:
    """What came of a group: prices and averages in units of 1e-8, shape (steps, markets)."""

    price: Integers
    twap: Integers
    paused: Flags
    pauses: list[Pause]
    flags: list[abuse.Flag]


def run(plan: MarketPlan, markets: slice, flow: Flow, random: np.random.Generator) -> Paths:
    """Lets the orders of `flow` meet the market maker of every market of the group."""
    maker = _MarketMaker(plan, markets, flow, random)
    for step in range(1, len(flow.times)):
        maker.take(step)
    return maker.paths


class _MarketMaker:
    """The state of all markets of a group between two steps."""

    def __init__(
        self, plan: MarketPlan, markets: slice, flow: Flow, random: np.random.Generator
    ) -> None:
        shape = flow.times.shape
        self.flow = flow
        self.fair: Floats = 0.25 + 0.5 * random.random((shape[1],))
        self.outcome, self.pull = _outcomes(plan, markets, random)
        self.halts = Halts(plan, markets)
        self.detector = abuse.Detector(flow.burst_window)
        # The newest window with a price off its average, and whether that is the window of now.
        self.divergent_window = np.full(shape[1], -9, dtype=np.int64)
        self.alert = np.zeros(shape[1], dtype=np.bool_)
        self.paths = Paths(
            price=np.zeros(shape, dtype=np.int64),
            twap=np.zeros(shape, dtype=np.int64),
            paused=np.zeros(shape, dtype=np.bool_),
            pauses=self.halts.pauses,
            flags=[],
        )
        self.averages = Averages(flow, self.paths.price)
        self.paths.price[0] = np.rint(self.fair * UNIT).astype(np.int64)
        self.paths.twap[0] = self.paths.price[0]

    def take(self, step: int) -> None:
        """The quotes of one step."""
        flow, paths = self.flow, self.paths
        clock, active = flow.times[step], step < flow.count
        current, average = paths.price[step - 1], self.averages.at(step)
        window = clock // WINDOW
        may_pause = self.halts.may_begin(clock)
        paused = self._break_circuit(step, current, average, may_pause)
        news = (
            (flow.jump[step] != 0.0)
            & ~paused
            & ~self.alert
            & may_pause
            & (window > self.divergent_window + 1)
        )
        self.fair = self.fair + (
            VOLATILITY * self.fair * (1.0 - self.fair) * flow.shock[step]
            + self.pull * (self.outcome - self.fair)
        )
        wanted = np.where(
            news,
            np.rint(current * (1.0 + flow.jump[step])),
            self._wanted(step, current, average, paused),
        )
        self.fair = np.clip(np.where(news, wanted / UNIT, self.fair), 0.02, 0.98)
        low, high = -(-average * (1000 - BAND) // 1000), average * (1000 + BAND) // 1000
        free = paused | news | self.alert
        price = np.where(free, wanted, np.clip(wanted, low, high)).astype(np.int64)
        price = np.where(active, np.clip(price, LOWEST_PRICE, HIGHEST_PRICE), current)
        paths.price[step], paths.twap[step], paths.paused[step] = price, average, paused
        divergent = active & ~paused & (np.abs(price - average) * 1000 > BOUND * average)
        self.divergent_window = np.where(divergent, window, self.divergent_window)
        self.alert = self.alert | divergent
        self._watch(step, active & ~paused & (price != current), price - current, may_pause)

    def _break_circuit(
        self, step: int, current: Integers, average: Integers, may_pause: Flags
    ) -> Flags:
        """Pauses markets whose price is still off its average in the next window; who is paused."""
        clock = self.flow.times[step]
        paused = self.halts.now(clock)
        same_window = self.alert & (clock // WINDOW == self.divergent_window)
        off = np.abs(current - average) * 1000 > BAND * average
        breaks = (step < self.flow.count) & self.alert & ~same_window & off & ~paused & may_pause
        markets = np.flatnonzero(breaks)
        if len(markets):
            lasts = ((10 + 10 * self.flow.luck[step][markets]) * MINUTE).astype(np.int64)
            self.halts.begin(markets, clock[markets], clock[markets] + lasts, BREAKER)
            paused |= breaks
        self.alert = same_window & ~paused
        return paused

    def _wanted(self, step: int, current: Integers, average: Integers, paused: Flags) -> Floats:
        """The price that every market's next order would like, before band and limits."""
        intent, luck = self.flow.intent[step], self.flow.luck[step]
        price = current.astype(np.float64)
        away = self.fair * UNIT - price
        # An attack to one side starts from where the band leaves the most room.
        last_side = self.detector.last_side
        goes_on = (self.flow.intent[step - 1] == ONE_SIDED) & (last_side != 0)
        side = np.where(goes_on, last_side, np.where(current <= average, 1, -1))
        back_and_forth = 1.0 if step % 2 else -1.0
        size = (0.0004 + 0.0004 * luck) * price
        moves = {
            QUIET: 0.0 * price,
            NOISE: 0.003 * self.flow.shock[step] * price,
            INFORMED: 0.4 * away,
            CROWD: back_and_forth * size,
            ONE_ACCOUNT: back_and_forth * size,
            ONE_SIDED: side * size,
        }
        move = np.select([intent == kind for kind in moves], list(moves.values()))
        indicative = np.where(luck < 0.5, 0.1 * away, 0.0)  # noqa: PLR2004
        wanted: Floats = np.rint(price + np.where(paused, indicative, move))
        return wanted

    def _watch(self, step: int, trade: Flags, moved: Integers, may_pause: Flags) -> None:
        """Shows the step's trades to the detector and does what it asks for."""
        flag = self.detector.observe(
            step=step,
            clock=self.flow.times[step],
            trade=trade,
            side=np.sign(moved),
            account=self.flow.account[step],
            luck=self.flow.luck[step],
            may_pause=may_pause,
        )
        if flag is None:
            return
        self.paths.flags.append(flag)
        pause = flag.action == abuse.PAUSED
        begins = flag.detected_at[pause]
        self.halts.begin(flag.market[pause], begins, begins + ABUSE_PAUSE, ABUSE)


def _outcomes(
    plan: MarketPlan, markets: slice, random: np.random.Generator
) -> tuple[Floats, Floats]:
    """Where the fair value drifts to, and how fast: decided markets know it before they close."""
    cases = [plan.case_of(market) for market in range(markets.start, markets.stop)]
    target = {"YES": 0.9, "NO": 0.1}
    known = np.array([target.get(case.decision or "", -1.0) for case in cases])
    drifting = random.random(len(cases))
    outcome = np.where(known >= 0, known, 0.2 + 0.6 * drifting)
    return outcome, np.where(known >= 0, 0.012, 0.001)
