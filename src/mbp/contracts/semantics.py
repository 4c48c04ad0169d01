"""A87: the words of the domain and the business metrics, checked against the contracts."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from mbp.contracts.contract_file import read_document
from mbp.contracts.document_node import DocumentNode, fault_at, plain_text_faults
from mbp.contracts.fault_codes import fault
from mbp.contracts.model import Contract
from mbp.contracts.policy import Policy
from mbp.core.forms import NAME, SOME, Name, Narrowed, Positive, Version, schema_of
from mbp.core.reporting import Finding
from mbp.core.schema_check import Schema, closed, did_you_mean
from mbp.core.settings import load_settings

GLOSSARY = "contracts/a87/glossary.yaml"
METRICS = "contracts/a87/business_metrics.yaml"
# Of a glossary or of metrics, beside what is wrong in any document.
CODES = frozenset({"A87-008", "A87-009", "A87-010"})
METRIC_TEXTS = ("id", "name", "unit", "grain", "definition", "owner", "dataset", "across")
COMPUTED = {
    "oneOf": [closed({"measure": NAME}), closed({"numerator": NAME, "denominator": NAME})],
}
UNIQUE = Narrowed(minItems=1, uniqueItems=True)


@dataclass(frozen=True)
class Term:
    """A word of the domain; `dataset` is None for words of more than one dataset."""

    term: str
    definition: str
    dataset: str | None = None


@dataclass(frozen=True)
class Metric:
    """A business metric. What it is computed from follows from its SQL.

    Attributes:
        dataset: what it says something about; each dataset has a metric.
        across: what it means over several of its grains.
        semantic: `measure`, or `numerator` and `denominator` -> measure of the semantic models.
    """

    id: Name
    name: str
    unit: str
    grain: str
    definition: str
    owner: str
    dataset: str
    across: str
    semantic: Annotated[Mapping[str, str], Narrowed(**COMPUTED)]

    @property
    def measures(self) -> tuple[str, ...]:
        """The measure, or numerator and denominator."""
        names = ("measure", "numerator", "denominator")
        return tuple(self.semantic[name] for name in names if name in self.semantic)


@dataclass(frozen=True)
class GlossaryFile:
    """The whole file."""

    version: Version
    terms: Annotated[tuple[Term, ...], SOME]


@dataclass(frozen=True)
class MetricsFile:
    """The whole file."""

    version: Version
    metrics: Annotated[tuple[Metric, ...], SOME]
    calibration_horizons_hours: Annotated[tuple[Positive, ...], UNIQUE] = ()


@dataclass(frozen=True)
class Semantics:
    """Glossary and business metrics, each in the order of its file, and the horizons of the calibration."""

    terms: tuple[Term, ...]
    metrics: tuple[Metric, ...]
    calibration_horizons_hours: tuple[int, ...]


def load_semantics(root: Path, contracts: Sequence[Contract], policy: Policy) -> Semantics:
    """Reads contracts/a87.

    Raises:
        MbpError: a file is missing or wrong, a word or metric is there twice, or one of them names an
            owner or a dataset that is not there.
    """
    datasets = {contract.dataset: contract for contract in contracts}
    semantics, faults = read_semantics(root, datasets, policy)
    for first in faults:
        raise first.as_error
    return semantics


def read_semantics(
    root: Path,
    contracts: Mapping[str, Contract],
    policy: Policy | None,
    unread: Collection[str] = (),
) -> tuple[Semantics, list[Finding]]:
    """contracts/a87 as far as it can be read, and everything that is wrong with it.

    Args:
        policy: knows the owners; nothing is said of them without it.
        unread: datasets whose contract cannot be read; nothing is said of what names them.
    """
    faults: list[Finding] = []
    known = (contracts, policy, unread)
    _, terms = _entries(root, (GLOSSARY, schema_of(GlossaryFile)), ("terms", "term"), known, faults)
    document, metrics = _entries(
        root, (METRICS, schema_of(MetricsFile)), ("metrics", "id"), known, faults
    )
    horizons = document.at("calibration_horizons_hours").value or () if document else ()
    semantics = Semantics(
        tuple(
            Term(node.at("term").text, node.at("definition").text, node.at("dataset").text or None)
            for node in terms
        ),
        tuple(_metric(node) for node in metrics),
        tuple(horizons),
    )
    return semantics, faults


def _metric(node: DocumentNode) -> Metric:
    texts = {key: node.at(key).text for key in METRIC_TEXTS}
    return Metric(**texts, semantic=node.at("semantic").mapping)


def _entries(
    root: Path,
    source: tuple[str, Schema],
    keys: tuple[str, str],
    known: tuple[Mapping[str, Contract], Policy | None, Collection[str]],
    faults: list[Finding],
) -> tuple[DocumentNode | None, list[DocumentNode]]:
    """The document and its entries, of two of one name the first; what is wrong is added to `faults`.

    Args:
        source: the file and its schema.
        keys: the key of the list, and of the name of an entry.
        known: contracts, policy, and datasets that cannot be read.
    """
    file, schema = source
    contracts, policy, unread = known
    if not (root / file).is_file() and "A87" not in load_settings(root).packs:
        return None, []
    document, unreadable = read_document(root / file, file)
    faults += unreadable
    if document is None:
        return None, []
    wrong = document.violations(schema)
    faults += [
        fault(
            "A87-008",
            file,
            schema_violation.line,
            schema_violation.what,
            fix=schema_violation.fix,
        )
        for schema_violation in wrong
    ]
    faults += plain_text_faults(document)
    entries: dict[str, DocumentNode] = {}
    for entry in document.at(keys[0]).entries():
        name, owner, dataset = (entry.at(key).text for key in (keys[1], "owner", "dataset"))
        if entries.setdefault(name.lower(), entry) is not entry:
            faults.append(
                fault_at(entry, "A87-009", f"the {keys[1]} {name!r} is there twice", name)
            )
        named = [("dataset", entry.at("dataset"), {*contracts, *unread})] if dataset else []
        if policy and owner:
            named.append(("owner", entry.at("owner"), set(policy.owners)))
        for kind, node, there in named:
            if node.text not in there:
                message, fix = f"unknown {kind} {node.text!r}", did_you_mean(node.text, there)
                faults.append(fault_at(node, "A87-010", message, name, fix))
    return document, list(entries.values())
