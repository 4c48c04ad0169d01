"""Exact time-weighted averages of price paths, in whole numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lab.simulate.flow import WINDOW, Flow

Integers = NDArray[np.int64]


class Averages:
    """Averages from areas below the price path, in 64-bit integers that may wrap around.

    An area since the market opened can leave 64 bits; the difference over five minutes cannot, and
    it is right although its two ends have wrapped.

    Args:
        price: shape (steps, markets), units of 1e-8; filled by the caller step after step.
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
