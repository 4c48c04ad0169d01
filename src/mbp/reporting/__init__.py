"""Findings of a check, and the forms in which people and machines read them."""

from mbp.reporting.findings import FORMATS, Finding, Rule, Suite, written

__all__ = ["FORMATS", "Finding", "Rule", "Suite", "written"]
