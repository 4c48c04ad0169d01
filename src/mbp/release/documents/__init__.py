"""Decisions, runbooks and the Pre-GA plan: documents with a checked form, whose words lead to what exists."""
