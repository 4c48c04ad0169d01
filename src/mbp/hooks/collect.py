"""`mbp kpi collect`: the KPIs that are measured per run, from the artifacts of the last runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from mbp import moments
from mbp.building.dbt_process import target_name, target_path
from mbp.contracts import all_rules, load_contracts
from mbp.contracts.sheet import Kpi
from mbp.errors import MbpError
from mbp.evidence import envelope
from mbp.evidence.source import data_state
from mbp.hooks.coverage import hook_coverage
from mbp.hooks.ledger import write
from mbp.hooks.policy import digest, load_hooks
from mbp.monitor.record import commit_of
from mbp.quality.failures import findings_of_last_run, read_artifact
from mbp.quality.freshness import generated_at
from mbp.quality.unmeasured import waived_rules
from mbp.registry.check import Checked
from mbp.registry.drift import find_drift
from mbp.registry.run import check_all
from mbp.reporting import Finding
from mbp.warehouse import connect

# A run that is older tells nothing of today.
LARGEST_AGE = timedelta(hours=24)
GOOD = ("success", "pass", "warn", "no-op")


@dataclass(frozen=True)
class Collected:
    """One KPI of one run.

    Attributes:
        value: None when it could not be measured; `detail` says why.
        samples: how much was looked at.
    """

    kpi_id: str
    value: float | None
    samples: int
    detail: str
    evidence: Any


def collect(root: Path, target: str | None) -> list[Collected]:
    """Measures, writes the evidence, and adds the values to `reliability.kpi_runs`.

    What cannot be measured is written down as that: the watcher then sees no value, which is red.

    Raises:
        MbpError: the hooks cannot be read, or there is no warehouse to write to.
    """
    target = target_name(target)
    policy = load_hooks(root)
    measures: dict[str, Callable[[], Collected]] = {
        "schema_drift": lambda: schema_drift(root, target),
        "data_contract_break": lambda: data_contract_break(root, target),
        "dbt_tests": lambda: dbt_tests(root, target),
    }
    found = [_attempt(kpi_id, measure) for kpi_id, measure in measures.items()]
    with connect(root, target, create=False) as warehouse:
        covered = hook_coverage(root, policy, warehouse)
        gaps = [one for one in covered if one.gaps]
        percent = 100.0 * (len(covered) - len(gaps)) / len(covered)
        told = "; ".join(f"{one.kpi_id}: {', '.join(one.gaps)}" for one in gaps) or "every hook"
        evidence = [asdict(one) for one in covered]
        found.append(Collected("hook_coverage", percent, len(covered), told, evidence))
        _, clock = warehouse.query("select now_at from reliability.kpi_clock")
        commit = commit_of(root)
        with warehouse.transaction():
            for one in found:
                row = {
                    "run_id": f"{one.kpi_id}/{digest([str(clock[0][0])])[:16]}",
                    "kpi_id": one.kpi_id,
                    "value": one.value,
                    "samples": one.samples,
                    "detail": one.detail[:2000],
                    "commit_sha": commit,
                    "measured_at": clock[0][0],
                }
                write(warehouse, "reliability.kpi_runs", "run_id", [row])
        data = data_state(root, warehouse)
    for one in found:
        envelope.write(
            root,
            one.kpi_id,
            summary=f"{policy.sheet.kpis[one.kpi_id].name}: {one.detail}",
            content={**asdict(one), **target_of(policy.sheet.kpis[one.kpi_id])},
            target=target,
            data=data,
        )
    return found


def schema_drift(root: Path, target: str) -> Collected:
    """Differences between contracts, registry, manifest and live tables, and forbidden changes.

    Raises:
        MbpError: one of them cannot be looked at.
    """
    drift, places = find_drift(root, [target])
    checked = check_all(root, [], None, today=date.today())
    forbidden = [
        (finding, _fingerprint(one, finding))
        for one in checked
        for finding in one.findings
        if finding.level == "error"
    ]
    told = [f"{one.where} {one.subject}: {one.what}" for one in drift]
    told += [finding.sentence for finding, _ in forbidden]
    changes = [{**asdict(finding), "fingerprint": name} for finding, name in forbidden]
    return Collected(
        "schema_drift",
        len(told),
        places + len(checked),
        few(told),
        {"drift": [asdict(one) for one in drift], "changes": changes},
    )


def _fingerprint(checked: Checked, finding: Finding) -> str | None:
    """Of the forbidden change that a finding is about, by which a waiver names it; None when it is of no change."""
    place = (finding.code, finding.subject)
    return next(
        (
            one.fingerprint
            for one in checked.judged
            if one.blocks and (one.change.code, one.change.path) == place
        ),
        None,
    )


def data_contract_break(root: Path, target: str) -> Collected:
    """Error rules of the contracts that the last run of dbt did not find to hold.

    While a rule that this source cannot show carries no valid waiver there is no value, unless another one is broken.

    Raises:
        MbpError: no run, one of another project or target, or one that is too old.
    """
    run = findings_of_last_run(root, target)
    if run.notes:
        raise MbpError(
            f"the last run of dbt does not count: {run.notes[0]}", cure="run `mbp build`"
        )
    _refuse_old(run.run_results)
    rules = {rule.id for rule in all_rules(load_contracts(root)) if rule.severity == "error"}
    judged = [one for one in run.findings if one.rule_id in rules]
    unmeasured = [one.rule_id for one in judged if one.is_unmeasured]
    waived = waived_rules(root, unmeasured)
    broken = [one for one in judged if not one.holds and not one.is_unmeasured]
    told = few([f"{one.rule_id}: {one.verdict}" for one in broken])
    if unmeasured:
        names = few([one for one in unmeasured if one not in waived])
        told += (
            f"; {len(unmeasured)} of {len(judged)} error rules NOT MEASURED on this source,"
            f" {len(waived)} of them under a waiver; without one: {names}"
        )
    known = bool(broken) or len(waived) == len(unmeasured)
    evidence = [{"rule_id": one.rule_id, "verdict": one.verdict} for one in judged]
    return Collected(
        "data_contract_break",
        len(broken) if known else None,
        len(judged) - len(unmeasured),
        told,
        evidence,
    )


def dbt_tests(root: Path, target: str) -> Collected:
    """Nodes of the last run of dbt that did not succeed.

    Raises:
        MbpError: no run, one of another project or target, or one that is too old.
    """
    run = findings_of_last_run(root, target)
    if run.notes:
        raise MbpError(
            f"the last run of dbt does not count: {run.notes[0]}", cure="run `mbp build`"
        )
    results = read_artifact(target_path(root), "run_results.json", root)
    _refuse_old(results)
    failed = [
        {"node": one["unique_id"], "status": one["status"]}
        for one in results["results"]
        if one["status"] not in GOOD
    ]
    told = [f"{one['node']}: {one['status']}" for one in failed]
    return Collected("dbt_tests", len(failed), len(results["results"]), few(told), failed)


def target_of(kpi: Kpi) -> dict[str, Any]:
    """What the value is judged by, as it is written beside it."""
    target = {"operator": kpi.operator, "bound": kpi.bound}
    return {"target": target, "minimum_samples": kpi.minimum_samples}


def _attempt(kpi_id: str, measure: Callable[[], Collected]) -> Collected:
    try:
        return measure()
    except MbpError as error:
        return Collected(kpi_id, None, 0, f"could not be measured: {error}", None)


def _refuse_old(run_results: Any) -> None:
    ran_at = generated_at(run_results, "run_results.json")
    if why := moments.objection(ran_at, datetime.now(UTC), LARGEST_AGE):
        raise MbpError(f"the last run of dbt was {why}", cure="`mbp build`")


def few(told: list[str], most: int = 5) -> str:
    more = f" and {len(told) - most} more" if len(told) > most else ""
    return "; ".join(told[:most]) + more if told else "nothing"
