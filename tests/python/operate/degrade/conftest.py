"""Copies of the built sample on both engines, as the hooks' tests have them."""

from tests.python.operate.hooks.conftest import duckdb_site, postgres_site, site

__all__ = ["duckdb_site", "postgres_site", "site"]
