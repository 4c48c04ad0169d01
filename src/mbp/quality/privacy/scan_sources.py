"""What is scanned: files, the repository, and the warehouse. What could not be scanned is never clean."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import psycopg2

from mbp.contracts import load_contracts
from mbp.contracts.model import Column, Contract
from mbp.contracts.registry.odcs_documents import git
from mbp.core.errors import MbpError
from mbp.core.masking import MASKED, mask
from mbp.core.paths import shown
from mbp.core.reporting.progress import SILENT, Say
from mbp.quality.privacy.privacy_policy import PrivacyPolicy, SourceEntry
from mbp.quality.privacy.scan import scan_file, scan_lines
from mbp.quality.privacy.scanned_parts import SensitiveValue, described
from mbp.runs.envelope import evidence_folder
from mbp.runs.preflight import SAMPLE, raw_origin, refuse_sample_over_loaded
from mbp.runs.run_control import data_state, warehouse_id
from mbp.runs.working_copy import untracked
from mbp.warehouse import Warehouse, connect
from mbp.warehouse.relations import READERS, place

WAREHOUSE_KINDS = ("table", "datasets", "published")
DIGEST = "^[0-9a-f]{64}$"


@dataclass
class Looked:
    """What was scanned in one source.

    Attributes:
        problem: why it counts as not scanned; None when it was.
        note: why it was allowed not to be there.
    """

    id: str
    files: int = 0
    rows: int = 0
    bytes: int = 0
    findings: list[SensitiveValue] = field(default_factory=list)
    problem: str | None = None
    note: str | None = None


class Looker:
    """Scans each file and table once, however many sources name it.

    Attributes:
        warehouse: the id of the warehouse that was scanned; None when it could not be read.
        data: the state of its public datasets; None when they could not be read.
    """

    def __init__(self, root: Path, target: str, policy: PrivacyPolicy) -> None:
        self.root, self.target, self.policy = root, target, policy
        self.warehouse: str | None = None
        self.data: str | None = None
        self._seen: dict[Path, list[SensitiveValue]] = {}

    def look(self, say: Say = SILENT.say) -> list[Looked]:
        """Every source of the policy, in its order."""
        with ExitStack() as stack:
            warehouse: Warehouse | None = None
            unreachable = None
            if any(source_entry.kind in WAREHOUSE_KINDS for source_entry in self.policy.sources):
                try:
                    warehouse = stack.enter_context(connect(self.root, self.target, read_only=True))
                    self.warehouse = warehouse_id(warehouse)
                    self.data = data_state(self.root, warehouse)
                except MbpError as error:
                    unreachable = str(error)
            looked = []
            for source in self.policy.sources:
                say(f"scanning {source.id}")
                looked.append(self._source(source, warehouse, unreachable))
            return looked

    def paths(self, paths: Iterable[Path], looked: Looked) -> None:
        """Files by path; one that the system cannot read is the source's problem, one that was not opened a finding."""
        for path in paths:
            place = shown(path, self.root)
            try:
                data = (
                    path.readlink().as_posix().encode() if path.is_symlink() else path.read_bytes()
                )
                if path not in self._seen:
                    self._seen[path] = scan_file(data, place, self.policy)
            except OSError as error:
                looked.problem = looked.problem or f"{place} cannot be read: {error.strerror}"
                continue
            except MbpError as error:
                looked.problem = looked.problem or str(error)
                continue
            looked.files += 1
            looked.bytes += len(data)
            looked.findings += self._seen[path]

    def _source(
        self, entry: SourceEntry, warehouse: Warehouse | None, unreachable: str | None
    ) -> Looked:
        looked = Looked(entry.id)
        try:
            if entry.kind not in WAREHOUSE_KINDS:
                self.paths(self._files(entry), looked)
            elif warehouse is None:
                looked.problem = unreachable
            else:
                self._tables(entry, warehouse, looked)
        except MbpError as error:
            looked.problem = str(error)
        except (duckdb.Error, psycopg2.Error) as error:
            # The engine's words may quote a value; its kind does not.
            looked.problem = f"the warehouse refuses ({type(error).__name__}): run `mbp build`"
        if looked.problem is None and not looked.files and not looked.rows:
            if exception := self.policy.may_be_missing.get(entry.id):
                looked.note = f"not there: {exception.reason}"
            else:
                looked.problem = "nothing was scanned: it is missing or empty"
        return looked

    def _files(self, entry: SourceEntry) -> Iterator[Path]:
        if entry.kind == "repository":
            tracked = git(self.root, "ls-files", "-z", "--cached", "--", ".").split("\0")
            paths = {self.root / name for name in (*tracked, *untracked(self.root)) if name}
            # What was deleted in the working copy is not there; the place of a submodule cannot be read.
            yield from sorted(path for path in paths if path.is_symlink() or path.exists())
            return
        if entry.kind == "evidence":
            yield from files_below(evidence_folder(self.root))
            return
        for pattern in entry.paths:
            yield from sorted(path for path in self.root.glob(pattern) if path.is_file())

    def _tables(self, entry: SourceEntry, warehouse: Warehouse, looked: Looked) -> None:
        if entry.kind == "table":
            tables: Iterable[Looked] = log_table(warehouse, str(entry.table), self.policy)
        elif entry.kind == "datasets":
            tables = datasets(self.root, warehouse, self.policy)
        else:
            tables = published(self.root, warehouse)
        for table in tables:
            looked.rows += table.rows
            looked.bytes += table.bytes
            looked.findings += table.findings
            if not table.rows:
                looked.problem = f"nothing was scanned: {table.id} is empty"


