"""Runs of dbt and measurements: of which source, warehouse, run, nodes and time they are."""
