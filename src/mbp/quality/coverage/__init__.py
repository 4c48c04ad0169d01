"""Documentation coverage, measured against what is really in the warehouse."""
