"""A110: KPIs that miss their target become decisions with an owner, an action and a rollback."""
