"""Is this machine able to do the work? Every check says what it saw, and what to do where that is not enough."""

from mbp.cli.doctor.checks import Check, Examination
from mbp.cli.doctor.examine import examine

__all__ = ["Check", "Examination", "examine"]
