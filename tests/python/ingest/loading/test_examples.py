"""The examples of docs/load_mapping.md load what they say, from small made files."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from mbp.ingest.loading.load_sources import load_folder
from mbp.warehouse import connect

EXAMPLE = re.compile(r"```yaml example=(\w+)\n(.*?)```", re.DOTALL)
FILES = {
    "trades.csv": "id,market,at,price,shares\nt1,m1,2026-01-05T09:00:00Z,0.5,10\nt2,m1,2026-01-05T09:01:00Z,0.6,-3\n",
    "book.csv": (
        "snapshot,market,at,bid,ask,level,size\n"
        "s1,m1,2026-01-05 09:00:00,0.49,0.51,0.49,10\ns1,m1,2026-01-05 09:00:00,0.49,0.51,0.51,5\n"
        "s1,m1,2026-01-05 09:00:00,0.49,0.51,0.40,99\n"
    ),
    "prices.csv": "market;hour;percent\nm1;05/01/2026 09:00;52,5\nm1;25/10/2026 01:00;50\n",
    "exchange.json": json.dumps(
        {
            "markets": [
                {
                    "id": "m1",
                    "question": "Rain?",
                    "state": "Open",
                    "times": {"open": 1767600000, "close": 1767700000, "updated": 1767600000},
                }
            ],
            "trades": [
                {
                    "id": "t1",
                    "market": {"id": "m1"},
                    "ms": 1767614400500,
                    "no_price": "0.25",
                    "size": 4,
                }
            ],
        }
    ),
}
EXPECTED: dict[str, list[tuple[Any, ...]]] = {
    "trades": [
        ("t1", "2026-01-05 09:00:00+00", "0.50000000", "10.00000000"),
        ("t2", "2026-01-05 09:01:00+00", "0.60000000", "-3.00000000"),
    ],
    "book": [("s1", "2026-01-05 09:00:00+00", "0.50000000", "0.00000000")],
    "hourly": [
        ("m1-05/01/2026 09:00", "2026-01-05 09:00:00+00", "0.52500000", "0.00000000"),
        ("m1-25/10/2026 01:00", "2026-10-25 00:00:00+00", "0.50000000", "0.00000000"),
    ],
    "exchange": [("t1", "2026-01-05 12:00:00.5+00", "0.75000000", "4.00000000")],
}


def examples(root: Path) -> dict[str, str]:
    return dict(EXAMPLE.findall((root / "docs" / "load_mapping.md").read_text()))


@pytest.mark.parametrize("name", EXPECTED)
def test_an_example_loads(
    project_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("MBP_DUCKDB_PATH", str(tmp_path / "loaded.duckdb"))
    assert examples(project_root).keys() == EXPECTED.keys()
    for file, content in FILES.items():
        (tmp_path / file).write_text(content)
    mapping = tmp_path / "mapping.yaml"
    mapping.write_text(examples(project_root)[name])
    report = load_folder(project_root, tmp_path, mapping)
    assert report.rejected == 0
    with connect(project_root) as warehouse:
        _, rows = warehouse.query(
            "select quote_id, cast(quoted_at as varchar), cast(price as varchar), cast(volume as varchar)"
            " from raw_mbp.quotes order by 1"
        )
        depths = warehouse.query("select cast(depth_2pct as varchar) from raw_mbp.quotes")[1]
    assert rows == EXPECTED[name]
    if name == "book":
        assert depths == [("15.00000000",)]
