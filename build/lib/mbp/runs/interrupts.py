"""Ctrl-C while dbt runs: `mbp` reports in one line that it was interrupted, and dbt adds no traceback."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def without_traceback() -> Iterator[None]:
    """dbt inside of the block says of an interrupt only that it came; the traceback of any other error stays."""
    from dbt.cli import requires
    from dbt.events.types import MainEncounteredError, MainStackTrace

    module: Any = requires
    fire_event = module.fire_event

    def filtered(event: Any, *given: Any, **named: Any) -> None:
        ends = isinstance(sys.exc_info()[1], KeyboardInterrupt | SystemExit)
        if not (ends and isinstance(event, MainEncounteredError | MainStackTrace)):
            fire_event(event, *given, **named)

    module.fire_event = filtered
    try:
        yield
    finally:
        module.fire_event = fire_event
