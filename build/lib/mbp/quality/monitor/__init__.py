"""The quality monitor: the results of every run, kept in the warehouse, and what they tell."""
