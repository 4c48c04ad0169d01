"""The warehouse: one small interface over the embedded and the production engine."""

from mbp.warehouse.connection import Warehouse, connect, quote_identifier

__all__ = ["Warehouse", "connect", "quote_identifier"]
