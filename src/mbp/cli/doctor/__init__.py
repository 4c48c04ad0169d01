"""Is this machine able to do the work? Every check says what it saw, and what to do where that is not enough."""

from mbp.cli.doctor.examine import examine
from mbp.cli.doctor.machine import Examination, MachineCheck

__all__ = ["Examination", "MachineCheck", "examine"]
