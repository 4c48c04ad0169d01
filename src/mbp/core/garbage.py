"""How often Python searches for objects that only refer to each other in a circle, so that it may free them."""

from __future__ import annotations

import gc

# New objects before a search among the young ones; such searches before one among the older ones; and so on. dbt, YAML
# and Jinja make millions of objects and hardly any circle. A search every 700 objects takes a seventh of a parse.
EVERY = (100_000, 50, 100)


def collect_seldom() -> None:
    """For this process."""
    gc.set_threshold(*EVERY)
