"""Waivers: what may stand in for a check, a rule or a change for a few days, and who agreed to it."""

from mbp.contracts.waiver import FOLDER, WAIVER_DAYS, Waiver
from mbp.release.waivers.waiver_check import RULES, Waivers, valid_waivers

__all__ = ["FOLDER", "RULES", "WAIVER_DAYS", "Waiver", "Waivers", "valid_waivers"]
