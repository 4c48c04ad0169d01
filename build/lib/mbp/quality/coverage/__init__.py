"""Documentation coverage, measured against what is really in the warehouse."""

from mbp.quality.coverage.coverage_measure import CoverageReport, Item, measure_coverage

__all__ = ["CoverageReport", "Item", "measure_coverage"]
