"""The market of the drill, and what only the tests do to it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from lab.drill.market import SETTINGS, TEXTS, execute, quotes
from lab.market_server import PASSWORD, create

__all__ = ["PASSWORD", "SETTINGS", "TEXTS", "changes", "create", "execute", "quotes", "state"]


def changes(seed: int, count: int) -> list[str]:
    """Random transactions on quotes: inserts, updates of the key's row, deletes, reinsertions."""
    chance = random.Random(seed)  # noqa: S311
    found = []
    for number in range(count):
        key = f"q-{chance.randrange(40)}"
        text = TEXTS[number % len(TEXTS)].replace("'", "''")
        insert = (
            "insert into quotes (quote_id, market_id, volume) values"
            f" ('{key}', '{text}', {number}) on conflict (quote_id) do update set volume = excluded.volume"
        )
        delete = f"delete from quotes where quote_id = '{key}'"
        found.append(chance.choice([insert, insert, delete, f"{insert}; {delete}; {insert}"]))
    return found


def state(rows: Sequence[tuple[Any, ...]]) -> dict[str, tuple[Any, ...]]:
    """What a change log adds up to: key -> values; rows are (key, values..., op, position) in any order."""
    latest: dict[str, tuple[Any, ...]] = {}
    for row in sorted(rows, key=lambda one: one[-1]):
        if row[-2] == "d":
            latest.pop(row[0], None)
        else:
            latest[row[0]] = tuple(row[1:-2])
    return latest
