"""Which columns of which tables may be shown: the contracts, the manifest, and the lineage of the models.

- A dataset with a contract: its contract says it, column by column.
- Another model: followed through its compiled SQL to what it reads. What cannot be followed is not known, unless the
  column itself is declared `public` or `internal`.
- A source or a seed, where values come in: a column that the project declares, unless a contract or the manifest
  classifies a column of that name.
- What `mbp load` keeps of its loads: open; values in it are masked when they are written.
- Any other table: not known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from sqlglot import exp

from mbp.contracts.model import OPEN_CLASSES, Contract
from mbp.ingest.raw_tables import LOAD_CONTROL_TABLES
from mbp.quality.column_lineage import KnownColumns, Trust, follow

# catalog, schema and name, as the engine folds them.
Key = tuple[str, str, str]
# The columns of a relation in the warehouse, in order; None where it cannot be read.
ColumnsOf = Callable[[str], Sequence[str] | None]
Entry = Mapping[str, Any]


class Classes:
    """Trust of the columns of every table of the project, worked out when it is asked for."""

    def __init__(
        self,
        contracts: Sequence[Contract],
        manifest: Mapping[str, Any],
        *,
        dialect: str,
        columns_of: ColumnsOf,
    ) -> None:
        """
        Args:
            manifest: dbt's manifest.json; models without `compiled_code` cannot be followed.
            dialect: duckdb or postgres, of the warehouse and of the compiled SQL.
            columns_of: asks the warehouse, with a quoted relation.
        """
        self._dialect = dialect
        self._columns_of = columns_of
        self._contracts = {
            contract.dataset: {column.name.lower(): column.open for column in contract.columns}
            for contract in contracts
        }
        self._entries: dict[Key, list[Entry]] = {}
        for entry in _entries(manifest):
            key = self._key_of(entry)
            if key is not None:
                self._entries.setdefault(key, []).append(entry)
        for catalog in {catalog for catalog, _, _ in self._entries}:
            for place, (columns, _) in LOAD_CONTROL_TABLES.items():
                schema, name = place.split(".")
                entry = {
                    "resource_type": "source",
                    "columns": {column: {} for column, _ in columns},
                }
                self._entries[catalog, schema, name] = [entry]
        self._closed_names = classified_names(contracts, manifest)
        self._relations: dict[Key, KnownColumns | None] = {}
        # Of a model that reads itself, while it is followed.
        self._trial: dict[Key, dict[str, Trust]] = {}

    def follow(self, sql: str) -> KnownColumns:
        """The columns of a query over the project's tables, with their trust."""
        return follow(sql, self._dialect, self._table)

    def _key_of(self, entry: Entry) -> Key | None:
        name = entry.get("relation_name")
        if not name:
            return None
        return self._key(exp.to_table(str(name), dialect=self._dialect))

    def _key(self, table: exp.Table) -> Key:
        catalog, schema, name = (
            self._folded(table.args.get(part)) for part in ("catalog", "db", "this")
        )
        return catalog, schema, name

    def _folded(self, part: Any) -> str:
        if not isinstance(part, exp.Identifier):
            return ""
        exact = self._dialect == "postgres" and part.args.get("quoted")
        return part.name if exact else part.name.lower()

    def _table(self, table: exp.Table) -> KnownColumns | None:
        key = self._key(table)
        if key not in self._entries:
            # The catalog is always the warehouse's own; a schema must be named.
            same = [known for known in self._entries if known[1:] == key[1:] and key[1]]
            if key[0] or len(same) != 1:
                return None
            key = same[0]
        if key in self._trial:
            return self._relation(key, self._trial[key])
        if key not in self._relations:
            self._relations[key] = self._relation(key, self._trusts(key))
        return self._relations[key]

    def _relation(self, key: Key, trusts: Mapping[str, Trust]) -> KnownColumns | None:
        """The columns that are in the warehouse, with what is known of them."""
        catalog, schema, name = key
        relation = exp.table_(name, schema, catalog or None, quoted=True)
        columns = self._columns_of(relation.sql(dialect=self._dialect))
        if columns is None:
            return None
        names = [column.lower() for column in columns]
        return KnownColumns(tuple((name, trusts.get(name, Trust.UNKNOWN)) for name in names))

    def _trusts(self, key: Key) -> dict[str, Trust]:
        entries = self._entries[key]
        models = [entry for entry in entries if entry["resource_type"] in ("model", "snapshot")]
        if models:
            contract = self._contracts.get(str(models[0]["name"]))
            trusts = (
                {name: _trust(is_open) for name, is_open in contract.items()}
                if contract is not None
                else self._followed(key, str(models[0].get("compiled_code") or ""))
            )
        else:
            trusts = {
                name: _trust(name not in self._closed_names)
                for entry in entries
                for name in _declared(entry)
            }
        for entry in entries:
            for name, is_open in _classes(entry):
                trust = trusts.get(name, Trust.UNKNOWN)
                if is_open and trust is Trust.UNKNOWN:
                    trusts[name] = Trust.OPEN
                elif not is_open:
                    trusts[name] = Trust.CLASSIFIED
        return trusts

    def _followed(self, key: Key, sql: str) -> dict[str, Trust]:
        """Of a model; one that reads itself adds nothing to what it reads elsewhere."""
        if not sql:
            return {}
        first = self._relation(key, {})
        if first is None:
            return {}
        trusts = {column: Trust.OPEN for column, _ in first.columns}
        for _ in range(len(trusts) + 2):
            self._trial[key] = trusts
            try:
                known_columns = self.follow(sql)
            finally:
                del self._trial[key]
            after = (
                dict(known_columns.columns)
                if known_columns.known and _distinct(known_columns)
                else {}
            )
            if after == trusts:
                return trusts
            trusts = after
        return {}


def classified_names(contracts: Sequence[Contract], manifest: Mapping[str, Any]) -> frozenset[str]:
    """Names of columns that a contract or the manifest classifies, in any table."""
    names = {
        column.name.lower()
        for contract in contracts
        for column in contract.columns
        if not column.open
    }
    for entry in _entries(manifest):
        names |= {name for name, is_open in _classes(entry) if not is_open}
    return frozenset(names)


def _entries(manifest: Mapping[str, Any]) -> Iterator[Entry]:
    for node in manifest.get("nodes", {}).values():
        if node.get("resource_type", "model") in ("model", "seed", "snapshot"):
            yield node
    for source in manifest.get("sources", {}).values():
        yield {"resource_type": "source", **source}


def _classes(entry: Entry) -> Iterator[tuple[str, bool]]:
    """Columns that carry a class, and whether it is an open one; an unknown word does not open a column."""
    for name, column in (entry.get("columns") or {}).items():
        meta = column.get("meta") or (column.get("config") or {}).get("meta") or {}
        word = str(meta.get("classification") or "").lower()
        if word:
            yield name.lower(), word in OPEN_CLASSES


def _declared(entry: Entry) -> set[str]:
    types = (entry.get("config") or {}).get("column_types") or {}
    return {name.lower() for name in (*(entry.get("columns") or {}), *types)}


def _trust(is_open: bool) -> Trust:
    return Trust.OPEN if is_open else Trust.CLASSIFIED


def _distinct(relation: KnownColumns) -> bool:
    names = [name for name, _ in relation.columns]
    return all(names) and len(set(names)) == len(names)
