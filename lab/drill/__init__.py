"""The drill: the scenarios of the runbook, on real, separate servers, reconciled row by row."""
