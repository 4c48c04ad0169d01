"""Decisions, runbooks and the Pre-GA plan: documents with a checked form, whose words lead to what exists."""

from mbp.release.documents.document_checks import DocumentReport, check_documents

__all__ = ["DocumentReport", "check_documents"]
