"""What a loaded source does not have, kept in the warehouse beside its rows.

The build reads it, so that a rule about an absent fact is told as "not measurable", never as passed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mbp.errors import MbpError
from mbp.loading.mapping import Mapping as SourceMapping
from mbp.warehouse import Warehouse, quote_identifier

TABLE = 'raw_mbp."_source_facts"'
CREATE = (
    f"create table if not exists {TABLE} (source text, dataset text, column_name text,"
    " rule_id text, reason text)"
)


@dataclass(frozen=True)
class SourceFacts:
    """Absent facts.

    Attributes:
        columns: public dataset -> column -> reason.
        datasets: public dataset that the source does not have at all -> reason.
        rules: rule id -> why it cannot be measured.
    """

    columns: Mapping[str, Mapping[str, str]]
    datasets: Mapping[str, str]
    rules: Mapping[str, str]


def write_facts(warehouse: Warehouse, mapping: SourceMapping) -> None:
    """Replaces what is known about the mapping's source. Runs inside the caller's transaction."""
    rows: list[tuple[str | None, ...]] = []
    for table in mapping.tables:
        # No reason: the source has this dataset.
        rows.append((table.dataset, None, None, None))
        rows += [
            (table.dataset, name, None, reason) for name, (_, _, reason) in table.absent.items()
        ]
    rows += [(f"mbp_{name}", None, None, reason) for name, reason in mapping.absent_tables.items()]
    rows += [(None, None, rule, reason) for rule, reason in mapping.not_measurable.items()]
    mark = "?" if warehouse.engine == "duckdb" else "%s"
    warehouse.execute(CREATE)
    warehouse.execute(f"delete from {TABLE} where source = {mark}", [mapping.source])
    for row in rows:
        marks = ", ".join([mark] * 5)
        warehouse.execute(f"insert into {TABLE} values ({marks})", [mapping.source, *row])


def read_facts(warehouse: Warehouse) -> SourceFacts:
    """What the sources in this warehouse do not have; empty where nothing was loaded by a mapping.

    A fact is absent only when every source that could bring it says so: rows of one source are not
    excused by what another one lacks.

    Raises:
        MbpError: a dataset that no source has, with rows all the same.
    """
    _, found = warehouse.query(
        "select 1 from information_schema.tables"
        " where table_schema = 'raw_mbp' and table_name = '_source_facts'"
    )
    if not found:
        return SourceFacts({}, {}, {})
    _, rows = warehouse.query(
        f"select source, dataset, column_name, rule_id, reason from {TABLE} order by 1, 2, 3, 4, 5"
    )
    sources = {row[0] for row in rows}
    having: dict[str, set[str]] = {}
    told: dict[tuple[str | None, str | None, str | None], dict[str, str]] = {}
    for source, dataset, column, rule, reason in rows:
        if reason is None:
            having.setdefault(dataset, set()).add(source)
        else:
            told.setdefault((dataset, column, rule), {})[source] = reason
    columns: dict[str, dict[str, str]] = {}
    datasets: dict[str, str] = {}
    rules: dict[str, str] = {}
    for (dataset, column, rule), reasons in told.items():
        reason = next(iter(reasons.values()))
        if rule is not None and reasons.keys() == sources:
            rules[rule] = reason
        elif column is not None and reasons.keys() >= having.get(str(dataset), set()):
            columns.setdefault(str(dataset), {})[column] = reason
        elif rule is None and column is None and not having.get(str(dataset)):
            datasets[str(dataset)] = reason
    for dataset in datasets:
        _refuse_rows(warehouse, dataset)
    return SourceFacts(columns, datasets, rules)


def _refuse_rows(warehouse: Warehouse, dataset: str) -> None:
    """What was declared absent has no rows, or its rules would be excused for rows that are there."""
    table = dataset.removeprefix("mbp_")
    if warehouse.query(f"select 1 from raw_mbp.{quote_identifier(table)} limit 1")[1]:
        raise MbpError(
            f"raw_mbp.{table} has rows, and the mapping that was loaded says that there is no {dataset}",
            cure=f"map {table} in the mapping file and load again, or empty the table",
        )
