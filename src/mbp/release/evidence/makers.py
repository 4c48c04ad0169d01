"""Members that no file holds yet: each maker gives its own, by path, from project and warehouse as they are now."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import cached_property
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any

from mbp.contracts.alarm_limits import load_limits
from mbp.contracts.compatibility.diff import bump_of, demanded_bump, diff, fingerprint
from mbp.contracts.contract_status import matrix, matrix_document
from mbp.contracts.published_versions import datasets, newest_published, published
from mbp.contracts.registry.life import stage
from mbp.contracts.registry.odcs_documents import working
from mbp.contracts.registry.registry_view import record
from mbp.core.errors import MbpError
from mbp.core.files import read_bytes
from mbp.core.paths import shown
from mbp.core.reporting.output_forms import dumps
from mbp.core.reporting.spreadsheet import csv_for_people
from mbp.core.settings import load_settings
from mbp.operate.hooks.watch import look_in
from mbp.release.evidence.statement import relation_path, report_path
from mbp.release.gate.gate_report import GateReport
from mbp.release.report.report_collect import watch_facts
from mbp.release.report.report_page import charts
from mbp.runs.artifacts import read_artifact
from mbp.runs.dbt_process import target_path
from mbp.warehouse import Warehouse
from mbp.warehouse.connection import Rows, quote_identifier
from mbp.warehouse.relations import query

Members = Mapping[str, bytes]
RELATION = re.compile(r"[a-z][a-z0-9_]*[.][a-z][a-z0-9_]*")
PAGE = "static_index.html"
ARTIFACTS = ("manifest.json", "run_results.json", "catalog.json", PAGE)
STATE = ("commit", "clean", "source", "target", "warehouse", "data")
LOCKS = ("requirements.lock", "scripts/bootstrap.lock", "packages.yml")
EVALUATIONS = "reliability.hook_evaluations"
SPANS, LATENCY = "staging.stg_ops__otel_spans", "reliability.kpi_decision_latency"


@dataclass(frozen=True)
class Work:
    """What makers work from.

    Attributes:
        markdown: the report for people.
        warehouse: the report's target, open for reading.
    """

    root: Path
    report: GateReport
    markdown: str
    warehouse: Warehouse

    @cached_property
    def document(self) -> dict[str, Any]:
        """The report in JSON's own types."""
        return self.report.document()


Maker = Callable[[Work], Members]
MAKERS: dict[str, Maker] = {}


def maker(function: Maker) -> Maker:
    """Registers a function under its name."""
    MAKERS[function.__name__] = function
    return function


def as_json(value: Any) -> bytes:
    """Readable JSON with one form."""
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, default=str)
    return f"{text}\n".encode()


@maker
def gate_report(work: Work) -> Members:
    """The report, and the same for people."""
    path = report_path(work.report.gate)
    return {
        path: as_json(work.document),
        path.removesuffix(".json") + ".md": work.markdown.encode("utf-8"),
    }


@maker
def dbt_artifacts(work: Work) -> Members:
    """What dbt left of the build. `dbt docs generate` writes its own results over those of a build before it."""
    folder = target_path(work.root)
    which = read_artifact(folder, "run_results.json", work.root).get("args", {}).get("which")
    if which != "build":
        raise MbpError(
            f"holds the results of `dbt {which}`, expected those of a build",
            path=shown(folder / "run_results.json", work.root),
            fix="mbp build",
        )
    results: dict[str, bytes] = {}
    # The page of dbt docs says no more than manifest and catalog, and holds the code of others.
    wanted = [name for name in ARTIFACTS if name != PAGE or not load_settings(work.root).hosted]
    for name in wanted:
        place = shown(folder / name, work.root)
        content = dict(files_below(work.root, place))
        if not content:
            raise MbpError("is not there", path=place, fix="mbp build")
        results.update(content)
    return results


@maker
def contract_status(work: Work) -> Members:
    """Datasets by packs, as of the day of the decision."""
    cells = matrix(work.root, work.report.decided_at.date())
    return {"contracts/status.json": dumps(matrix_document(cells)).encode("utf-8")}


@maker
def registry_heads(work: Work) -> Members:
    """The newest published version of each dataset."""
    heads = []
    for dataset in datasets(work.root):
        head = newest_published(work.root, dataset)
        if head is not None:
            version = str(head.version)
            heads.append(
                {
                    "dataset": dataset,
                    "subject": head.subject,
                    "version": version,
                    "status": stage(work.root, dataset, version)["status"],
                    "sha256": head.sha256,
                    "path": head.path,
                }
            )
    if not heads:
        raise MbpError("nothing is published", fix="mbp registry publish")
    return {"contracts/registry_heads.json": as_json(heads)}


@maker
def contract_diffs(work: Work) -> Members:
    """Every change from one published version to the next, and from the newest to the working contract."""
    contracts = working(work.root)
    steps = []
    for dataset in sorted(contracts):
        versions = sorted(published(work.root, dataset), key=lambda version: version.version)
        documents = [(str(version.version), version.contract) for version in versions]
        documents.append(("working", contracts[dataset]))
        for (old, before), (new, after) in pairwise(documents):
            steps.append({"dataset": dataset, "from": old, "to": new, **_changes(before, after)})
    return {"contracts/diffs.json": as_json(steps)}


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    changes = diff(before, after)
    records = [
        {**record(change), "bump": bump_of(change), "fingerprint": fingerprint(change)}
        for change in changes
    ]
    return {"bump": demanded_bump(changes), "changes": records}


