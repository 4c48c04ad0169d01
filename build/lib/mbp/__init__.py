"""Data contracts, quality rules and gates for the MBP prediction market."""
