"""A deterministic event history of the market, with its telemetry and with faults on demand."""

from mbp.simulate.history import generate, stream
from mbp.simulate.parameters import Parameters
from mbp.simulate.world import World

__all__ = ["Parameters", "World", "generate", "stream"]
