"""The first days of change data capture: what a source that has no such row, or no change, yet cannot show."""

from __future__ import annotations

from pathlib import Path

from mbp.contracts import all_rules, load_contracts
from mbp.contracts.raw_columns import logged
from mbp.ingest.loading.loaded_facts import SourceFacts
from mbp.ingest.raw_tables import CDC_EVENTS
from mbp.warehouse import Warehouse, quote_identifier
from mbp.warehouse.relations import exists

NO_ROW = "the source had no row of it when its capture began, and none came since"
NO_CHANGE = "the log has only rows of the first snapshot: no change was streamed yet"


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
