"""One group of markets, simulated: what the tables are made from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lab.simulate.flow import Flow, make_flow
from lab.simulate.market_maker import Paths, run
from lab.simulate.market_plan import MarketPlan
from lab.simulate.parameters import Parameters


@dataclass(frozen=True)
class MarketGroup:
    """Some markets of the plan, who came to trade in them and what came of it."""

    parameters: Parameters
    plan: MarketPlan
    markets: slice
    flow: Flow
    paths: Paths


def simulate_group(
    parameters: Parameters, plan: MarketPlan, markets: slice, random: np.random.Generator
) -> MarketGroup:
    """Simulates the plan's `markets`."""
    flow = make_flow(plan, markets, parameters.start_us, random)
    return MarketGroup(parameters, plan, markets, flow, run(plan, markets, flow, random))
