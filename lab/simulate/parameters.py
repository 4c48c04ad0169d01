"""What one simulation is made of: checked sizes, the clock and named random streams."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

import numpy as np

from mbp.core.errors import MbpError

SECOND = 1_000_000  # all clocks in this package are whole microseconds since 1970 UTC
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

QUOTES_PER_MARKET = 250
SMALLEST_QUOTES_PER_MARKET = 20
LARGEST_QUOTES_PER_MARKET = 50_000
ROWS_PER_GROUP = 400_000
LARGEST_LOG_POSITION = 2**62

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def microseconds(moment: datetime) -> int:
    """Whole microseconds since 1970-01-01 UTC, without a detour over floating point."""
    return (moment - EPOCH) // timedelta(microseconds=1)


@dataclass(frozen=True)
class Parameters:
    """Size, clock and seed. The same values give the same bytes.

    markets: markets that are quoted (mistaken and announced ones come on top).
    days: length of the streamed history; the snapshot is at its beginning.
    quotes: quotes in the change log, hit within 5 %.
    rps: decisions per second recorded as `decision.core` spans, averaged over the period.
    """

    markets: int = 16
    days: int = 2
    quotes: int = 4_000
    rps: float = 0.0125
    seed: int = 20260105
    start: datetime = datetime(2026, 1, 5, tzinfo=UTC)

    @classmethod
    def of(cls, *, quotes: int | None = None, markets: int | None = None, **others: object) -> Self:
        """Parameters where the size not given follows from the other one."""
        if quotes is None:
            quotes = cls.quotes if markets is None else markets * QUOTES_PER_MARKET
        if markets is None:
            few = min(cls.markets, quotes // SMALLEST_QUOTES_PER_MARKET)
            markets = max(1, few, math.ceil(quotes / QUOTES_PER_MARKET))
        return cls(quotes=quotes, markets=markets, **others)  # type: ignore[arg-type]

    def __post_init__(self) -> None:
        """Refuses sizes that no history can have.

        Raises:
            MbpError: names the option, what was expected and the fix.
        """
        if self.markets < 1:
            raise MbpError(
                f"--markets {self.markets}: expected 1 or more", fix="give a larger number"
            )
        if self.days < 1:
            raise MbpError(f"--days {self.days}: expected 1 or more", fix="give a larger number")
        if not 0 <= self.seed < 2**63:
            raise MbpError(
                f"--seed {self.seed}: expected 0 or more, below 2^63", fix="give another seed"
            )
        if not (math.isfinite(self.rps) and 0 < self.rps <= 10_000):  # noqa: PLR2004
            raise MbpError(
                f"--rps {self.rps}: expected more than 0, at most 10000", fix="give another rate"
            )
        if self.start.tzinfo is None:
            raise MbpError(f"--start {self.start}: no time zone", fix="write it in UTC")
        per_market = self.quotes / self.markets
        if not SMALLEST_QUOTES_PER_MARKET <= per_market <= LARGEST_QUOTES_PER_MARKET:
            raise MbpError(
                f"--quotes {self.quotes} over --markets {self.markets} is {per_market:.1f} quotes a "
                f"market; expected {SMALLEST_QUOTES_PER_MARKET} to {LARGEST_QUOTES_PER_MARKET}",
                fix="change one of the two, or leave --markets out",
            )
        if 2 * self.days * DAY * self.positions_per_microsecond > LARGEST_LOG_POSITION:
            raise MbpError(
                f"--days {self.days} with --markets {self.markets}: log positions would not fit "
                "into 64 bits",
                fix="simulate fewer days or fewer markets",
            )

    @property
    def start_us(self) -> int:
        """Instant of the snapshot: what is older arrives as one snapshot, not as a stream."""
        return microseconds(self.start)

    @property
    def end_us(self) -> int:
        """Instant after which nothing happens any more."""
        return self.start_us + self.days * DAY

    @property
    def length_us(self) -> int:
        """Length of the streamed history in microseconds."""
        return self.days * DAY

    @property
    def unquoted_markets(self) -> int:
        """Markets without a quote: half of them created by mistake and deleted again, half
        announced to open after the end of the data."""
        return 2 * (1 + self.markets // 64)

    @property
    def positions_per_microsecond(self) -> int:
        """Log positions per microsecond: a slot of eight for every market, a power of two."""
        slots = 8 * (self.markets + self.unquoted_markets + 1)
        return 1 << (slots - 1).bit_length()

    @property
    def market_digits(self) -> int:
        """Digits of the number in a market's key, the same for all markets."""
        return max(5, len(str(self.markets + self.unquoted_markets)))

    def stream(self, name: str, part: int = 0) -> np.random.Generator:
        """An independent random stream per purpose and part, so that parts never shift others."""
        key = (*name.encode(), part)
        return np.random.Generator(
            np.random.PCG64(np.random.SeedSequence(self.seed, spawn_key=key))
        )