@maker
def quality_results(work: Work) -> Members:
    """Every verdict of the newest recorded run of each engine."""
    name = "reliability.dq_results"
    columns, rows = query(
        work.warehouse,
        f"select results.* from {name} as results inner join (select engine, run_id, row_number() over"
        " (partition by engine order by max(executed_at) desc, run_id desc) as newest"
        f" from {name} group by engine, run_id) as runs on results.engine = runs.engine"
        " and results.run_id = runs.run_id where runs.newest = 1",
        name,
    )
    return {"quality/newest_results.csv": as_csv(columns, rows)} if rows else {}


@maker
def watcher_evaluations(work: Work) -> Members:
    """When each hook was evaluated last. What it decided is in the ledger, whole."""
    columns, rows = query(
        work.warehouse,
        f"select every_one.* from {EVALUATIONS} as every_one inner join (select hook_id,"
        f" max(evaluated_at) as newest_at from {EVALUATIONS} group by hook_id) as newest"
        " on every_one.hook_id = newest.hook_id and every_one.evaluated_at = newest.newest_at",
        EVALUATIONS,
    )
    return {relation_path(EVALUATIONS): as_csv(columns, rows)}


@maker
def slow_traces(work: Work) -> Members:
    """The decisions that a percentile rests on, counted as kpi_decision_latency counts them."""
    skew = load_limits(work.root).skew_seconds
    columns, rows = query(
        work.warehouse,
        "with spans as (select trace_id, span_id, max(ended_at) as ended_at,"
        " max(duration_nanoseconds) as duration_nanoseconds, max(http_status_code) as http_status_code"
        f" from {SPANS} where span_name = 'decision.core' and duration_nanoseconds >= 0"
        f" and loaded_at >= ended_at - interval '{skew:g} seconds' group by trace_id, span_id)"
        " select windows.window_start, windows.window_end, windows.p95_ms, spans.trace_id, spans.span_id,"
        f" spans.duration_nanoseconds, spans.http_status_code from {LATENCY} as windows"
        " inner join spans on spans.ended_at >= windows.window_start and spans.ended_at < windows.window_end"
        " where spans.duration_nanoseconds >= windows.p95_ms * 1000000",
        f"{SPANS} or {LATENCY}",
    )
    return {"traces/slowest_decisions.csv": as_csv(columns, rows)} if rows else {}


@maker
def kpi_charts(work: Work) -> Members:
    """A picture per KPI, as in the report."""
    watch = watch_facts(look_in(work.root, work.warehouse))
    pictures = charts(watch)
    kpis = [kpi.row.kpi for kpi in watch.kpis]
    return {f"kpis/{kpi}.svg": pictures[kpi].encode("utf-8") for kpi in kpis}


@maker
def named_by_checks(work: Work) -> Members:
    """Files, folders and relations that the report names; what a passed check rests on must be there."""
    results: dict[str, bytes] = {}
    for result in work.report.results:
        for place in result.evidence:
            members = {}
            if RELATION.fullmatch(place) and not (work.root / place).exists():
                if relation_path(place) not in results and place != EVALUATIONS:
                    members = {relation_path(place): relation(work.warehouse, place)}
            else:
                members = dict(files_below(work.root, place))
                if not members and result.verdict == "pass" and Path(place).suffix:
                    raise MbpError(
                        f"{place} is not there, and check {result.id} rests on it",
                        fix=f"run the gate again: mbp gate {work.report.gate}",
                    )
            results.update(members)
    return results


def files_below(root: Path, place: str) -> Iterator[tuple[str, bytes]]:
    """(path in the project, content) of a file, or of every file in a folder.

    Raises:
        MbpError: it is a link, leads out of the project, or cannot be read.
    """
    path = root / place
    paths = sorted(path.rglob("*")) if path.is_dir() and not path.is_symlink() else [path]
    for file in paths:
        if file.is_symlink() or not file.resolve().is_relative_to(root.resolve()):
            raise MbpError(
                "a link, or outside of the project: it is not what the source has",
                path=place,
                fix="put the file itself there",
            )
        if file.is_file():
            yield file.relative_to(root).as_posix(), read_bytes(file, place)


@maker
def state(work: Work) -> Members:
    """Commit, source, data, and what the environment is locked to."""
    report = work.document
    locks = {name: sha256(content).hexdigest() for name, content in _locks(work.root)}
    kept = {key: report[key] for key in STATE}
    return {"state.json": as_json({**kept, "locks": locks})}


def _locks(root: Path) -> Iterator[tuple[str, bytes]]:
    hosted = load_settings(root).hosted
    for name in LOCKS:
        if not hosted or (root / name).is_file():
            yield name, read_bytes(root / name, name)


def relation(warehouse: Warehouse, name: str) -> bytes:
    """All rows of `schema.relation`.

    Raises:
        MbpError: it cannot be read.
    """
    quoted = ".".join(quote_identifier(part) for part in name.split("."))
    columns, rows = query(warehouse, f"select * from {quoted}", name)
    return as_csv(columns, rows)


def as_csv(columns: Sequence[str], rows: Rows) -> bytes:
    """CSV after RFC 4180, rows sorted; what is null is empty, as empty text is."""
    messages = sorted([_told(value) for value in row] for row in rows)
    return csv_for_people(columns, messages).encode("utf-8")


def _told(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat() if value.tzinfo else value.isoformat()
    if isinstance(value, Decimal):
        return f"{value:f}"
    return str(value)
