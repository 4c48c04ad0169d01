"""Outside market data into the raw tables: mapped, checked, counted, and honest about what it lacks."""
