"""`mbp build`: from raw change logs to tested, documented datasets, with one summary at the end."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb
import psycopg2

from mbp.contracts import Contract, all_rules, load_contracts
from mbp.contracts.rendering.render import FIX, stale_files
from mbp.contracts.waiver import WaivedRules, no_waivers
from mbp.core.errors import MbpError
from mbp.core.paths import shown
from mbp.core.reporting.progress import progress
from mbp.core.settings import load_settings
from mbp.ingest.loading.source_facts import SourceFacts, source_facts
from mbp.operate.degrade.reader_snapshot import take
from mbp.operate.degrade.switch import as_of
from mbp.operate.summary import BuildSummary, as_json, count_by_pack
from mbp.quality.coverage.coverage_measure import Count
from mbp.quality.coverage.documentation_coverage import measure_project
from mbp.quality.failures import LastRun, findings_of_last_run
from mbp.quality.measurable import UNMEASURED, not_measurable, note_unmeasured_kpis, unmeasured_kpis
from mbp.runs import envelope
from mbp.runs.claims import Claim
from mbp.runs.dbt_process import DbtOutcome, demand, log_file, run_dbt, target_name, target_path
from mbp.runs.envelope import Begun
from mbp.runs.preflight import (
    SAMPLE,
    check_seeds,
    install_packages,
    raw_origin,
    refuse_sample_over_loaded,
)
from mbp.runs.run_control import data_state, warehouse_id
from mbp.warehouse import connect
from mbp.warehouse.relations import exists

BUILT = ("model", "seed", "snapshot")
DOCS_PAGE = "static_index.html"


@dataclass(frozen=True)
class BuildRequest:
    """What the reader asked for: dbt target, rebuild from scratch, a selection of nodes, and a snapshot."""

    root: Path
    target: str | None = None
    full_refresh: bool = False
    select: Sequence[str] = ()
    snapshot: bool = True
    waived_rules: WaivedRules = no_waivers


def build(request: BuildRequest) -> BuildSummary:
    """Checks, builds, tests and documents the project.

    Raises:
        MbpError: something that must be there is not (stale contracts, a seed file, the warehouse),
            dbt could not run at all, or nothing was tested.
    """
    started = time.perf_counter()
    root = request.root
    begun = envelope.begin(root)
    target = target_name(root, request.target)
    hosted = load_settings(root).hosted
    raw = "" if hosted else raw_origin()
    # dbt build prints its own lines; what comes before and after it is quiet for seconds.
    with progress() as shown:
        shown.say("checking contracts, seeds and the warehouse")
        check_rendered(root)
        if not hosted:
            check_seeds(root)
        with connect(
            root, target
        ) as warehouse:  # one that is down or locked is reported before dbt starts
            if not hosted:
                refuse_sample_over_loaded(warehouse)
            facts = source_facts(root, warehouse)
        install_packages(root)
        shown.say("parsing the dbt project")
        parsed = demand(run_dbt(root, ["parse"], target=target, quiet=True))
        reasons = not_measurable(root, all_rules(contracts_of(root)), facts)
        _note_unmeasured(root, target, facts, parsed.result)
    arguments = ["build"]
    # A log only grows, so increments are safe; the sample is replaced as a whole, and they are not.
    if request.full_refresh or raw == SAMPLE:
        arguments.append("--full-refresh")
    if request.select:
        arguments += ["--select", *request.select]
    left_out = names_of_tests(parsed.result.nodes, reasons)
    if left_out:
        arguments += ["--exclude", *left_out]
    with progress() as shown:
        shown.say(f"building and testing; the log of dbt is {log_file()}")
        outcome = run_dbt(
            root,
            arguments,
            target=target,
            manifest=parsed.result,
            quiet=True,
            count=lambda done, of: shown.count("built and tested", done, of, "nodes"),
        )
    if outcome.problem:
        raise MbpError(
            f"dbt build stopped: {outcome.problem}",
            fix="fix what it names; `mbp doctor` checks the machine",
        )
    with progress() as shown:
        shown.say("writing the documentation and summing up")
        documented = run_dbt(
            root,
            ["docs", "generate", "--no-compile", "--static"],
            target=target,
            manifest=parsed.result,
            quiet=True,
        )
        run = findings_of_last_run(root, target)
        summary = _summarise(
            request,
            run,
            target=target,
            raw=raw,
            facts=facts,
            documented=documented,
            started=started,
        )
    if request.snapshot and not request.select and not hosted:
        message = (
            take_snapshot(root, target, request.waived_rules)
            if summary.passed
            else "kept: this build did not pass"
        )
        summary = replace(summary, snapshot=message, seconds=time.perf_counter() - started)
    if not request.select:
        write_evidence(begun, target, summary, run.claim)
    return summary


def _note_unmeasured(root: Path, target: str, facts: SourceFacts, manifest: Any) -> None:
    """Before the models of the KPIs are built; a warehouse without a run of dbt has no table for it."""
    reasons = unmeasured_kpis(root, facts)
    with connect(root, target) as warehouse:
        there = exists(warehouse, *UNMEASURED.split("."))
    if not there:
        if not reasons:
            return
        arguments = ["run-operation", "make_run_tables"]
        demand(run_dbt(root, arguments, target=target, manifest=manifest, quiet=True))
    with connect(root, target) as warehouse:
        note_unmeasured_kpis(warehouse, reasons)


def write_evidence(begun: Begun, target: str, summary: BuildSummary, claim: Claim) -> None:
    """What a build of the whole project came to, with the source, run and data that it is of."""
    data = identity = None
    try:
        with connect(begun.root, target, read_only=True) as warehouse:
            identity = warehouse_id(warehouse)
            data = data_state(begun.root, warehouse)
    except MbpError:
        pass  # what was not built has no state, and the verdict below says so
    envelope.write(
        begun,
        "build",
        summary=f"{summary.models_built} models built, {summary.models_failed} failed"
        + "".join(f"; {note}" for note in summary.partial),
        content=as_json(summary),
        target=target,
        warehouse=identity,
        data=data,
        run=claim,
    )


def take_snapshot(root: Path, target: str, waived_rules: WaivedRules) -> str:
    """Stores what a green build published, for readers that are degraded later; what came of it."""
    started = time.perf_counter()
    try:
        taken = take(root, target, waived_rules)
    except MbpError as error:
        return f"NOT taken: {error}"
    seconds = time.perf_counter() - started
    return f"number {taken[0].generation}, as of {as_of(taken)}, in {seconds:.1f} s"


def names_of_tests(nodes: Mapping[str, Any], rule_ids: Mapping[str, str]) -> list[str]:
    """dbt names of the tests that carry one of `rule_ids`.

    Raises:
        MbpError: a rule that no test carries: excluding it would exclude nothing.
    """
    names: dict[str, str] = {}
    for node in nodes.values():
        if str(node.resource_type) == "test":
            names[str(node.config.meta.get("rule_id") or node.name)] = str(node.name)
    unknown = sorted(set(rule_ids) - names.keys())
    if unknown:
        raise MbpError(
            f"no dbt test carries the rule {', '.join(unknown)}", fix="run `mbp contracts render`"
        )
    return sorted(names[rule_id] for rule_id in rule_ids)


def _summarise(
    request: BuildRequest,
    run: LastRun,
    *,
    target: str,
    raw: str,
    facts: SourceFacts,
    documented: DbtOutcome,
    started: float,
) -> BuildSummary:
    root = request.root
    built = {
        run.manifest["nodes"][result["unique_id"]]["name"]: result["status"]
        for result in run.run_results["results"]
        if result["unique_id"].startswith("model.")
    }
    ran = {str(result["unique_id"]) for result in run.run_results["results"]}
    names = {node["name"] for key, node in run.manifest["nodes"].items() if key in ran}
    datasets = [contract.dataset for contract in run.contracts if contract.dataset in names]
    rows = count_rows(root, target, run.manifest, datasets)
    notes: list[str] = []
    coverage: Count | None = None
    if documented.success:
        coverage = coverage_of(root, notes)
    else:
        notes.append(f"the documentation was not written: {documented.problem or 'dbt failed'}")
    page = target_path(root) / DOCS_PAGE
    succeeded = sum(status == "success" for status in built.values())
    return BuildSummary(
        target=target,
        raw=raw,
        models_built=succeeded,
        models_failed=len(built) - succeeded,
        tests=count_by_pack(run.findings),
        rows=rows,
        empty=empty_datasets(rows, facts),
        coverage=coverage,
        docs=shown(page, root) if documented.success and page.is_file() else None,
        findings=[finding for finding in run.findings if not finding.holds],
        notes=notes,
        seconds=time.perf_counter() - started,
        selected=bool(request.select),
        # A part is what was asked for; that the rows were not read, or the files changed, was not.
        partial=run.notes if request.select else [objection.text for objection in run.objections],
    )


def empty_datasets(rows: Mapping[str, int | None], facts: SourceFacts) -> list[str]:
    """Datasets without a row, less those that the source is declared not to have."""
    return [name for name, count in rows.items() if count == 0 and name not in facts.datasets]


def count_rows(
    root: Path, target: str, manifest: Mapping[str, Any], datasets: Sequence[str]
) -> dict[str, int | None]:
    """Public dataset -> rows; None where the relation cannot be read."""
    relations = {
        node["name"]: node["relation_name"]
        for node in manifest["nodes"].values()
        if node["resource_type"] in BUILT and node.get("relation_name")
    }
    rows: dict[str, int | None] = {}
    with connect(root, target, read_only=True) as warehouse:
        for dataset in datasets:
            try:
                results = warehouse.query(f"select count(*) from {relations[dataset]}")[1]
                rows[dataset] = int(results[0][0])
            except (MbpError, duckdb.Error, psycopg2.Error):
                rows[dataset] = None
    return rows


def check_rendered(root: Path) -> None:
    """The files compiled from the contracts say what the contracts say.

    Raises:
        MbpError: one of them is stale, or the contracts cannot be read.
    """
    stale = stale_files(root)
    if stale:
        more = f" (and {len(stale) - 1} more)" if len(stale) > 1 else ""
        # A model that lacks a column stops dbt; the other files only describe it.
        stale.sort(key=lambda name: not name.endswith(".sql"))
        raise MbpError(f"differs from the contracts{more}", path=stale[0], fix=FIX)


def contracts_of(root: Path) -> list[Contract]:
    """The contracts of the public datasets.

    Raises:
        MbpError: they cannot be read, or demand nothing.
    """
    contracts = load_contracts(root)
    if not any(contract.rules for contract in contracts):
        raise MbpError(
            "the contracts demand nothing: nothing to check",
            path="contracts/a106",
            fix="restore contracts/a106 from git",
        )
    return contracts


def coverage_of(root: Path, notes: list[str]) -> Count | None:
    """Documentation coverage of the build, or None with the reason added to `notes`."""
    try:
        return measure_project(root).count
    except MbpError as error:
        notes.append(f"documentation coverage could not be measured: {error.what}")
        return None
