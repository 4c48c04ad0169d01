"""Change data capture: from the market's PostgreSQL into the raw change logs."""
