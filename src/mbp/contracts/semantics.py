"""A87: the words of the domain and the business metrics, checked against the contracts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jsonschema import Draft201909Validator

from mbp.contracts.model import Contract
from mbp.contracts.plain_text import demand_plain_text
from mbp.contracts.policy import TEXT, Policy, closed
from mbp.core.errors import MbpError
from mbp.core.paths import shown
from mbp.core.schema_check import check, did_you_mean
from mbp.core.yaml_io import line_of, load

GLOSSARY = "contracts/a87/glossary.yaml"
METRICS = "contracts/a87/business_metrics.yaml"
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
    }
)


@dataclass(frozen=True)
class Term:
    """A word of the domain; `dataset` is None for words that belong to no single one."""

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
        MbpError: a file is missing or wrong, a word or metric stands twice, or a metric names an
            owner, a dataset or a column that is not there.
    """
    datasets = {contract.dataset: contract for contract in contracts}
    terms = _terms(root, datasets)
    metrics, horizons = _metrics(root, datasets, policy)
    return Semantics(terms, metrics, horizons)


def _terms(root: Path, datasets: dict[str, Contract]) -> tuple[Term, ...]:
    document, value, path = _read(root, GLOSSARY, GLOSSARY_SCHEMA)
    terms: dict[str, Term] = {}
    for index, entry in enumerate(value["terms"]):
        node = document["terms"][index]
        if entry["term"].lower() in terms:
            raise _refuse(f"the term {entry['term']!r} stands twice", path, line_of(node))
        if "dataset" in entry:
            _known(entry["dataset"], datasets, path, line_of(node, "dataset"))
        definition = " ".join(entry["definition"].split())
        terms[entry["term"].lower()] = Term(entry["term"], definition, entry.get("dataset"))
    return tuple(terms.values())


def _metrics(
    root: Path, datasets: dict[str, Contract], policy: Policy
) -> tuple[tuple[Metric, ...], tuple[int, ...]]:
    document, value, path = _read(root, METRICS, METRICS_SCHEMA)
    metrics: dict[str, Metric] = {}
    for index, entry in enumerate(value["metrics"]):
        node = document["metrics"][index]
        if entry["id"] in metrics:
            raise _refuse(f"the metric {entry['id']!r} stands twice", path, line_of(node))
        policy.check_owner(entry["owner"], path, line_of(node, "owner"))
        _known(entry["dataset"], datasets, path, line_of(node, "dataset"))
        names = [column.name for column in datasets[entry["dataset"]].columns]
        for column in entry["columns"]:
            if column not in names:
                raise MbpError(
                    f"the metric {entry['id']} reads the unknown column {column!r} "
                    f"of {entry['dataset']}",
                    path=path,
                    line=line_of(node, "columns"),
                    cure=did_you_mean(column, names),
                )
        computed = entry.pop("semantic")
        texts = {key: " ".join(entry[key].split()) for key in ("definition", "across")}
        metrics[entry["id"]] = Metric(
            **{**entry, **texts, "columns": tuple(entry["columns"])},
            measures=tuple(computed.values())
            if "measure" in computed
            else (computed["numerator"], computed["denominator"]),
        )
    return tuple(metrics.values()), tuple(value["calibration_horizons_hours"])


def _read(root: Path, file: str, schema: dict[str, Any]) -> tuple[Any, Any, str]:
    """(document with lines, plain value, shown path)."""
    path = shown(root / file, root)
    document = load(root / file, shown_as=path)
    value = check(document, Draft201909Validator(schema), path)
    demand_plain_text(document, path)
    return document, value, path


def _known(dataset: str, datasets: dict[str, Contract], path: str, line: int | None) -> None:
    if dataset not in datasets:
        raise MbpError(
            f"unknown dataset {dataset!r}",
            path=path,
            line=line,
            cure=did_you_mean(dataset, datasets),
        )


def _refuse(what: str, path: str, line: int | None) -> MbpError:
    return MbpError(what, path=path, line=line, cure="keep one of the two")
