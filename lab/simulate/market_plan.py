"""When every market opens, pauses, closes and is decided, before anybody trades in it.

Markets go through the cases of `CASES` in turn, so sixteen of them show every life a market can
have; times are fractions of the simulated period, with a little chance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lab.simulate.market_texts import TEMPLATES
from lab.simulate.parameters import HOUR, MINUTE, SECOND, Parameters

Integers = NDArray[np.int64]
NEVER = 2**62


class Case(NamedTuple):
    """One life of a market; times as fractions of the period, none = never.

    `ends` is the status after trading ended, and the end state of the market.
    """

    opens: float
    closes: float
    ends: str = "open"
    ended_early: float | None = None
    pause: tuple[float, float] | None = None
    truth_source: str = "table"
    decision: str | None = None
    template: int | None = None


CASES: tuple[Case, ...] = (
    Case(-0.04, 1.50, pause=(0.30, 0.33)),
    Case(-0.02, 0.55, "resolved", decision="YES"),
    Case(0.02, 2.00, truth_source="endpoint"),
    Case(0.05, 0.70, "resolved", truth_source="endpoint", decision="NO"),
    Case(-0.03, 0.45, "resolved", truth_source="manual", decision="YES"),
    Case(0.10, 1.40, "paused", pause=(0.93, 9.0)),
    Case(0.01, 0.985, "closed"),
    Case(0.15, 1.20, "canceled", ended_early=0.50),
    Case(0.05, 0.62, "resolved", ended_early=0.48, truth_source="endpoint", decision="NO"),
    Case(0.10, 0.60, "resolved", truth_source="manual", decision="VOID"),
    Case(0.45, 3.00, truth_source="manual"),
    Case(0.20, 1.80, pause=(0.60, 0.62)),
    Case(0.05, 0.75, "resolved", truth_source="endpoint", decision="OWN", template=5),
    Case(0.20, 0.99, "closed", ended_early=0.90, truth_source="endpoint"),
    Case(0.00, 1.10),
    Case(0.30, 0.80, "resolved", decision="YES"),
)


@dataclass(frozen=True)
class MarketPlan:
    """The plan of all quoted markets; arrays of one entry per market, instants in microseconds."""

    case: Integers
    template: Integers
    created_at: Integers
    opened_at: Integers
    closes_at: Integers
    trading_ends_at: Integers  # NEVER while the market still trades at the end of the data
    pause_from: Integers
    pause_until: Integers
    started_at: Integers  # of the resolution; NEVER without one
    decided_at: Integers
    quote_from: Integers
    quote_until: Integers
    quotes: Integers  # how many
    liquidity: NDArray[np.float64]  # geometric mean of the two reserves, in CE$
    min_liquidity: Integers  # whole CE$

    def case_of(self, market: int) -> Case:
        """The life of one market."""
        return CASES[int(self.case[market])]


def make_plan(parameters: Parameters) -> MarketPlan:
    """The plan of all markets, from its own random stream."""
    random = parameters.stream("plan")
    count = parameters.markets
    start, end, length = parameters.start_us, parameters.end_us, parameters.length_us
    case = np.arange(count, dtype=np.int64) % len(CASES)

    def at(fractions: list[float], spread: float = 0.01) -> Integers:
        """Whole minutes at a fraction of the period per case, moved a little per market."""
        moved = np.array(fractions)[case] + spread * (random.random(count) - 0.5)
        return start + np.floor(moved * length / MINUTE).astype(np.int64) * MINUTE

    opened = at([life.opens for life in CASES])
    closes = at([life.closes for life in CASES])
    created = opened - np.floor(1_800 + 16_200 * random.random(count)).astype(np.int64) * SECOND
    early = np.array([life.ended_early is not None for life in CASES])[case]
    ended = at([life.ended_early or 0.0 for life in CASES]) + 17 * SECOND + 250_000
    ends = np.array([life.ends not in ("open", "paused") for life in CASES])[case]
    trading_ends = np.where(ends, np.where(early, ended, closes), NEVER)

    has_pause = np.array([life.pause is not None for life in CASES])[case]
    pause_from = at([life.pause[0] if life.pause else 0.0 for life in CASES]) + 5 * SECOND
    pause_until = at([life.pause[1] if life.pause else 0.0 for life in CASES]) + 40 * SECOND
    pause_until = np.maximum(pause_until, pause_from + 6 * MINUTE)

    decided = np.array([life.decision is not None for life in CASES])[case]
    ready = np.maximum(np.where(ends, trading_ends, 0), closes)
    started = ready + ((2 + 13 * random.random(count)) * MINUTE).astype(np.int64)
    longest = min(6 * HOUR, int(0.08 * length))
    took = 5 * MINUTE + (random.random(count) * (longest - 5 * MINUTE)).astype(np.int64)

    quote_from = opened + (2 * SECOND + random.random(count) * 20 * SECOND).astype(np.int64)
    before_end = (2 * SECOND + random.random(count) * 60 * SECOND).astype(np.int64)
    quote_until = np.minimum(trading_ends, end) - before_end
    activity = 0.6 + random.random(count)
    liquidity = np.round(
        np.array([8_000.0, 15_000.0, 30_000.0, 60_000.0])[random.integers(0, 4, count)]
        * (0.8 + 0.4 * random.random(count))
    )
    own_template = np.array([-1 if x.template is None else x.template for x in CASES])[case]
    ordinary = [number for number, kind in enumerate(TEMPLATES) if len(kind.own_options) == 2]  # noqa: PLR2004
    template = np.array(ordinary)[random.integers(0, len(ordinary), count)]
    return MarketPlan(
        case=case,
        template=np.where(own_template >= 0, own_template, template),
        created_at=created,
        opened_at=opened,
        closes_at=closes,
        trading_ends_at=trading_ends,
        pause_from=np.where(has_pause, pause_from, NEVER),
        pause_until=np.where(has_pause, pause_until, NEVER),
        started_at=np.where(decided, started, NEVER),
        decided_at=np.where(decided, started + took, NEVER),
        quote_from=quote_from,
        quote_until=quote_until,
        quotes=_shares(parameters.quotes, (quote_until - quote_from) * activity),
        liquidity=liquidity,
        # At least 3.1 % of the liquidity is within 2 % of any price the market maker quotes.
        min_liquidity=np.floor(0.025 * liquidity).astype(np.int64),
    )


def _shares(total: int, weights: NDArray[np.float64]) -> Integers:
    """`total` split by weight into whole numbers that sum up to it, each at least twelve."""
    smallest = 12
    spare = total - smallest * len(weights)
    shares = np.floor(spare * weights / weights.sum()).astype(np.int64)
    shares[: spare - int(shares.sum())] += 1
    whole: Integers = shares + smallest
    return whole
