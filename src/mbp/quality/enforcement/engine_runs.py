"""`mbp quality run`: the rules of the contracts, judged by one engine or by all three."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg2

from mbp.contracts import Contract, all_rules, load_contracts
from mbp.core.errors import MbpError
from mbp.core.masking import plain_row
from mbp.core.reporting import Finding, Suite
from mbp.core.sql_guard import RefusedSqlError
from mbp.core.verdict import Verdict, spelled
from mbp.core.wording import many
from mbp.ingest.loading.source_facts import source_facts
from mbp.quality.compiled_tests import compiled_manifest, queries_of
from mbp.quality.enforcement import datacontract_engine, dbt_engine, gx_engine
from mbp.quality.enforcement.results import ENGINES, SPELLED, Engine, RuleResult
from mbp.quality.measurable import not_measurable
from mbp.quality.samples import SampleQuery, classes_of, take_sample
from mbp.runs.dbt_process import target_name
from mbp.warehouse import connect
from mbp.warehouse.called_functions import demand_query_on
from mbp.warehouse.connection import engine_of
from mbp.warehouse.profile import read_target

NO_DUCKDB = "Great Expectations 1.24 does not speak DuckDB: run it on PostgreSQL"
SAMPLE_ROWS = 3
ACTION = "data_contract_break"


@dataclass(frozen=True)
class EngineWarehouse:
    """The warehouse as it is described to the engines other than dbt."""

    server: Mapping[str, Any]
    credentials: Mapping[str, str]
    address: str


def place_of(root: Path, target: str) -> EngineWarehouse:
    """From the dbt target.

    Raises:
        MbpError: no such target.
    """
    _, settings = read_target(root, target)
    if settings["type"] == "duckdb":
        return EngineWarehouse(
            {"type": "duckdb", "database": str(root / str(settings["path"]))}, {}, ""
        )
    user, password = (
        str(settings["user"]),
        str(settings.get("password") or settings.get("pass") or ""),
    )
    host, port, database = (
        settings["host"],
        int(settings["port"]),
        str(settings.get("dbname") or settings.get("database")),
    )
    return EngineWarehouse(
        {"type": "postgres", "host": host, "port": port, "database": database},
        {"DATACONTRACT_POSTGRES_USERNAME": user, "DATACONTRACT_POSTGRES_PASSWORD": password},
        f"postgresql+psycopg2://{quote(user, safe='')}:{quote(password, safe='')}"
        f"@{host}:{port}/{quote(database, safe='')}",
    )


def run(
    root: Path,
    engines: Sequence[Engine],
    target: str | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> list[RuleResult]:
    """Every rule by every engine, in the order of the rules.

    Args:
        engines: to ask; GX asked alone on DuckDB is refused, among others it cannot express a rule.
        target: dbt target; `DBT_TARGET` or duckdb without it.

    Raises:
        MbpError: nothing to check, or an engine that cannot run.
    """
    target = target_name(root, target)
    engine_here = engine_of(root, target)
    if engine_here == "duckdb" and tuple(engines) == ("gx",):
        raise MbpError(NO_DUCKDB, fix="--target postgres, or --engine all")
    contracts = load_contracts(root)
    rules = all_rules(contracts)
    with connect(root, target, read_only=True) as warehouse:
        absent = not_measurable(root, rules, source_facts(root, warehouse))
        contracts = [
            replace(contract, schemas={warehouse.engine: contract.schema_in(warehouse)})
            for contract in contracts
        ]
    measured = [rule for rule in rules if rule.id not in absent]
    if not measured:
        raise MbpError(
            "no rule can be measured on the loaded data: nothing was checked",
            fix="load the tables that the rules read",
        )
    judged = _only(contracts, {rule.id for rule in measured})
    manifest = compiled_manifest(root, target)
    queries = queries_of(manifest)
    if engine_here == "postgres":
        with connect(root, target, read_only=True) as warehouse:
            for sql in queries.values():
                try:
                    demand_query_on(warehouse, sql, fix="a rule may only read")
                except RefusedSqlError as error:
                    # A table that is not there is an error of its rules, in each engine.
                    if not isinstance(error.__cause__, psycopg2.errors.UndefinedTable):
                        raise
    place = place_of(root, target)
    rule_results: list[RuleResult] = []
    for engine in engines:
        started = time.perf_counter()
        # The libraries talk on standard output, which is ours for the result.
        with redirect_stdout(sys.stderr):
            results = _ask(root, engine, target, judged, queries, place)
        rule_results += results
        rule_results += [
            RuleResult(rule.id, rule.dataset, engine, Verdict.NOT_MEASURED, reason=absent[rule.id])
            for rule in rules
            if rule.id in absent
        ]
        say(
            f"{SPELLED[engine]}: {many(len(results), 'rule')}, {time.perf_counter() - started:.1f} s"
        )
    order = {rule.id: index for index, rule in enumerate(rules)}
    rule_results.sort(
        key=lambda rule_result: (order[rule_result.rule_id], ENGINES.index(rule_result.engine))
    )
    return with_samples(root, target, contracts, queries, manifest, rule_results)


def _ask(
    root: Path,
    engine: Engine,
    target: str,
    contracts: Sequence[Contract],
    queries: Mapping[str, str],
    place: EngineWarehouse,
) -> list[RuleResult]:
    rules = all_rules(contracts)
    if engine == "dbt":
        return dbt_engine.run(root, rules, target)
    if engine == "datacontract":
        return datacontract_engine.run(contracts, queries, place.server, place.credentials)
    if place.server["type"] == "duckdb":
        return [
            RuleResult(rule.id, rule.dataset, "gx", Verdict.NOT_APPLICABLE, reason=NO_DUCKDB)
            for rule in rules
        ]
    return gx_engine.run(contracts, queries, place.address)


def _only(contracts: Sequence[Contract], ids: set[str]) -> list[Contract]:
    kept = [
        replace(contract, rules=tuple(rule for rule in contract.rules if rule.id in ids))
        for contract in contracts
    ]
    return [contract for contract in kept if contract.rules]


def with_samples(
    root: Path,
    target: str,
    contracts: Sequence[Contract],
    queries: Mapping[str, str],
    manifest: Mapping[str, Any],
    results: Sequence[RuleResult],
) -> list[RuleResult]:
    """Failing rows and their number by the SQL of the rule, the same for every engine; personal values masked.

    Some engines count values, or do not count.
    """
    broken = sorted({result.rule_id for result in results if result.caught})
    samples: dict[str, tuple[str, ...]] = {}
    counts: dict[str, int | None] = {}
    with connect(root, target, read_only=True) as warehouse:
        classes = classes_of(contracts, manifest, warehouse)
        for rule_id in broken:
            failing = f"(\n{queries[rule_id]}\n) as failing"
            taken = take_sample(
                SampleQuery(f"select * from {failing}", f"select count(*) from {failing}"),
                warehouse,
                limit=SAMPLE_ROWS,
                classes=classes,
            )
            samples[rule_id] = tuple(
                ", ".join(f"{name}={value}" for name, value in plain_row(row).items())
                for row in taken.rows
            )
            counts[rule_id] = taken.failing_rows
    return [
        replace(
            result,
            sample=samples[result.rule_id],
            failing_rows=result.failing_rows
            if counts[result.rule_id] is None
            else counts[result.rule_id],
        )
        if result.caught
        else result
        for result in results
    ]


def disagreements(results: Sequence[RuleResult]) -> list[str]:
    """Rules of which two engines that can express them say different things."""
    verdicts: dict[str, dict[str, str]] = {}
    for result in results:
        if result.judged:
            verdicts.setdefault(result.rule_id, {})[SPELLED[result.engine]] = result.verdict
    return [
        f"{rule_id}: " + ", ".join(f"{engine} {verdict}" for engine, verdict in by.items())
        for rule_id, by in verdicts.items()
        if len(set(by.values())) > 1
    ]


def failed(results: Sequence[RuleResult]) -> bool:
    """A rule of severity error does not hold, could not be judged, or engines disagree."""
    return any(result.verdict in (Verdict.FAIL, Verdict.ERROR) for result in results) or bool(
        disagreements(results)
    )


def unmeasured(root: Path, results: Sequence[RuleResult]) -> list[str]:
    """Ids of the rules of severity error that the loaded source cannot show, sorted."""
    demanded = {rule.id for rule in all_rules(load_contracts(root)) if rule.severity == "error"}
    absent = {result.rule_id for result in results if result.verdict == Verdict.NOT_MEASURED}
    return sorted(demanded & absent)


def suite(results: Sequence[RuleResult], demanded: Collection[str]) -> Suite:
    """What does not hold, with rows, could not be evaluated, or is judged differently; a line per engine as table.

    Args:
        demanded: ids of the unmeasured rules of severity error.
    """
    findings = []
    for result in results:
        unmeasured = result.verdict == Verdict.NOT_MEASURED
        if not (result.caught or unmeasured or result.verdict == Verdict.ERROR):
            continue
        counted = "" if result.failing_rows is None else f" {many(result.failing_rows, 'row')}"
        why = f": {result.reason}" if unmeasured else f"{counted} {result.reason}".rstrip()
        light = unmeasured and result.rule_id not in demanded
        findings.append(
            Finding(
                result.rule_id,
                f"{SPELLED[result.engine]}: {spelled(result.verdict)}{why}",
                subject=f"{result.rule_id} {result.engine}",
                severity="warning" if light or result.verdict == Verdict.WARN else "error",
                evidence="; ".join(result.sample),
                not_measured=unmeasured,
            )
        )
    findings += [
        Finding("engines_disagree", disagreement) for disagreement in disagreements(results)
    ]
    lines: list[str] = []
    for engine in ENGINES:
        mine = [rule_result for rule_result in results if rule_result.engine == engine]
        if mine:
            counts = Counter(rule_result.verdict for rule_result in mine)
            message = ", ".join(f"{count} {spelled(verdict)}" for verdict, count in counts.items())
            asked = [rule_result for rule_result in mine if rule_result.judged]
            native = sum(rule_result.native for rule_result in asked)
            own = f" ({native} in its own words, {len(asked) - native} as SQL)" if asked else ""
            reason = "" if asked else f": {mine[0].reason}"
            lines.append(f"{SPELLED[engine]}: {message}{own}{reason}")
    checked = [
        f"{rule_result.rule_id} {rule_result.engine}"
        for rule_result in results
        if rule_result.judged
    ]
    return Suite("mbp quality run", checked, findings, unit="result", table="\n".join(lines))
