"""Lists in one sentence."""

from __future__ import annotations


def few(texts: list[str], most: int = 5) -> str:
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return "; ".join(texts[:most]) + more if texts else "nothing"
