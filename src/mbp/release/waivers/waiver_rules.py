"""Rules that the loaded source cannot show, and which of them a signed waiver covers for a while."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from mbp.core.errors import MbpError
from mbp.release.waivers.waiver_check import valid_waivers


def waived_rules(root: Path, rule_ids: Sequence[str]) -> frozenset[str]:
    """Those of the rules that carry a valid waiver now; none when the waivers cannot be read."""
    if not rule_ids:
        return frozenset()
    try:
        waivers = valid_waivers(root, datetime.now(UTC))
    except MbpError:
        return frozenset()
    covering = {rule_id: waivers.for_rule(rule_id) for rule_id in rule_ids}
    return frozenset(name for name, waiver in covering.items() if waiver and waiver.covers(0))
