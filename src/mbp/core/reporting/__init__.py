"""Findings of a check, and the forms in which people and machines read them."""

from mbp.core.reporting.findings import CodeMeaning, Finding, Severity, Suite, read_codes
from mbp.core.reporting.output_forms import deliver, report, show

__all__ = ["CodeMeaning", "Finding", "Severity", "Suite", "deliver", "read_codes", "report", "show"]
