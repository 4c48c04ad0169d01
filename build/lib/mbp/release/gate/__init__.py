"""Release gates: a checklist, a verdict per check from evidence, and the signatures under it."""
