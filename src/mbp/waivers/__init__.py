"""Waivers: what may stand in for a check, a rule or a change for a few days, and who agreed to it."""

from mbp.waivers.check import RULES, Waivers, valid_waivers
from mbp.waivers.model import FOLDER, WAIVER_DAYS, Waiver

__all__ = ["FOLDER", "RULES", "WAIVER_DAYS", "Waiver", "Waivers", "valid_waivers"]
