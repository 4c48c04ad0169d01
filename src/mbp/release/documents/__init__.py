"""Decisions, runbooks and the Pre-GA plan: documents with a checked form, whose words lead to what exists."""

from mbp.release.documents.run import DocumentReport, Entry, check_documents

__all__ = ["DocumentReport", "Entry", "check_documents"]
