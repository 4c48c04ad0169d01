"""Decisions, runbooks and the Pre-GA plan: documents with a checked form, whose words lead to what exists."""

from mbp.release.documents.document_checks import CheckedDocument, DocumentReport, check_documents

__all__ = ["CheckedDocument", "DocumentReport", "check_documents"]
