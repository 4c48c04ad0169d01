"""A finding of `mbp docs check`. The codes are in document_codes.yaml."""

from __future__ import annotations

from mbp.core.reporting import Finding, read_codes

RULES = read_codes("mbp.release.documents", "document_codes.yaml")


def finding(
    code: str, line: int | None, message: str, path: str = "", subject: str = "", *, fix: str = ""
) -> Finding:
    """A finding of the code; without a path, of the document that is being checked."""
    return Finding(code, message, path, line, subject, fix or RULES[code].fix)
