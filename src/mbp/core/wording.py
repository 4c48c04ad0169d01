"""Lists and numbers in one sentence."""

from __future__ import annotations


def few(texts: list[str], most: int = 5) -> str:
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return "; ".join(texts[:most]) + more if texts else "nothing"


def many(count: int, noun: str) -> str:
    """`1 rule`, `2,000 rules`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
