"""Forbidden changes of contracts, let through while a valid waiver covers them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path

from mbp.contracts.registry.registry_check import check_all, forbidden
from mbp.contracts.registry.version_check import Checked
from mbp.release.waivers import valid_waivers


def check_waived(
    root: Path, names: Sequence[str], ref: str | None, *, today: date, now: datetime
) -> list[Checked]:
    """`check_all`, with forbidden changes let through until their valid waivers expire.

    Args:
        now: in UTC.

    Raises:
        MbpError: as `check_all`, or something blocks and the waivers cannot be judged.
    """
    checkeds = check_all(root, names, ref, today=today)
    if not any(judged.blocks for checked in checkeds for judged in checked.judged):
        return checkeds
    waivers = valid_waivers(root, now, changes=forbidden(checkeds))
    return check_all(root, names, ref, today=today, waiver_of=waivers.for_change)
