"""Contracts -> the generated files of the project.

Descriptions, types, thresholds and severities of the public datasets are in the contracts only;
what dbt and readers need of them is compiled from there.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Collection, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment

from mbp.contracts.contract_loading import load_contracts
from mbp.contracts.fault_codes import lint_markdown
from mbp.contracts.model import Contract
from mbp.contracts.model_columns import check_models, model_path
from mbp.contracts.policy import load_policy
from mbp.contracts.raw_columns import logged, own_columns, telemetry
from mbp.contracts.rendering.dbt_properties import (
    change_log_sources_yaml,
    latest_yaml,
    models_yaml,
    seeds_yaml,
    staging_yaml,
    telemetry_sources_yaml,
    telemetry_staging_yaml,
)
from mbp.contracts.rendering.reference import (
    columns_markdown,
    reference_files,
    reference_tables,
    rules_markdown,
)
from mbp.contracts.rendering.semantic import metrics_markdown, metrics_yaml
from mbp.contracts.rendering.test_files import test_files
from mbp.contracts.rendering.yaml_text import MARK
from mbp.contracts.rules import all_rules
from mbp.contracts.semantics import load_semantics
from mbp.contracts.sheet import load_sheet
from mbp.core.files import stale
from mbp.core.settings import load_settings
from mbp.core.templates import SQUARE, templates

MODELS_FILE = "models/marts/mbp/_mbp__models.gen.yml"
SOURCES_FILE = "models/sources/_raw_mbp__sources.gen.yml"
TELEMETRY_SOURCES_FILE = "models/sources/_raw_ops__sources.gen.yml"
STAGING_FILE = "models/staging/mbp/_mbp_staging__models.gen.yml"
TELEMETRY_STAGING_FILE = "models/staging/ops/_ops_staging__models.gen.yml"
LATEST_FILE = "models/intermediate/_intermediate__latest.gen.yml"
SEEDS_FILE = "seeds/sample/_sample__seeds.gen.yml"
GENERIC_TESTS = "tests/dbt/generic"
COLUMNS_FILE = "docs/dbt/columns.md"
RULES_FILE = "docs/reference/rules.md"
METRICS_REFERENCE = "docs/reference/metrics.md"
METRICS_FILE = "models/semantic/_semantic__metrics.gen.yml"
LINT_FILE = "docs/reference/lint.md"
# The datasets, the change logs with the models that are made of them, and which of them are incremental.
DATASETS_FILE = "macros/logs/datasets.gen.sql"
# The families of rules of which a daily run checks only what is new, and other tests that read what is new.
FAMILIES_FILE = "macros/daily/families.gen.sql"
# How many minutes the window of each KPI has, and how often there is a new one.
SHEET_FILE = "macros/measures/sheet.gen.sql"
FIX = "run `mbp contracts render` and commit the result"
# Types that engines spell differently -> the macro that knows how; dbt takes the others as they are.
CASTS = defaultdict(
    str, {"text": "{{ type_string() }}", "timestamptz": "{{ type_timestamp_utc() }}"}
)
# In a test of what is new: what its rows belong to, and the instant by which a change of that concerns them.
SLICE = "rows_to_check("
PARENT = re.compile(r"rows_to_check\((?:model|ref\('\w+'\)), ref\('(\w+)'\)")
INSTANT = re.compile(r"rows_to_check\([^\n]*'(\w+)'\)")
# The key; whether there is a row of it is part of every history.
JOINED = re.compile(r"inner join \w+ on \w+\.(\w+) = \w+\.\1")
# A step that names a dataset for the rest of the query.
IMPORTED = re.compile(r"(\w+) as \(\s*select \* from \{\{ ref\('(\w+)'\) \}\}\s*\)")


def rendered(root: Path) -> dict[str, str | None]:
    """Path in the project -> content, of every generated file; None: it may not be there. Writes nothing.

    Raises:
        MbpError: the contracts cannot be read, or a contract and its model differ.
    """
    contracts = load_contracts(root)
    policy = load_policy(root)
    settings = load_settings(root)
    if settings.hosted:
        check_models(root, contracts)
        return test_files(root, settings, contracts, policy.nightly)
    semantics = load_semantics(root, contracts, policy)
    sheet = load_sheet(root, policy)
    check_models(root, contracts)
    rules = all_rules(contracts)
    collected = telemetry(root)
    measured = {metric.dataset for metric in semantics.metrics}
    incremental = _materialized(root, contracts, "incremental")
    views = _materialized(root, contracts, "view")
    return {
        **_log_models(contracts, incremental),
        DATASETS_FILE: _sql(
            "datasets", contracts=contracts, logs=logged(contracts), incremental=incremental
        ),
        FAMILIES_FILE: _sql(
            "families",
            sliced=[name for name, family in policy.families.items() if family.judges],
            readers=slice_readers(root),
        ),
        SHEET_FILE: _sql("sheet", kpis=sheet.kpis.values()),
        COLUMNS_FILE: columns_markdown(contracts),
        RULES_FILE: rules_markdown(rules, policy.nightly),
        LINT_FILE: lint_markdown(),
        MODELS_FILE: models_yaml(
            contracts, incremental, views, measured, policy.nightly, unenforced(root, contracts)
        ),
        SOURCES_FILE: change_log_sources_yaml(contracts),
        TELEMETRY_SOURCES_FILE: telemetry_sources_yaml(collected),
        SEEDS_FILE: seeds_yaml(contracts, collected),
        STAGING_FILE: staging_yaml(contracts),
        TELEMETRY_STAGING_FILE: telemetry_staging_yaml(collected),
        LATEST_FILE: latest_yaml(contracts),
        **reference_files(reference_tables(rules, policy, sheet, semantics)),
        METRICS_FILE: metrics_yaml(semantics, sheet),
        METRICS_REFERENCE: metrics_markdown(semantics, sheet),
    }


def stale_files(root: Path) -> list[str]:
    """Generated files that are missing or differ from what the contracts say, by path."""
    return stale(root, rendered(root))


def unenforced(root: Path, contracts: Sequence[Contract]) -> dict[str, str]:
    """Datasets that are a seed or a model in Python: dbt enforces no contract of them, their tests and drift do."""
    kinds = {".csv": "seed", ".py": "python"}
    ends = {contract.dataset: model_path(root, contract.dataset).suffix for contract in contracts}
    return {dataset: kinds[end] for dataset, end in ends.items() if end in kinds}


def slice_readers(root: Path) -> dict[str, dict[str, Any]]:
    """Generic test that reads the slice of a daily run -> what no macro can see of its SQL.

    Its digest (a number, because a search for secrets takes a quoted one for a key), and the columns that it reads of
    the dataset to which its rows belong: `since`, an instant that rows are after, so that another one matters to the
    rows after the earlier of both; `value`, any other use, so that another value matters to all of its rows.
    """
    texts = {file.stem: file.read_text("utf-8") for file in (root / GENERIC_TESTS).glob("*.sql")}
    return {
        name: {
            "digest": int.from_bytes(hashlib.sha256(text.encode()).digest()[:6]),
            **_parent_columns(text),
        }
        for name, text in sorted(texts.items())
        if SLICE in text
    }


def _parent_columns(text: str) -> dict[str, list[str]]:
    """The columns of what rows belong to that a test reads, by their use.

    A line with nothing but a column only shows it.
    """
    parents = set(PARENT.findall(text))
    steps = "|".join(step for step, dataset in IMPORTED.findall(text) if dataset in parents)
    named = re.compile(rf"\b(?:{steps})\.(\w+)")
    after = re.compile(rf"(?:\w+ )?\w+\.(?:{'|'.join(INSTANT.findall(text))}) > (?:{steps})\.\w+")
    lines = [line.strip().rstrip(",") for line in text.splitlines() if steps]
    uses = {(column, line) for line in lines for column in named.findall(line)}
    uses = {use for use in uses if not named.fullmatch(use[1]) and not JOINED.fullmatch(use[1])}
    value = {column for column, line in uses if not after.fullmatch(line)}
    since = {column for column, _ in uses} - value
    return {"since": sorted(since), "value": sorted(value)}


def _materialized(root: Path, contracts: Sequence[Contract], kind: str) -> set[str]:
    """Datasets whose model says that it is of the kind: `incremental` adds to its table, `view` has none."""
    return {
        contract.dataset
        for contract in contracts
        if f"materialized='{kind}'"
        in model_path(root, contract.dataset).read_text(encoding="utf-8")
    }


def _log_models(contracts: Sequence[Contract], incremental: Collection[str]) -> dict[str, str]:
    """Path -> SQL of the staging model and of the latest state of every change log.

    Args:
        incremental: datasets whose model adds to its table; their latest state does so too.
    """
    models: dict[str, str] = {}
    for contract, log in logged(contracts):
        columns = own_columns(contract)
        models[f"models/staging/{log.source}/{log.staging}.sql"] = _sql(
            "staging", log=log, columns=columns, casts=CASTS
        )
        models[f"models/intermediate/{log.latest}.sql"] = _sql(
            "latest", log=log, incremental=contract.dataset in incremental
        )
    return models


def _sql(name: str, **values: Any) -> str:
    return _environment().get_template(f"{name}.sql.j2").render(mark=MARK, **values)


@cache
def _environment() -> Environment:
    environment = templates("mbp.contracts", **SQUARE)
    environment.filters["spaced"] = lambda text: re.sub(", *", ", ", text)
    return environment