def files_below(path: Path) -> list[Path]:
    """The file itself, or every file in the folder."""
    if path.is_dir():
        return sorted(file for file in path.rglob("*") if file.is_file() or file.is_symlink())
    return [path] if path.exists() else []


def log_table(warehouse: Warehouse, table: str, policy: PrivacyPolicy) -> Iterator[Looked]:
    """All text columns of a raw table, `family.table`, of the sample or of what was loaded.

    Raises:
        MbpError: the sample is asked for in a warehouse of loaded data: its lines tell nothing of the services.
    """
    refuse_sample_over_loaded(warehouse)
    family, _, name = table.partition(".")
    schema = f"{'sample' if raw_origin() == SAMPLE else 'raw'}_{family}"
    columns, rows = warehouse.query(f"select * from {place(schema, name)}")
    looked = Looked(f"{schema}.{name}", rows=len(rows))
    for index, column in enumerate(columns):
        texts = [(mask(row[0]), row[index]) for row in rows if isinstance(row[index], str)]
        looked.bytes += sum(len(text) for _, text in texts)
        looked.findings += scan_lines(texts, f"{looked.id}.{column}", column, policy)
    yield looked


def datasets(root: Path, warehouse: Warehouse, policy: PrivacyPolicy) -> Iterator[Looked]:
    """Text of the public datasets. Pseudonyms must be digests; anything else could be the name itself."""
    for contract in load_contracts(root):
        schema = contract.schema_in(warehouse)
        rows = _count(warehouse, schema, contract)
        looked = Looked(f"{schema}.{contract.dataset}", rows=rows)
        for column in contract.columns:
            if column.logical_type != "string" or column.reference or _listed(contract, column):
                continue
            values = _distinct(warehouse, schema, contract, column.name)
            looked.bytes += sum(len(text) for _, text in values)
            where = f"{looked.id}.{column.name}"
            if hashed(column):
                what = "no digest in a column of digests"
                looked.findings += [
                    described("not_hashed", what, f"{where} row {key}", text)
                    for key, text in values
                    if not re.fullmatch(DIGEST, text)
                ]
            else:
                looked.findings += scan_lines(values, where, column.name, policy)
        yield looked


def published(root: Path, warehouse: Warehouse) -> Iterator[Looked]:
    """What readers see: every value of a classified column is masked."""
    for contract in load_contracts(root):
        rows = _count(warehouse, READERS, contract)
        looked = Looked(f"{READERS}.{contract.dataset}", rows=rows)
        for column in contract.columns:
            if column.open:
                continue
            where, what = f"{looked.id}.{column.name}", "a classified column is shown"
            looked.findings += [
                described("not_masked", what, f"{where} row {key}", text)
                for key, text in _distinct(warehouse, READERS, contract, column.name)
                if not MASKED.fullmatch(text)
            ]
        yield looked


def hashed(column: Column) -> bool:
    """Whether the contract guarantees digests, or the name says so."""
    return column.options.get("pattern") == DIGEST or column.name.endswith("_hash")


def _listed(contract: Contract, column: Column) -> bool:
    """Whether its values are a closed list that the contract tests."""
    return any(
        rule.column == column.name and rule.family == "accepted_values" for rule in contract.rules
    )


def _distinct(
    warehouse: Warehouse, schema: str, contract: Contract, column: str
) -> list[tuple[str, str]]:
    """(mark of a row, value) for every value once."""
    _, rows = warehouse.query(
        f'select min("{contract.key.name}"), "{column}" from {place(schema, contract.dataset)}'
        f' where "{column}" is not null group by 2 order by 1'
    )
    return [(str(mask(key)), str(value)) for key, value in rows]


def _count(warehouse: Warehouse, schema: str, contract: Contract) -> int:
    return int(warehouse.query(f"select count(*) from {place(schema, contract.dataset)}")[1][0][0])
