"""What the loaded sources do not have, kept in the warehouse beside their rows.

The build reads it, so that a rule about an absent fact is reported as "not measurable", never as passed.
A raw table may hold rows of several sources, and of change data capture, which declares nothing. A fact
is therefore absent only where every origin of the table's rows declares it so: each load notes the
instant in `_loaded_at` of its rows, and by it every row is known to be of a source.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mbp.ingest.loading.mapping import Mapping as SourceMapping
from mbp.warehouse import Warehouse, quote_identifier
from mbp.warehouse.relations import exists

FACTS = 'raw_mbp."_source_facts"'
LOADS = 'raw_mbp."_source_loads"'
CREATE = (
    f"create table if not exists {FACTS} (source text, dataset text, column_name text,"
    " rule_id text, reason text)",
    f"create table if not exists {LOADS} (source text, dataset text, loaded_at timestamptz)",
)


@dataclass(frozen=True)
class SourceFacts:
    """Absent facts.

    Attributes:
        columns: public dataset -> column -> reason.
        datasets: public dataset that no source has at all -> reason.
        rules: rule id -> why it cannot be measured.
    """

    columns: Mapping[str, Mapping[str, str]]
    datasets: Mapping[str, str]
    rules: Mapping[str, str]


def write_facts(warehouse: Warehouse, mapping: SourceMapping, loaded: Iterable[str]) -> None:
    """Replaces what is known about the mapping's source. Runs inside the caller's transaction.

    Args:
        loaded: public datasets that got rows of the source in this transaction.
    """
    rows: list[tuple[str | None, ...]] = []
    for table in mapping.tables:
        rows += [
            (table.dataset, name, None, reason) for name, (_, _, reason) in table.absent.items()
        ]
    rows += [(name, None, None, reason) for name, reason in mapping.absent_datasets.items()]
    rows += [
        (dataset, None, rule, reason) for rule, (dataset, reason) in mapping.not_measurable.items()
    ]
    mark = warehouse.mark
    for statement in CREATE:
        warehouse.execute(statement)
    warehouse.execute(f"delete from {FACTS} where source = {mark}", [mapping.source])
    for row in rows:
        marks = ", ".join([mark] * 5)
        warehouse.execute(f"insert into {FACTS} values ({marks})", [mapping.source, *row])
    for dataset in loaded:
        warehouse.execute(
            f"insert into {LOADS} values ({mark}, {mark}, current_timestamp)",
            [mapping.source, dataset],
        )


def read_facts(warehouse: Warehouse, tables: Mapping[str, str]) -> SourceFacts:
    """What no source in this warehouse has; empty where nothing was loaded by a mapping.

    Args:
        tables: dataset -> the table of its change log.
    """
    columns: dict[str, dict[str, str]] = {}
    datasets: dict[str, str] = {}
    rules: dict[str, str] = {}
    if all(exists(warehouse, *place.replace('"', "").split(".")) for place in (FACTS, LOADS)):
        # Version 0.1 wrote rules without their dataset: it is unknown which rows they mean.
        _, rows = warehouse.query(
            f"select dataset, column_name, rule_id, source, reason from {FACTS}"
            " where dataset is not null order by 1, 2, 3, 4"
        )
        declared: dict[tuple[str, str | None, str | None], dict[str, str]] = {}
        for dataset, column, rule, source, reason in rows:
            declared.setdefault((dataset, column, rule), {})[source] = reason
        # Of a dataset that has no change log any more nothing is declared.
        declared = {key: by_source for key, by_source in declared.items() if key[0] in tables}
        origins = {name: _origins(warehouse, name, tables[name]) for name, _, _ in declared}
        for (dataset, column, rule), by_source in declared.items():
            if not origins[dataset] <= by_source.keys():
                continue
            reason = "; ".join(dict.fromkeys(by_source.values()))
            if rule is not None:
                rules[rule] = reason
            elif column is not None:
                columns.setdefault(dataset, {})[column] = reason
            elif not origins[dataset]:  # one with rows is there, whatever was said about it
                datasets[dataset] = reason
    return SourceFacts(columns, datasets, rules)


def _origins(warehouse: Warehouse, dataset: str, table: str) -> set[str | None]:
    """The sources of the rows in a raw table; None among them for rows that no mapping brought."""
    raw = f"raw_mbp.{quote_identifier(table)}"
    _, rows = warehouse.query(
        f"select distinct loads.source from {raw} as log left join {LOADS} as loads"
        f" on loads.dataset = {warehouse.mark} and loads.loaded_at = log._loaded_at",
        [dataset],
    )
    return {source for (source,) in rows}


NOTHING_ABSENT = SourceFacts(columns={}, datasets={}, rules={})
