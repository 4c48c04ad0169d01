"""Where the public datasets of a warehouse come from, as it recorded it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mbp.contracts import load_contracts
from mbp.contracts.raw_columns import logged
from mbp.core.settings import load_settings
from mbp.core.wording import few
from mbp.ingest.raw_tables import CDC_LANDED, CDC_POSITIONS, LOADS
from mbp.runs.preflight import SAMPLE, raw_origin
from mbp.warehouse import Warehouse
from mbp.warehouse.relations import exists, query

STAGING = "staging"


@dataclass(frozen=True)
class Origin:
    """Where the data comes from.

    Attributes:
        sample: it is the committed sample.
        sources: loads and change data capture that the warehouse recorded; empty: none.
        newest: the last commit in the change logs; None: there is none.
    """

    sample: bool
    sources: Sequence[str]
    newest: datetime | None

    @property
    def sentence(self) -> str:
        """Such as: the committed sample as of 2026-01-06 17:50 UTC."""
        known = few(list(self.sources)) if self.sources else "data whose origin is not recorded"
        when = f" as of {self.newest:%Y-%m-%d %H:%M} UTC" if self.newest else ""
        return f"{'the committed sample' if self.sample else known}{when}"


def is_sample(root: Path) -> bool:
    """Whether a build publishes the committed sample.

    Raises:
        MbpError: `MBP_RAW` holds something else than where rows may come from.
    """
    return raw_origin() == SAMPLE and not load_settings(root).hosted


def origin_of(root: Path, warehouse: Warehouse) -> Origin:
    """Where the data of the warehouse comes from.

    Raises:
        MbpError: the warehouse was not built.
    """
    sample = is_sample(root)
    newest: list[datetime] = []
    for _, log in logged(load_contracts(root)):
        name = f"{STAGING}.{log.staging}"
        _, rows = query(warehouse, f"select max(committed_at) from {name}", name)
        newest += [row[0] for row in rows if row[0] is not None]
    last = max(newest).astimezone(UTC) if newest else None
    return Origin(sample, () if sample else _recorded(warehouse), last)


def _recorded(warehouse: Warehouse) -> Sequence[str]:
    landed = _names(warehouse, CDC_LANDED, "slot")
    return [
        *(f"loads of {name}" for name in _names(warehouse, LOADS, "source")),
        *(f"files landed by {name}" for name in landed),
        *(
            f"change data capture by {name}"
            for name in _names(warehouse, CDC_POSITIONS, "slot")
            if name not in landed
        ),
    ]


def _names(warehouse: Warehouse, table: str, column: str) -> list[str]:
    if not exists(warehouse, *table.split(".")):
        return []
    _, rows = warehouse.query(f"select distinct {column} from {table} order by 1")
    return [str(row[0]) for row in rows]
