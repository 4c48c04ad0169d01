"""One document of the contracts, as far as it can be read; anything in it may be wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TypeVar

from mbp.contracts.document_node import DocumentNode
from mbp.contracts.fault_codes import fault, fault_of
from mbp.contracts.policy import Policy
from mbp.core.errors import MbpError
from mbp.core.reporting import Finding
from mbp.core.yaml_io import NotYamlError, parse, read, read_otherwise

SUFFIX = ".odcs.yaml"


@dataclass(frozen=True)
class QualityEntry:
    """A quality entry; `column` is None when it belongs to the dataset."""

    node: DocumentNode
    column: str | None
    dataset: str

    @property
    def id(self) -> str:
        """The rule's id; empty when it has none."""
        return self.node.at("id").text

    @property
    def subject(self) -> str:
        """What a fault of the entry is about."""
        return self.id or f"a rule of {self.dataset}"


@dataclass(frozen=True)
class ContractFile:
    """A contract that is YAML; anything in it may be wrong.

    Attributes:
        house: it is one of this project, whose descriptions have no other keys than those we read.
        index: which of its tables the checks of one dataset are about.
    """

    root: DocumentNode
    house: bool = False
    index: int = 0

    def tables(self) -> list[ContractFile]:
        """The contract once for each of its tables."""
        count = max(1, len(self.root.at("schema").entries()))
        return [ContractFile(self.root, self.house, index) for index in range(count)]

    @property
    def path(self) -> str:
        """As messages show it."""
        return self.root.path

    @cached_property
    def dataset(self) -> str:
        """The name of the dataset, or what the name of the file says it is."""
        return self.table.at("name").text or dataset_of(self.path)

    @cached_property
    def table(self) -> DocumentNode:
        """The dataset's entry of `schema`."""
        return self.root.at("schema", self.index)

    @cached_property
    def columns(self) -> dict[str, DocumentNode]:
        """Name -> column; of two of one name the first."""
        nodes: dict[str, DocumentNode] = {}
        for column in self.table.at("properties").entries():
            nodes.setdefault(column.at("name").text, column)
        return nodes

    def all_columns(self) -> Iterator[tuple[str, DocumentNode]]:
        """(subject, column) of every column, those of one name too.

        With those inside of columns, which this project refuses in its contracts.
        """
        for column in self.table.at("properties").entries():
            subject = f"{self.dataset}.{column.at('name').text or '?'}"
            yield subject, column
            if not self.house:
                yield from _inner(subject, column)

    @cached_property
    def levels(self) -> dict[str, DocumentNode]:
        """Kind -> service level; of two of one kind the first."""
        nodes: dict[str, DocumentNode] = {}
        for level in self.root.at("slaProperties").entries():
            nodes.setdefault(level.at("property").text, level)
        return nodes

    @cached_property
    def entries(self) -> list[QualityEntry]:
        """The quality entries of the columns and then of the dataset, in their order."""
        holders = [
            *((column, column.at("name").text) for _, column in self.all_columns()),
            (self.table, None),
        ]
        return [
            QualityEntry(node, column, self.dataset)
            for holder, column in holders
            for node in holder.at("quality").entries()
        ]


def _inner(subject: str, column: DocumentNode) -> Iterator[tuple[str, DocumentNode]]:
    waiting = [(subject, column)]
    while waiting:
        subject, column = waiting.pop()
        parts = (("[]", ("items",)), ("{key}", ("map", "key")), ("{}", ("map", "value")))
        inner = [(f"{subject}{mark}", column.at(*steps)) for mark, steps in parts]
        inner += [
            (f"{subject}.{field.at('name').text or '?'}", field)
            for field in column.at("properties").entries()
        ]
        known = [pair for pair in inner if pair[1].mapping]
        yield from known
        waiting += known


def dataset_of(path: str) -> str:
    """The dataset whose contract has that file name."""
    return re.sub(r"(\.odcs)?\.ya?ml$", "", Path(path).name)


def read_document(file: Path, shown_as: str) -> tuple[DocumentNode | None, Sequence[Finding]]:
    """The document as far as it can be read, and what is wrong with it as YAML."""
    try:
        text = read(file, shown_as=shown_as)
    except MbpError as error:
        return None, [fault_of(error, "YAML-003", shown_as)]
    return parsed(text, shown_as)


@lru_cache(maxsize=32)
def parsed(text: str, shown_as: str) -> tuple[DocumentNode | None, Sequence[Finding]]:
    """As `read_document`, of a text; kept by content, because YAML with places is slow."""
    otherwise = [
        fault("TRAP-015", shown_as, line, f"{word} is {value!r} in YAML 1.1", word)
        for line, word, value in read_otherwise(text)
    ]
    try:
        document, twice = parse(text, shown_as=shown_as)
    except MbpError as error:
        code = "YAML-001" if isinstance(error, NotYamlError) else "YAML-003"
        return None, [fault_of(error, code, shown_as)]
    repeated = [
        fault("YAML-002", shown_as, line, f"duplicate key {key!r}, first on line {first}")
        for key, line, first in twice
    ]
    return DocumentNode.root(document, shown_as), [*repeated, *otherwise]


# A contract as a document, and A89 where it can be read.
ReadingCheck = Callable[[ContractFile, Policy | None], Iterator[Finding]]
# In the order in which loading refuses.
READING_CHECKS: dict[ReadingCheck, tuple[str, ...]] = {}


Check = TypeVar("Check")


def registering(
    table: dict[Check, tuple[str, ...]],
) -> Callable[..., Callable[[Check], Check]]:
    """The decorator that notes which codes a check yields."""

    def with_codes(*codes: str) -> Callable[[Check], Check]:
        def register(check: Check) -> Check:
            table[check] = codes
            return check

        return register

    return with_codes


reading_check = registering(READING_CHECKS)
NAMES = re.compile(r"([^./#\s]+)\.([^./#\s]+)")
# Of the ids of the table and the column, in this contract or in the file before the `#`.
PATH = re.compile(r"(?:(?:[^#:]*/)?([^#:/]+)#)?/?schema/([^/]+)/properties/([^/]+)")


def target_of(
    relationship: DocumentNode, files: Mapping[str, ContractFile]
) -> tuple[str, str] | None:
    """(dataset, column) by their names, or None where it leads to no single column of a contract here.

    Args:
        files: dataset -> contract, where the ids of a path are found; an id that none of them has is a name.
    """
    to = relationship.at("to")
    if to.is_list and len(to.entries()) == 1:
        to = to.at(0)
    if names := NAMES.fullmatch(to.text):
        return names[1], names[2]
    path = PATH.fullmatch(to.text)
    if path is None:
        return None
    file, table, column = path.groups()
    dataset = next(
        (name for name, other in files.items() if other.table.at("id").text == table), table
    )
    columns = files[dataset].columns if dataset in files else {}
    name = next((name for name, node in columns.items() if node.at("id").text == column), column)
    return (dataset, name) if file is None or file.startswith(f"{dataset}.") else None
