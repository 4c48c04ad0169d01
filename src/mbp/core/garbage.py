"""How often Python looks for objects that refer to each other in a circle and to which nothing else does."""

from __future__ import annotations

import gc

# New objects before a look at the young ones; such looks before one at the older; and so on. dbt, YAML and Jinja make
# millions of objects and hardly any circle: looked for every 700 objects, they take a seventh of the time of a parse.
EVERY = (100_000, 50, 100)


def look_seldom() -> None:
    """For this process."""
    gc.set_threshold(*EVERY)
