"""The drill: the scenarios of the runbook, for real, on servers of its own, reconciled row for row."""
