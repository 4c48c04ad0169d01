"""Readers see the last complete snapshot of the public datasets while the live rows cannot be trusted."""
