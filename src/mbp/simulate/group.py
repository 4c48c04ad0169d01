"""One group of markets, simulated: what the tables are made from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mbp.simulate.flow import Flow, make_flow
from mbp.simulate.market_maker import Paths, run
from mbp.simulate.parameters import Parameters
from mbp.simulate.plan import Plan


@dataclass(frozen=True)
class Group:
    """Some markets of the plan, who came to trade in them and what came of it."""

    parameters: Parameters
    plan: Plan
    markets: slice
    flow: Flow
    paths: Paths


def simulate_group(
    parameters: Parameters, plan: Plan, markets: slice, random: np.random.Generator
) -> Group:
    """Simulates the plan's `markets`."""
    flow = make_flow(plan, markets, parameters.start_us, random)
    return Group(parameters, plan, markets, flow, run(plan, markets, flow, random))
