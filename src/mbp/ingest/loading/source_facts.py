"""What the loaded sources do not have, kept in the warehouse beside their rows.

The build reads it, so that a rule about an absent fact is reported as "not measurable", never as passed.
A raw table may hold rows of several sources, and of change data capture, which declares nothing. A fact
is therefore absent only where every origin of the table's rows declares it so: each load notes the
instant in `_loaded_at` of its rows, and by it every row is known to be of a source.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mbp.contracts import all_rules, load_contracts
from mbp.contracts.raw_columns import logged
from mbp.core.errors import MbpError
from mbp.core.settings import load_settings
from mbp.ingest.loading.mapping import Mapping as SourceMapping
from mbp.ingest.loading.mapping import TableMapping
from mbp.ingest.raw_tables import CDC_EVENTS, CDC_POSITIONS, LOADS, SOURCE_FACTS, raw_tables
from mbp.runs.preflight import SAMPLE, raw_origin
from mbp.warehouse import Warehouse, quote_identifier
from mbp.warehouse.relations import exists

COMMITTED = "__source_ts_ms"
NEVER_LOADED = "no mapping of what was loaded has it"
NO_ROW = "the source had no row of it when its capture began, and none came since"
NO_CHANGE = "the log has only rows of the first snapshot: no change was streamed yet"


def dataset_tables(root: Path) -> dict[str, str]:
    """Dataset -> the table of its change log.

    Raises:
        MbpError: the contracts cannot be read.
    """
    return {contract.dataset: log.table for contract, log in logged(load_contracts(root))}


def source_facts(root: Path, warehouse: Warehouse) -> SourceFacts:
    """What the loaded source does not have; the sample has everything.

    Raises:
        MbpError: a raw table that the project reads is not in the warehouse.
    """
    if raw_origin() == SAMPLE or load_settings(root).hosted:
        return NOTHING_ABSENT
    _, rows = warehouse.query("select table_schema, table_name from information_schema.tables")
    there = {f"{schema}.{table}" for schema, table in rows}
    missing = [f"raw_{name}" for name in raw_tables(root) if f"raw_{name}" not in there]
    if missing:
        raise MbpError(
            f"nothing was loaded: {', '.join(missing)} not in the warehouse",
            fix="run `mbp load <folder>`, start CDC, or leave MBP_RAW unset for the sample",
        )
    return with_first_day(root, warehouse, read_facts(warehouse, dataset_tables(root)))


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


def still_absent(
    warehouse: Warehouse, mapping: SourceMapping, table: TableMapping, key: str, staged: str
) -> dict[str, str]:
    """Columns that the mapping has, and that rows of an earlier load of the source lack: column -> reason.

    Runs after the new rows are in the log. Such a row is in force, and these files do not have its key.

    Args:
        staged: relation of the rows of these files.
    """
    mark = warehouse.mark
    _, rows = warehouse.query(
        f"select column_name, reason from {SOURCE_FACTS} where source = {mark} and dataset = {mark}"
        " and column_name is not null",
        [mapping.source, table.dataset],
    )
    own = {*table.absent, *([COMMITTED] if table.changed_at in table.absent else [])}
    gained = {name: reason for name, reason in rows if name not in own}
    if not gained:
        return {}
    name, raw = quote_identifier(key), f"raw_mbp.{quote_identifier(table.table)}"
    _, rows = warehouse.query(
        f"select 1 from (select {name}, _loaded_at, row_number() over"
        f" (partition by {name} order by __source_lsn desc) as recency from {raw}) as log"
        f" where recency = 1 and {name} not in (select {name} from {staged}) and _loaded_at in"
        f" (select loaded_at from {LOADS} where source = {mark} and dataset = {mark}) limit 1",
        [mapping.source, table.dataset],
    )
    return gained if rows else {}


def write_facts(
    warehouse: Warehouse, mapping: SourceMapping, kept: Mapping[str, Mapping[str, str]]
) -> None:
    """Replaces what is known about the tables that the mapping loads.

    Facts of the source's other tables, from other mappings, stay. Runs inside the caller's transaction.

    Args:
        kept: dataset -> what earlier rows lack, see `still_absent`.
    """
    rows: list[tuple[str | None, ...]] = []
    for table in mapping.tables:
        rows += [
            (table.dataset, name, None, reason) for name, (_, _, reason) in table.absent.items()
        ]
        earlier = kept.get(table.dataset, {})
        rows += [(table.dataset, name, None, reason) for name, reason in earlier.items()]
        if table.changed_at in table.absent:  # then the time of each change is absent too
            rows.append((table.dataset, COMMITTED, None, table.absent[table.changed_at][2]))
    rows += [(name, None, None, reason) for name, reason in mapping.absent_datasets.items()]
    rows += [
        (dataset, None, rule, reason) for rule, (dataset, reason) in mapping.not_measurable.items()
    ]
    mark = warehouse.mark
    for dataset in (table.dataset for table in mapping.tables):
        warehouse.execute(
            f"delete from {SOURCE_FACTS} where source = {mark} and dataset = {mark}",
            [mapping.source, dataset],
        )
    for dataset in mapping.absent_datasets:  # another mapping of the source may load it
        warehouse.execute(
            f"delete from {SOURCE_FACTS} where source = {mark} and dataset = {mark}"
            " and column_name is null and rule_id is null",
            [mapping.source, dataset],
        )
    for row in rows:
        marks = ", ".join([mark] * 5)
        warehouse.execute(f"insert into {SOURCE_FACTS} values ({marks})", [mapping.source, *row])


def forget_facts(warehouse: Warehouse, sources: Iterable[str]) -> None:
    """Takes back the facts of sources that have no load any more."""
    for source in sources:
        warehouse.execute(
            f"delete from {SOURCE_FACTS} where source = {warehouse.mark}"
            f" and source not in (select source from {LOADS})",
            [source],
        )


def read_facts(warehouse: Warehouse, tables: Mapping[str, str]) -> SourceFacts:
    """What no source in this warehouse has; empty where nothing was loaded by a mapping.

    Args:
        tables: dataset -> the table of its change log.
    """
    columns: dict[str, dict[str, str]] = {}
    datasets: dict[str, str] = {}
    rules: dict[str, str] = {}
    if all(exists(warehouse, *place.split(".")) for place in (SOURCE_FACTS, LOADS)):
        _, rows = warehouse.query(
            f"select dataset, column_name, rule_id, source, reason from {SOURCE_FACTS}"
            " order by 1, 2, 3, 4"
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
        _, rows = warehouse.query(f"select distinct dataset from {LOADS}")
        if rows and not _captured(warehouse):
            named = {dataset for (dataset,) in rows} | {dataset for dataset, _, _ in declared}
            for dataset, table in tables.items():
                if dataset not in named and not _origins(warehouse, dataset, table):
                    datasets[dataset] = NEVER_LOADED
    return SourceFacts(columns, datasets, rules)


def _captured(warehouse: Warehouse) -> bool:
    """Whether change data capture writes here too: then an empty log is one of a source that has it."""
    return exists(warehouse, *CDC_POSITIONS.split(".")) and bool(
        warehouse.query(f"select 1 from {CDC_POSITIONS} limit 1")[1]
    )


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


def with_first_day(root: Path, warehouse: Warehouse, facts: SourceFacts) -> SourceFacts:
    """The facts, and what capture has not seen yet: it is not measured, neither passed nor failed.

    A log that is empty although its snapshot had rows, or although nothing captured it, is no first day.

    Raises:
        MbpError: the contracts cannot be read.
    """
    if not exists(warehouse, *CDC_EVENTS.split(".")):
        return facts
    _, events = warehouse.query(
        f"select table_name, detail from {CDC_EVENTS} where kind = 'snapshot' order by recorded_at"
    )
    newest = {str(table): detail for table, detail in events}
    began_empty = {table for table, detail in newest.items() if detail == "0 rows"}
    datasets, rules = dict(facts.datasets), dict(facts.rules)
    contracts = load_contracts(root)
    latency = {rule.dataset: rule.id for rule in all_rules(contracts) if rule.family == "latency"}
    for contract, log in logged(contracts):
        raw = f"raw_mbp.{quote_identifier(log.table)}"
        if not warehouse.query(f"select 1 from {raw} limit 1")[1]:
            if log.table in began_empty:
                datasets.setdefault(contract.dataset, NO_ROW)
        elif (
            contract.dataset in latency
            and not (
                warehouse.query(f"select 1 from {raw} where __op is distinct from 'r' limit 1")[1]
            )
        ):
            rules.setdefault(latency[contract.dataset], NO_CHANGE)
    return SourceFacts(facts.columns, datasets, rules)
