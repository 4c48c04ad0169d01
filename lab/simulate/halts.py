"""When markets are paused: by plan, by the circuit breaker, or because of abuse."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab.simulate.market_plan import NEVER, MarketPlan
from lab.simulate.parameters import MINUTE

Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

NO_PAUSE_BEFORE_END = 45 * MINUTE  # a pause must be over before its market, or the plan, ends it
PLANNED, BREAKER, ABUSE = "planned", "breaker", "abuse"


@dataclass(frozen=True)
class Pause:
    """Trading halted; `market` is the position inside the group."""

    market: int
    from_us: int
    until_us: int
    reason: str


class Halts:
    """The pauses of a group: one at a time per market."""

    def __init__(self, plan: MarketPlan, markets: slice) -> None:
        self.planned_from = plan.pause_from[markets]
        self.planned_until = plan.pause_until[markets]
        self.last_call = plan.quote_until[markets] - NO_PAUSE_BEFORE_END
        self.paused_from = np.full(len(self.last_call), NEVER, dtype=np.int64)
        self.paused_until = np.full(len(self.last_call), -1, dtype=np.int64)
        self.pauses = [
            Pause(market, int(self.planned_from[market]), int(self.planned_until[market]), PLANNED)
            for market in np.flatnonzero(self.planned_from < NEVER).tolist()
        ]

    def now(self, clock: Integers) -> Flags:
        """Which markets are paused; the instant of the pause belongs to it, its end does not."""
        halted = (clock >= self.paused_from) & (clock < self.paused_until)
        planned = (clock >= self.planned_from) & (clock < self.planned_until)
        return halted | planned

    def may_begin(self, clock: Integers) -> Flags:
        """Where a pause fits: none is pending, and the market goes on for long enough."""
        away_from_plan = (clock < self.planned_from - NO_PAUSE_BEFORE_END) | (
            clock >= self.planned_until
        )
        return (self.paused_until <= clock) & (clock < self.last_call) & away_from_plan

    def begin(self, markets: Integers, at: Integers, until: Integers, reason: str) -> None:
        """Pauses `markets`; `at` and `until` have one entry per paused market."""
        self.paused_from[markets] = at
        self.paused_until[markets] = until
        self.pauses += [
            Pause(market, begins, ends, reason)
            for market, begins, ends in zip(
                markets.tolist(), at.tolist(), until.tolist(), strict=True
            )
        ]
