"""A deterministic event history of the market, with its telemetry and with faults on demand."""

from lab.simulate.history import generate, stream
from lab.simulate.parameters import Parameters
from lab.simulate.raw_world import RawWorld

__all__ = ["Parameters", "RawWorld", "generate", "stream"]
