"""The drill: the scenarios of the runbook, for real, against servers of its own."""
