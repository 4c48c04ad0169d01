"""Findings of a check, and the forms in which people and machines read them."""

from mbp.reporting.findings import LEVELS, Finding, Level, Rule, Suite
from mbp.reporting.forms import FORMATS, deliver, written

__all__ = ["FORMATS", "LEVELS", "Finding", "Level", "Rule", "Suite", "deliver", "written"]
