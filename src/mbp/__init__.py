"""Data contracts, quality rules and gates."""
