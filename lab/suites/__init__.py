"""Compatibility cases of other projects, written as ODCS pairs, and how our verdicts compare.

A case that ODCS cannot say is not expressible: it is counted as that and never as an agreement.
"""


class NotExpressible(Exception):  # noqa: N818
    """ODCS has no words for the case; the text says what is missing."""
