"""The files that lint looks at, each as far as it can be read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from mbp.contracts.contract_loading import SUFFIX
from mbp.contracts.lint.nodes import DocumentNode
from mbp.contracts.rules import BOUNDS
from mbp.core.errors import MbpError
from mbp.core.reporting import Finding
from mbp.core.yaml_io import NotYamlError, duplicates, loads, read
from mbp.core.yaml_lines import plain_document


@dataclass(frozen=True)
class QualityEntry:
    """A quality entry; `column` is None when it stands on the dataset."""

    node: DocumentNode
    column: str | None

    @property
    def id(self) -> str:
        """The rule's id; empty when it has none."""
        return self.node.at("id").text


@dataclass(frozen=True)
class DerivedRule:
    """A rule that follows from the schema or a promise, as `mbp.contracts.rules` would make it."""

    id: str
    family: str
    node: DocumentNode


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
        found: dict[str, DocumentNode] = {}
        for column in self.table.at("properties").entries():
            found.setdefault(column.at("name").text, column)
        return found

    @cached_property
    def levels(self) -> dict[str, DocumentNode]:
        """Kind -> service level; of two of one kind the first."""
        found: dict[str, DocumentNode] = {}
        for level in self.root.at("slaProperties").entries():
            found.setdefault(level.at("property").text, level)
        return found

    @cached_property
    def entries(self) -> list[QualityEntry]:
        """The quality entries of the columns and of the dataset, in the order of the loader."""
        found = [
            QualityEntry(node, column.at("name").text)
            for column in self.table.at("properties").entries()
            for node in column.at("quality").entries()
        ]
        return found + [QualityEntry(node, None) for node in self.table.at("quality").entries()]

    @cached_property
    def derived(self) -> list[DerivedRule]:
        """The rules that follow from the columns and the service levels."""
        return list(_derived(self))

    @cached_property
    def families(self) -> set[str]:
        """Families of all rules, derived and explicit."""
        explicit = {
            entry.node.custom()["family"].text
            for entry in self.entries
            if "family" in entry.node.custom()
        }
        return {rule.family for rule in self.derived} | explicit


def dataset_of(path: str) -> str:
    """The dataset whose contract has that file name."""
    return re.sub(r"(\.odcs)?\.ya?ml$", "", Path(path).name)


def families_of_options(column: DocumentNode) -> Iterator[str]:
    """Families whose thresholds logicalTypeOptions state."""
    options = column.at("logicalTypeOptions").mapping
    if BOUNDS & options.keys():
        yield "range"
    if "pattern" in options:
        yield "pattern"
    if {"minLength", "maxLength"} & options.keys():
        yield "length"


def _derived(contract: ContractFile) -> Iterator[DerivedRule]:
    referring = [
        name for name, one in contract.columns.items() if one.at("relationships").entries()
    ]
    for name, column in contract.columns.items():
        parts: list[tuple[str, str]] = []
        if column.at("required").value is True:
            parts.append((f"{name}_not_null", "not_null"))
        if column.at("unique").value is True or column.at("primaryKey").value is True:
            parts.append((f"{name}_unique", "unique"))
        if name in referring:
            parts.append((f"{name}_fk" if len(referring) > 1 else "fk", "foreign_key"))
        parts += [(f"{name}_{family}", family) for family in families_of_options(column)]
        for suffix, family in parts:
            yield DerivedRule(f"{contract.dataset}_{suffix}", family, column)
    for kind, family in (
        ("freshness", "freshness"),
        ("latency", "latency"),
        ("completeness", "cdc_no_loss"),
    ):
        if kind in contract.levels:
            yield DerivedRule(f"{contract.dataset}_{family}", family, contract.levels[kind])
    if any(column.at("primaryKey").value is True for column in contract.columns.values()):
        yield DerivedRule(f"{contract.dataset}_cdc_order", "cdc_order", contract.table)


def read_document(file: Path, shown_as: str) -> tuple[DocumentNode | None, Sequence[Finding]]:
    """The document as far as it can be read, and what is wrong with it as YAML."""
    try:
        text = read(file, shown_as=shown_as)
    except MbpError as error:
        return None, [Finding("YAML-003", error.what, shown_as)]
    return _parsed(text, shown_as)


@lru_cache(maxsize=32)
def _parsed(text: str, shown_as: str) -> tuple[DocumentNode | None, Sequence[Finding]]:
    """Kept by content: whoever lints again has changed one file of many, and YAML with places is slow."""
    document = plain_document(text)
    if document is not None:
        return DocumentNode.root(document, shown_as), []
    try:
        document = loads(text, shown_as=shown_as, allow_duplicates=True, exact=True)
    except NotYamlError as error:
        return None, [Finding("YAML-001", error.what, shown_as, error.line)]
    except MbpError as error:
        return None, [Finding("YAML-003", error.what, shown_as)]
    problems = [
        Finding("YAML-002", f"the key {key!r} stands twice, first on line {first}", shown_as, line)
        for key, line, first in duplicates(text)
    ]
    return DocumentNode.root(document, shown_as), problems


def is_contract_name(name: str) -> bool:
    """The loader would read a file of that name."""
    return name.endswith(SUFFIX)
