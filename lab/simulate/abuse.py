"""Abuse is detected in the flow of trades as it happens: many trades in a short time.

Eight trades within the burst window raise a flag. All by one account: `rate_limit`; all by one
account and to one side: `manipulation`; otherwise `burst`. A market then has a quiet time.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lab.simulate.parameters import HOUR, SECOND

Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

TRADES = 8
QUIET_TIME = 2 * HOUR
KINDS = ("burst", "rate_limit", "manipulation")
SEVERITIES = ("low", "medium", "high")
ACTIONS = ("alert_only", "limited", "paused")
BURST, RATE_LIMIT, MANIPULATION = range(3)
LOW, MEDIUM, HIGH = range(3)
ALERT_ONLY, LIMITED, PAUSED = range(3)


class Flag(NamedTuple):
    """Flags raised at one step; arrays of one entry per flagged market of the group."""

    market: Integers
    detected_at: Integers
    kind: Integers
    severity: Integers
    action: Integers
    account: Integers
    lasted: Integers  # microseconds from the first to the last of the trades
    step: Integers  # at which the flag was raised


class Detector:
    """The last trades of every market of a group."""

    def __init__(self, burst_window: Integers) -> None:
        group = len(burst_window)
        self.burst_window = burst_window
        self.seen = np.zeros(group, dtype=np.int64)
        self.trade_times = np.zeros((TRADES, group), dtype=np.int64)
        self.last_account = np.full(group, -1, dtype=np.int64)
        self.last_side = np.zeros(group, dtype=np.int64)
        self.account_run = np.zeros(group, dtype=np.int64)
        self.side_run = np.zeros(group, dtype=np.int64)
        self.quiet_until = np.zeros(group, dtype=np.int64)
        self.markets = np.arange(group)

    def observe(
        self,
        *,
        step: int,
        clock: Integers,
        trade: Flags,
        side: Integers,
        account: Integers,
        luck: NDArray[np.float64],
        may_pause: Flags,
    ) -> Flag | None:
        """Takes one step of all markets; None when nothing was flagged.

        Args:
            side: +1 bought YES, -1 bought NO; only read where `trade`.
            luck: uniform numbers, decide severity and delay.
            may_pause: markets where a pause would fit before the end.
        """
        same_account = account == self.last_account
        same_side = side == self.last_side
        self.account_run = np.where(
            trade, np.where(same_account, self.account_run + 1, 1), self.account_run
        )
        self.side_run = np.where(trade, np.where(same_side, self.side_run + 1, 1), self.side_run)
        self.last_account = np.where(trade, account, self.last_account)
        self.last_side = np.where(trade, side, self.last_side)
        slot = self.seen % TRADES
        self.trade_times[slot[trade], self.markets[trade]] = clock[trade]
        self.seen = self.seen + trade
        oldest = self.trade_times[self.seen % TRADES, self.markets]
        flagged = (
            trade
            & (self.seen >= TRADES)
            & (clock - oldest <= self.burst_window)
            & (clock >= self.quiet_until)
        )
        if not flagged.any():
            return None
        self.quiet_until = np.where(flagged, clock + QUIET_TIME, self.quiet_until)
        return self._flag(
            np.flatnonzero(flagged),
            step=step,
            clock=clock,
            oldest=oldest,
            luck=luck,
            may_pause=may_pause,
        )

    def _flag(
        self,
        market: Integers,
        *,
        step: int,
        clock: Integers,
        oldest: Integers,
        luck: NDArray[np.float64],
        may_pause: Flags,
    ) -> Flag:
        chance = luck[market]
        one_account = self.account_run[market] >= TRADES
        one_side = self.side_run[market] >= TRADES
        kind = np.where(one_account, np.where(one_side, MANIPULATION, RATE_LIMIT), BURST)
        severity = np.where(
            kind == MANIPULATION,
            np.where(chance < 0.7, HIGH, MEDIUM),  # noqa: PLR2004
            np.where(chance < 0.4, LOW, np.where(chance < 0.9, MEDIUM, HIGH)),  # noqa: PLR2004
        )
        action = np.where(severity == LOW, ALERT_ONLY, LIMITED)
        action[(severity == HIGH) & may_pause[market]] = PAUSED
        return Flag(
            market=market,
            detected_at=clock[market] + ((0.2 + 1.5 * chance) * SECOND).astype(np.int64),
            kind=kind,
            severity=severity,
            action=action,
            account=self.last_account[market],
            lasted=(clock - oldest)[market],
            step=np.full(len(market), step),
        )
