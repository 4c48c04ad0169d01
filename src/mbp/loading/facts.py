"""What a loaded source does not have, kept in the warehouse beside its rows.

The build reads it, so that a rule about an absent fact is told as "not measurable", never as passed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mbp.loading.mapping import Mapping as SourceMapping
from mbp.warehouse import Warehouse

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
    """What the sources in this warehouse do not have; empty where nothing was loaded by a mapping."""
    _, found = warehouse.query(
        "select 1 from information_schema.tables"
        " where table_schema = 'raw_mbp' and table_name = '_source_facts'"
    )
    columns: dict[str, dict[str, str]] = {}
    datasets: dict[str, str] = {}
    rules: dict[str, str] = {}
    if found:
        _, rows = warehouse.query(
            f"select dataset, column_name, rule_id, reason from {TABLE} order by 1, 2, 3, 4"
        )
        for dataset, column, rule, reason in rows:
            if rule is not None:
                rules[rule] = reason
            elif column is not None:
                columns.setdefault(dataset, {})[column] = reason
            else:
                datasets[dataset] = reason
    return SourceFacts(columns, datasets, rules)
