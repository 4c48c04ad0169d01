"""`mbp quality record`: the results of one run, as rows of `dq_results`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from mbp.contracts import all_rules, load_contracts
from mbp.contracts.registry.odcs_documents import git
from mbp.core.errors import MbpError
from mbp.core.moments import objection
from mbp.core.settings import load_settings
from mbp.quality.enforcement.dbt_engine import as_results
from mbp.quality.enforcement.results import ENGINES, VERDICTS, RuleResult
from mbp.quality.failures import demand_current, findings_of_last_run
from mbp.runs.artifacts import moment_of
from mbp.runs.dbt_process import target_name
from mbp.warehouse import Warehouse, connect
from mbp.warehouse.relations import exists, place

TABLE = "reliability.dq_results"
DEFINED = (
    "result_id text, run_id text, rule_id text, dataset text, engine text, verdict text, failing_rows bigint,"
    " dataset_rows bigint, duration_seconds decimal(18, 6), commit_sha text, executed_at timestamptz"
)
NO_TABLE = "run `mbp build`, then `mbp quality record`"
TABLE_OF_RESULTS = (
    "create schema if not exists reliability",
    f"create table if not exists {TABLE} ({DEFINED})",
)
FIX = "name a file that `mbp quality run --format json` wrote"


@dataclass(frozen=True)
class Run:
    """One run of one engine or of several.

    Attributes:
        commit_sha: of the project that was run; None outside of a repository.
    """

    run_id: str
    target: str
    executed_at: datetime
    commit_sha: str | None
    results: Sequence[RuleResult]


def this_run(root: Path, target: str, results: Sequence[RuleResult]) -> Run:
    """The results of a run that ended now."""
    return Run(str(uuid4()), target, datetime.now(UTC), commit_of(root), results)


def commit_of(root: Path) -> str | None:
    """Commit of the project, with -dirty when files differ from it; None outside of a repository."""
    try:
        return git(root, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*").strip()
    except MbpError:
        return None


def last_dbt_run(root: Path, target: str | None = None) -> Run:
    """What the last `dbt build` or `dbt test` said of the rules.

    Raises:
        MbpError: no run, a run of only a part of the rules, or one that is not of the project as it is.
    """
    target = target_name(root, target)
    look = findings_of_last_run(root, target)
    demand_current(look.notes)
    rules = all_rules(load_contracts(root))
    known = {rule.id for rule in rules}
    absent = [finding.rule_id for finding in look.findings if finding.is_not_run]
    judged = [
        finding for finding in look.findings if finding.rule_id in known and not finding.is_not_run
    ]
    if not judged:
        raise MbpError(
            f"the last run judged no rule ({len(absent)} were not run)", fix="run `dbt test`"
        )
    metadata = look.run_results["metadata"]
    return Run(
        str(metadata.get("invocation_id")),
        target,
        moment_of(look.run_results, "generated_at", "run_results.json"),
        commit_of(root),
        as_results(judged, look.run_results),
    )


def as_document(run: Run) -> dict[str, Any]:
    """The run as JSON; `read_run` is its inverse."""
    return {
        "run_id": run.run_id,
        "target": run.target,
        "executed_at": run.executed_at.isoformat(),
        "commit_sha": run.commit_sha,
        "results": [asdict(result) for result in run.results],
    }


def read_run(path: Path) -> Run:
    """A run that `mbp quality run --format json` wrote.

    Raises:
        MbpError: missing, not JSON, or not such a run.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        results = [
            RuleResult(**{**result, "sample": tuple(result.get("sample", ()))})
            for result in document["results"]
        ]
        run = Run(
            str(document["run_id"]),
            str(document["target"]),
            datetime.fromisoformat(document["executed_at"]),
            document["commit_sha"],
            results,
        )
    except OSError as error:
        reason = error.strerror or str(error)
        raise MbpError(f"cannot be read: {reason}", path=str(path), fix=FIX) from error
    except (ValueError, KeyError, TypeError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise MbpError(f"is not the JSON of a run ({reason})", path=str(path), fix=FIX) from error
    wrong = [
        result.rule_id
        for result in results
        if result.engine not in ENGINES or result.verdict not in VERDICTS
    ]
    if wrong or not results or run.executed_at.tzinfo is None:
        message = f"{wrong[0]} has an unknown engine or verdict" if wrong else "it holds no result"
        message = message if wrong or not results else "executed_at has no offset"
        raise MbpError(f"is not the JSON of a run: {message}", path=str(path), fix=FIX)
    return run


def record(root: Path, run: Run) -> int:
    """Writes the run, in one transaction, in place of an earlier record of the same; rows written.

    Raises:
        MbpError: a rule that no contract has, a run of the future, no warehouse, or no table of results in it.
    """
    if why := objection(run.executed_at, datetime.now(UTC), None):
        # It would be the newest run of each of its rules until the clock has caught up.
        raise MbpError(f"the run was executed {why}", fix="correct the clock, and run again")
    contracts = load_contracts(root)
    known = {rule.id for rule in all_rules(contracts)}
    unknown = sorted({result.rule_id for result in run.results} - known)
    if unknown:
        raise MbpError(
            f"no contract has the rule {unknown[0]}", fix="record the run with its own contracts"
        )
    with connect(root, run.target, create=False) as warehouse:
        if load_settings(root).hosted:  # else a model of the project makes it
            for statement in TABLE_OF_RESULTS:
                warehouse.execute(statement)
        demand_table(warehouse)
        wanted = {result.dataset for result in run.results}
        sizes = {
            contract.dataset: _count(warehouse, contract.schema_in(warehouse), contract.dataset)
            for contract in contracts
            if contract.dataset in wanted
        }
        rows = [_row(run, result, sizes) for result in run.results]
        mark = warehouse.mark
        with warehouse.transaction():
            warehouse.execute(f"delete from {TABLE} where run_id = {mark}", [run.run_id])
            for part in _parts(rows):
                marks = ", ".join(mark for _ in part[0])
                values = ", ".join(f"({marks})" for _ in part)
                names = ", ".join(part[0])
                warehouse.execute(
                    f"insert into {TABLE} ({names}) values {values}",
                    [cell for row in part for cell in row.values()],
                )
    return len(rows)


def demand_table(warehouse: Warehouse) -> None:
    """Raises:
    MbpError: the warehouse was not built with the table of results.
    """
    if not exists(warehouse, *TABLE.split(".")):
        raise MbpError(f"{TABLE} is not in the warehouse", fix=NO_TABLE)


def _count(warehouse: Warehouse, schema: str, dataset: str) -> int | None:
    if not exists(warehouse, schema, dataset):
        return None
    _, rows = warehouse.query(f"select count(*) from {place(schema, dataset)}")
    return int(rows[0][0])


def _row(run: Run, result: RuleResult, sizes: Mapping[str, int | None]) -> dict[str, Any]:
    copied = ("rule_id", "dataset", "engine", "verdict", "failing_rows")
    return {
        "result_id": f"{run.run_id}/{result.engine}/{result.rule_id}",
        "run_id": run.run_id,
        **{name: getattr(result, name) for name in copied},
        "dataset_rows": sizes[result.dataset],
        "duration_seconds": round(result.duration_seconds, 6),
        "commit_sha": run.commit_sha,
        "executed_at": run.executed_at,
    }


def _parts(rows: Sequence[dict[str, Any]], size: int = 500) -> Iterable[Sequence[dict[str, Any]]]:
    return (rows[start : start + size] for start in range(0, len(rows), size))
