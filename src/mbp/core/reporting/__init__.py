"""Findings of a check, and the forms in which people and machines read them."""

from mbp.core.reporting.findings import LEVELS, CodeMeaning, Finding, Level, Suite
from mbp.core.reporting.output_forms import FORMATS, deliver, written

__all__ = ["FORMATS", "LEVELS", "CodeMeaning", "Finding", "Level", "Suite", "deliver", "written"]
