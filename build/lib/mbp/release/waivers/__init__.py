"""Waivers: signed, temporary exceptions to a check, a rule or a change, and who approved them."""

from mbp.contracts.waiver import FOLDER, WAIVER_DAYS, Waiver
from mbp.release.waivers.waiver_check import RULES, Waivers, valid_waivers

__all__ = ["FOLDER", "RULES", "WAIVER_DAYS", "Waiver", "Waivers", "valid_waivers"]
