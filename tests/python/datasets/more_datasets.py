"""A scratch copy of the project with two datasets more: one that has a change log, and one that has none.

The first has what the others lack: two foreign keys, and a column that its model computes. The second is an
aggregate of another model.
"""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from lab.exercises.project_copy import copy_parts

NOTES, HOURS = "mbp_notes", "mbp_quote_hours"
CHANGE_LOG = {"table": "notes", "key": "note_id", "source": "mbp"}
KEY = {"required": True, "primaryKey": True, "primaryKeyPosition": 1, "unique": True}
FREE_TEXT = {"logicalTypeOptions": {"minLength": 1}}
NOTES_MODEL = """\
with latest as (

    select * from {{ ref('int_mbp__notes_latest') }}

),

final as (

    select
        note_id,
        market_id,
        quote_id,
        written_at,
        body,
        stars,
        cast(coalesce(length(body), 0) as decimal(18, 8)) as body_letters
    from latest
    where not is_deleted

)

select * from final
"""
HOURS_MODEL = """\
{{ config(materialized='view') }}

with quotes as (

    select * from {{ ref('mbp_quotes') }}

),

final as (

    select
        market_id || '/' || cast(date_trunc('hour', quoted_at) as {{ type_string() }}) as market_hour_id,
        market_id,
        date_trunc('hour', quoted_at) as hour_at,
        max(price) as top_price
    from quotes
    group by market_id, date_trunc('hour', quoted_at)

)

select * from final
"""


def column(name: str, kind: str, physical: str, **more: Any) -> dict[str, Any]:
    """A column of a contract; `reference`, `unit`, `reasons` and `derived` are put in their places."""
    custom = {
        "unit": more.pop("unit", None),
        "ruleReasons": more.pop("reasons", None),
        "derived": more.pop("derived", None),
    }
    listed = [{"property": key, "value": value} for key, value in custom.items() if value]
    if reference := more.pop("reference", None):
        more["relationships"] = [{"type": "foreignKey", "to": reference}]
    if kind == "timestamp":
        more["logicalTypeOptions"] = {"timezone": True}
    return {
        "name": name,
        "description": f"What a note or an hour says of its {name.replace('_', ' ')}.",
        "logicalType": kind,
        "physicalType": physical,
        "required": True,
        "classification": "internal",
        **more,
        **({"customProperties": listed} if listed else {}),
    }


NOTES_COLUMNS = [
    column("note_id", "string", "string", **KEY),
    column("market_id", "string", "string", reference="mbp_markets.market_id"),
    column("quote_id", "string", "string", reference="mbp_quotes.quote_id"),
    column("written_at", "timestamp", "timestamptz"),
    column(
        "body", "string", "string", reasons={"length": "An empty note says nothing."}, **FREE_TEXT
    ),
    column(
        *("stars", "number", "decimal(18,8)"),
        unit="stars",
        reasons={"range": "Nobody gives fewer than none."},
        logicalTypeOptions={"minimum": 0},
    ),
    column("body_letters", "number", "decimal(18,8)", unit="letters", derived=True),
]
HOURS_COLUMNS = [
    column("market_hour_id", "string", "string", **KEY),
    column("market_id", "string", "string", reference="mbp_markets.market_id"),
    column("hour_at", "timestamp", "timestamptz"),
    column(
        *("top_price", "number", "decimal(18,8)"),
        unit="probability",
        reasons={"range": "It is a price."},
        logicalTypeOptions={"exclusiveMaximum": 1},
    ),
]


def write_contract(
    root: Path, dataset: str, columns: Sequence[dict[str, Any]], log: dict[str, str] | None
) -> None:
    """A contract like that of the resolutions, with other columns, and with no service level of a log without one."""
    yaml = YAML(typ="safe")
    document = yaml.load(root / "contracts/a106/mbp_resolutions.odcs.yaml")
    document |= {"id": f"urn:mbp:datacontract:{dataset}", "name": dataset, "version": "1.0.0"}
    del document["customProperties"]
    if log:
        document["customProperties"] = [{"property": "changeLog", "value": log}]
    table = document["schema"][0]
    table |= {"name": dataset, "physicalName": dataset, "properties": list(columns), "quality": []}
    table["dataGranularityDescription"] = "One row per note or hour"
    document["slaProperties"] = [
        {**level, "element": dataset}
        for level in document["slaProperties"]
        if log or level["property"] == "retention"
    ]
    with (root / f"contracts/a106/{dataset}.odcs.yaml").open("w", encoding="utf-8") as file:
        yaml.dump(document, file)


def write_rows(root: Path) -> None:
    """Twelve notes, each on a quote of the sample, in the shape of the change log."""
    folder = root / "seeds/sample"
    with (folder / "raw_mbp__quotes.csv").open(encoding="utf-8") as file:
        quotes = [row for row in csv.DictReader(file) if row["__op"] == "c"][-400::30][-12:]
    with (folder / "raw_mbp__notes.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        own = [one["name"] for one in NOTES_COLUMNS if one["name"] != "body_letters"]
        writer.writerow([*own, "__op", "__deleted", "__source_ts_ms", "__source_lsn", "_loaded_at"])
        for number, quote in enumerate(quotes):
            loaded = datetime.fromisoformat(quote["_loaded_at"]).astimezone(UTC)
            at = loaded - timedelta(seconds=2)
            values = (
                f"note-{number:03d}",
                quote["market_id"],
                quote["quote_id"],
                at,
                "fair",
                "3.00000000",
            )
            log = ("c", "false", int(at.timestamp() * 1000), int(quote["__source_lsn"]) + 5, loaded)
            writer.writerow(
                [
                    one.isoformat(sep=" ", timespec="microseconds")
                    if isinstance(one, datetime)
                    else one
                    for one in (*values, *log)
                ]
            )


def scratch(project: Path, folder: Path) -> Path:
    """The project with both datasets more, by hand only: contracts, models, and rows of the sample."""
    copy_parts(project, folder)
    for part in ("lab", "pyproject.toml"):
        copy = shutil.copytree if (project / part).is_dir() else shutil.copy2
        copy(project / part, folder / part)
    write_contract(folder, NOTES, NOTES_COLUMNS, CHANGE_LOG)
    write_contract(folder, HOURS, HOURS_COLUMNS, None)
    (folder / f"models/marts/mbp/{NOTES}.sql").write_text(NOTES_MODEL, encoding="utf-8")
    (folder / f"models/marts/mbp/{HOURS}.sql").write_text(HOURS_MODEL, encoding="utf-8")
    write_rows(folder)
    return folder


def content(path: Path) -> Any:
    """What a JSON file holds."""
    return json.loads(path.read_text(encoding="utf-8"))
