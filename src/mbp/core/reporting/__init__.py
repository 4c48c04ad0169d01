"""Findings of a check, and the forms in which people and machines read them."""

from mbp.core.reporting.findings import LEVELS, Finding, Level, Rule, Suite
from mbp.core.reporting.forms import FORMATS, deliver, written

__all__ = ["FORMATS", "LEVELS", "Finding", "Level", "Rule", "Suite", "deliver", "written"]
