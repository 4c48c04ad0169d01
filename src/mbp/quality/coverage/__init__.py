"""Documentation coverage, measured against what is really in the warehouse."""

from mbp.quality.coverage.measure import CoverageReport, Item, measure

__all__ = ["CoverageReport", "Item", "measure"]
