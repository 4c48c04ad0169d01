"""The effect of changed contracts on those who read the data, and on the rows of the warehouse."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import Any

from mbp.contracts import load_contracts
from mbp.contracts.compatibility.change_model import Change, SchemaNode
from mbp.contracts.compatibility.odcs_tables import tables
from mbp.contracts.model import OPEN_CLASSES
from mbp.contracts.registry.odcs_documents import working
from mbp.contracts.registry.proof import broken_rows, provable, rule_of
from mbp.contracts.registry.registry_view import Impact, Impacts, changed_columns
from mbp.contracts.registry.version_check import Checked
from mbp.contracts.rendering.code_owners import load_owners
from mbp.core.errors import MbpError
from mbp.core.masking import plain_row
from mbp.quality.classes import Classes
from mbp.quality.column_readers import ColumnReaders
from mbp.quality.samples import SampleQuery, classes_of, take_sample
from mbp.runs.artifacts import read_artifact
from mbp.runs.dbt_process import target_path
from mbp.warehouse import connect

PRIVACY = "/contracts/a108/"
MANIFEST = "manifest.json"


def impacts(root: Path, checked: Sequence[Checked], target: str | None = None) -> Impacts:
    """The effect of each change of a checked dataset; a dataset without changes has none.

    What cannot be measured here is a note: without a manifest no reader is known, without a warehouse no row.
    """
    results: dict[tuple[str, str], Impact] = {}
    with ExitStack() as stack:
        look = _Look(root, target, stack)
        for result in checked:
            for judged in result.news:
                key = (result.dataset, judged.fingerprint)
                results[key] = look.impact(result.dataset, judged.change)
    return results


class _Look:
    """What is read once for all changes, and only when a change needs it."""

    def __init__(self, root: Path, target: str | None, stack: ExitStack) -> None:
        self.root, self.target, self.stack = root, target, stack

    def impact(self, dataset: str, change: Change) -> Impact:
        table = self.tables.get(dataset)
        columns = changed_columns(change, table)
        if columns is not None and not columns:
            return Impact((), tuple(self._masking(dataset, change)))
        readers = tuple(self.graph.readers(dataset, columns)) if self.graph else None
        notes, row = self._rows(change, table) if table and provable(change) else ((), {})
        return Impact(readers, (*notes, *self._masking(dataset, change)), row)

    @cached_property
    def tables(self) -> Mapping[str, SchemaNode]:
        return {
            name: table
            for dataset, document in working(self.root).items()
            for name, table in tables(document, dataset).items()
        }

    @cached_property
    def manifest(self) -> Mapping[str, Any] | None:
        try:
            return read_artifact(target_path(self.root), MANIFEST, self.root)
        except MbpError:
            return None

    @cached_property
    def graph(self) -> ColumnReaders | None:
        return ColumnReaders(self.manifest) if self.manifest else None

    @cached_property
    def warehouse(self) -> Any:
        """The open warehouse, or the reason why there is none."""
        try:
            return self.stack.enter_context(connect(self.root, self.target, read_only=True))
        except MbpError as error:
            return error.what

    @cached_property
    def classes(self) -> Classes:
        return classes_of(load_contracts(self.root), self.manifest or {}, self.warehouse)

    def _rows(self, change: Change, table: SchemaNode) -> tuple[tuple[str, ...], Mapping[str, Any]]:
        """How many rows a tightening breaks, and one of them."""
        not_counted = "the rows that it breaks were not counted"
        if isinstance(self.warehouse, str):
            return (f"{not_counted}: {self.warehouse}",), {}
        rule = rule_of(change, table)
        if rule is not None and self._stale(table.name):
            return (f"{not_counted}: run `mbp build` with the changed rule",), {}
        queries = dict(self._rule_queries()) if rule is not None else {}
        query = broken_rows(change, table, self.warehouse.engine, queries)
        if query is None:
            return (f"{not_counted}: no query decides it",), {}
        count = f"select count(*) from (\n{query}\n) as failing"
        sample = take_sample(
            SampleQuery(query, count), self.warehouse, limit=1, classes=self.classes
        )
        if sample.failing_rows is None:
            return (f"{not_counted}: {sample.note}",), {}
        rows = "row" if sample.failing_rows == 1 else "rows"
        note = f"{sample.failing_rows:,} {rows} of the {self.warehouse.engine} warehouse would be invalid"
        return (note,), plain_row(sample.rows[0]) if sample.rows else {}

    def _stale(self, dataset: str) -> bool:
        """The compiled rules may be older than the contract."""
        manifest = target_path(self.root) / MANIFEST
        contract = self.root / "contracts" / "a106" / f"{dataset}.odcs.yaml"
        return not manifest.is_file() or manifest.stat().st_mtime < contract.stat().st_mtime

    def _rule_queries(self) -> Iterator[tuple[str, str]]:
        for node in (self.manifest or {}).get("nodes", {}).values():
            rule_id = ((node.get("config") or {}).get("meta") or {}).get("rule_id")
            if node.get("resource_type") == "test" and rule_id and node.get("compiled_code"):
                yield str(rule_id), str(node["compiled_code"]).strip().rstrip(";")

    def _masking(self, dataset: str, change: Change) -> Iterator[str]:
        """What a weaker classification means for readers, and whose decision it is."""
        if not change.code.startswith("classification_") or change.code.endswith("_raised"):
            return
        before, after = (str(value).lower() in OPEN_CLASSES for value in (change.old, change.new))
        column = change.path.removesuffix(".classification")
        if after and not before:
            yield f"masking ends: every reader sees the values of {column}"
        elif not before:
            yield f"the values of {column} stay masked"
        owners = load_owners(self.root)
        owner = next(
            contract.owner for contract in load_contracts(self.root) if contract.dataset == dataset
        )
        approvers = dict.fromkeys([owner, owners.paths.get(PRIVACY, owners.default)])
        yield f"{' and '.join(approvers)} must approve"
