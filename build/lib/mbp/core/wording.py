"""Lists in one sentence."""

from __future__ import annotations


def few(told: list[str], most: int = 5) -> str:
    more = f" and {len(told) - most} more" if len(told) > most else ""
    return "; ".join(told[:most]) + more if told else "nothing"
