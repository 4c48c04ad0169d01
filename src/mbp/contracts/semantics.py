"""A87: the words of the domain and the business metrics, checked against the contracts."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mbp.contracts.contract_file import read_document
from mbp.contracts.document_node import DocumentNode, fault_at
from mbp.contracts.fault_codes import fault
from mbp.contracts.model import Contract
from mbp.contracts.plain_text import plain_text_faults
from mbp.contracts.policy import Policy
from mbp.core.reporting import Finding
from mbp.core.schema_check import TEXT, closed, did_you_mean
from mbp.core.settings import load_settings

GLOSSARY = "contracts/a87/glossary.yaml"
METRICS = "contracts/a87/business_metrics.yaml"
# Of a glossary or of metrics, beside what is wrong in any document.
CODES = frozenset({"A87-008", "A87-009", "A87-010"})
METRIC_TEXTS = ("id", "name", "unit", "grain", "definition", "owner", "dataset", "across")
NAMES = {"type": "array", "minItems": 1, "uniqueItems": True, "items": TEXT}

GLOSSARY_SCHEMA = closed(
    {
        "version": {"const": 1},
        "terms": {
            "type": "array",
            "minItems": 1,
            "items": closed(
                {"term": TEXT, "definition": TEXT, "dataset": TEXT}, optional=("dataset",)
            ),
        },
    }
)
MEASURE = {"type": "string", "pattern": "^[a-z][a-z0-9_]*$"}
COMPUTED = {
    "oneOf": [
        closed({"measure": MEASURE}),
        closed({"numerator": MEASURE, "denominator": MEASURE}),
    ]
}
METRICS_SCHEMA = closed(
    {
        "version": {"const": 1},
        "calibration_horizons_hours": {
            "type": "array",
            "minItems": 1,
            "uniqueItems": True,
            "items": {"type": "integer", "minimum": 1},
        },
        "metrics": {
            "type": "array",
            "minItems": 1,
            "items": closed(
                {
                    "id": {"type": "string", "pattern": "^[a-z][a-z0-9_]*$"},
                    "name": TEXT,
                    "unit": TEXT,
                    "grain": TEXT,
                    "definition": TEXT,
                    "owner": TEXT,
                    "dataset": TEXT,
                    "columns": NAMES,
                    "across": TEXT,
                    "semantic": COMPUTED,
                }
            ),
        },
    },
    optional=("calibration_horizons_hours",),
)


@dataclass(frozen=True)
class Term:
    """A word of the domain; `dataset` is None for words of more than one dataset."""

    term: str
    definition: str
    dataset: str | None


@dataclass(frozen=True)
class Metric:
    """A business metric: what it means and which columns it is computed from.

    Attributes:
        across: what it means over several of its grains.
        measures: of the semantic models; two of them are numerator and denominator.
    """

    id: str
    name: str
    unit: str
    grain: str
    definition: str
    owner: str
    dataset: str
    columns: tuple[str, ...]
    across: str
    measures: tuple[str, ...]


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
            owner, a dataset or a column that is not there.
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
        unread: datasets whose contract cannot be read; nothing is said of their columns.
    """
    faults: list[Finding] = []
    known = (contracts, policy, unread)
    _, terms = _entries(root, (GLOSSARY, GLOSSARY_SCHEMA), ("terms", "term"), known, faults)
    document, metrics = _entries(root, (METRICS, METRICS_SCHEMA), ("metrics", "id"), known, faults)
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
    computed = node.at("semantic")
    names = ("measure",) if computed.at("measure").present else ("numerator", "denominator")
    return Metric(
        **texts,
        columns=tuple(column.text for column in node.at("columns").entries()),
        measures=tuple(computed.at(name).text for name in names),
    )


def _entries(
    root: Path,
    source: tuple[str, dict[str, Any]],
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
        if dataset in contracts:
            columns = {column.name for column in contracts[dataset].columns}
            named += [("column", column, columns) for column in entry.at("columns").entries()]
        for kind, node, there in named:
            if node.text not in there:
                of = f" of {dataset}" if kind == "column" else ""
                message, fix = f"unknown {kind} {node.text!r}{of}", did_you_mean(node.text, there)
                faults.append(fault_at(node, "A87-010", message, name, fix))
    return document, list(entries.values())
