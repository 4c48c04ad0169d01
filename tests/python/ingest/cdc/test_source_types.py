"""Which types of a source a contracted column may come from."""

from __future__ import annotations

from pathlib import Path

import pytest

from mbp.core.errors import MbpError
from mbp.ingest.cdc.change_shape import FIRST_CUSTOM_TYPE, TYPES, by_name, demand_fit
from mbp.ingest.cdc.pgoutput import TableShape
from mbp.ingest.raw_tables import raw_tables

OIDS = {name: oid for oid, name in TYPES.items()}


def _fits(kind: str, oid: int) -> bool:
    try:
        demand_fit(TableShape(1, "mbp", "markets", "f", (("value", oid, -1),)), [("value", kind)])
    except MbpError:
        return False
    return True


@pytest.mark.parametrize(
    ("kind", "source"),
    [
        ("text", {"text", "character varying", "character"}),
        ("timestamptz", {"timestamp with time zone"}),
        ("decimal(18,8)", {"numeric", "integer", "bigint"}),
        ("bigint", {"bigint", "integer"}),
        ("boolean", {"boolean"}),
        ("jsonb", set()),
    ],
)
def test_a_column_comes_from_its_own_type_or_a_narrower_one(kind: str, source: set[str]) -> None:
    assert {name for name, oid in OIDS.items() if _fits(kind, oid)} == source


def test_an_enum_of_the_source_is_text() -> None:
    assert _fits("text", FIRST_CUSTOM_TYPE)
    assert not _fits("bigint", FIRST_CUSTOM_TYPE)


def test_every_contracted_type_has_a_type_at_the_source(project_root: Path) -> None:
    kinds = {kind for columns in by_name(raw_tables(project_root)).values() for _, kind in columns}
    assert kinds
    assert all(any(_fits(kind, oid) for oid in TYPES) for kind in kinds)
