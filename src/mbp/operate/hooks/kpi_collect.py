"""`mbp kpi collect`: the KPIs that are measured per run, from the artifacts of the last runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from mbp.contracts import all_rules, load_contracts
from mbp.contracts.hook_policy import digest, load_hooks
from mbp.contracts.policy import load_policy
from mbp.contracts.registry.registry_check import check_all
from mbp.contracts.registry.version_check import Checked
from mbp.contracts.sheet import Kpi
from mbp.contracts.waiver import WaivedRules, no_waivers
from mbp.core.errors import MbpError
from mbp.core.reporting import Finding
from mbp.core.verdict import spelled
from mbp.core.wording import few
from mbp.operate.hooks.coverage import hook_coverage
from mbp.operate.hooks.ledger import write
from mbp.operate.hooks.to_cover import Collected, demand_coverage
from mbp.quality.drift import find_drift
from mbp.quality.failures import findings_of_last_run
from mbp.quality.monitor.record import commit_of
from mbp.runs import envelope
from mbp.runs.data import data_state
from mbp.runs.dbt_process import target_name
from mbp.runs.run_control import NODE_KINDS, warehouse_id
from mbp.warehouse import connect

# A run that is older tells nothing of today.
LARGEST_AGE = timedelta(hours=24)
GOOD = ("success", "pass", "warn", "no-op")


def collect(
    root: Path, target: str | None, waived_rules: WaivedRules = no_waivers
) -> list[Collected]:
    """Measures, writes the evidence, and adds the values to `reliability.kpi_runs`.

    What cannot be measured is written down as that: the watcher then sees no value, which is red. So is what does not
    cover everything on which the KPI broke before (`mbp.operate.hooks.to_cover`).

    Raises:
        MbpError: the hooks cannot be read, or there is no warehouse to write to.
    """
    target = target_name(target)
    begun = envelope.begin(root)
    policy = load_hooks(root)
    measures: dict[str, Callable[[], Collected]] = {
        "schema_drift": lambda: schema_drift(root, target),
        "data_contract_break": lambda: data_contract_break(root, target, waived_rules),
        "dbt_tests": lambda: dbt_tests(root, target),
    }
    found = [_attempt(kpi_id, measure) for kpi_id, measure in measures.items()]
    with connect(root, target, create=False) as warehouse:
        covered = hook_coverage(root, policy, warehouse)
        gaps = [one for one in covered if one.gaps]
        percent = 100.0 * (len(covered) - len(gaps)) / len(covered)
        told = "; ".join(f"{one.kpi_id}: {', '.join(one.gaps)}" for one in gaps) or "every hook"
        evidence = [asdict(one) for one in covered]
        found.append(
            Collected(
                "hook_coverage",
                percent,
                len(covered),
                told,
                evidence,
                frozenset(one.kpi_id for one in covered),
                frozenset(one.kpi_id for one in gaps),
            )
        )
        excused = load_policy(root).excused(datetime.now(UTC).date())
        _, clock = warehouse.query("select now_at from reliability.kpi_clock")
        commit = commit_of(root)
        if envelope.source_digest(root) != (begun.source.digest if begun.source else None):
            void = f"could not be measured: {envelope.CHANGED}"
            found = [replace(one, value=None, samples=0, detail=void) for one in found]
        with warehouse.transaction():
            found = [demand_coverage(warehouse, one, excused) for one in found]
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
        data, identity = data_state(root, warehouse), warehouse_id(warehouse)
    for one in found:
        envelope.write(
            begun,
            one.kpi_id,
            summary=f"{policy.sheet.kpis[one.kpi_id].name}: {one.detail}",
            content={**one.content(), **target_of(policy.sheet.kpis[one.kpi_id])},
            target=target,
            warehouse=identity,
            data=data,
            run=one.run,
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
        if finding.severity == "error"
    ]
    told = [f"{one.where} {one.subject}: {one.what}" for one in drift]
    told += [finding.sentence for finding, _ in forbidden]
    changes = [{**asdict(finding), "fingerprint": name} for finding, name in forbidden]
    subjects = [one.subject for one in drift] + [one.subject for one, _ in forbidden]
    datasets = frozenset(one.dataset for one in checked)
    return Collected(
        "schema_drift",
        len(told),
        places + len(checked),
        few(told),
        {"drift": [asdict(one) for one in drift], "changes": changes},
        covered=datasets,
        broken=datasets & {name.partition(".")[0] for name in subjects},
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


def data_contract_break(
    root: Path, target: str, waived_rules: WaivedRules = no_waivers
) -> Collected:
    """Error rules of the contracts that the last run of dbt did not find to hold.

    While a rule that this source cannot show carries no valid waiver there is no value, unless another one is broken.

    Raises:
        MbpError: no run, one of something else (`mbp.runs.claims`), or one that is too old.
    """
    run = findings_of_last_run(root, target, max_age=LARGEST_AGE)
    run.demand_whole()
    rules = {rule.id for rule in all_rules(load_contracts(root)) if rule.severity == "error"}
    judged = [one for one in run.findings if one.rule_id in rules]
    unmeasured = [one.rule_id for one in judged if one.is_unmeasured]
    waived = waived_rules(root, unmeasured)
    broken = [one for one in judged if not one.holds and not one.is_unmeasured]
    told = few([f"{one.rule_id}: {spelled(one.verdict)}" for one in broken])
    if unmeasured:
        names = few([one for one in unmeasured if one not in waived])
        told += (
            f"; {len(unmeasured)} of {len(judged)} error rules NOT MEASURED on this source,"
            f" {len(waived)} of them under a waiver; without one: {names}"
        )
    known = bool(broken) or len(waived) == len(unmeasured)
    evidence = [
        {
            "rule_id": one.rule_id,
            "verdict": one.verdict,
            "reason_unmeasured": one.reason_unmeasured,
        }
        for one in judged
    ]
    return Collected(
        "data_contract_break",
        len(broken) if known else None,
        len(judged) - len(unmeasured),
        told,
        evidence,
        frozenset(one.rule_id for one in judged if not one.is_unmeasured),
        frozenset(one.rule_id for one in broken),
        run.claim,
    )


def dbt_tests(root: Path, target: str) -> Collected:
    """Nodes of the last run of dbt that did not succeed.

    Raises:
        MbpError: no run, one of something else (`mbp.runs.claims`), or one that is too old.
    """
    run = findings_of_last_run(root, target, max_age=LARGEST_AGE)
    run.demand_whole()
    results = [
        one
        for one in run.run_results["results"]
        if one["unique_id"].partition(".")[0] in NODE_KINDS or one["status"] not in GOOD
    ]
    failed = [
        {"node": one["unique_id"], "status": one["status"]}
        for one in results
        if one["status"] not in GOOD
    ]
    told = [f"{one['node']}: {one['status']}" for one in failed]
    return Collected(
        "dbt_tests",
        len(failed),
        len(results),
        few(told),
        failed,
        frozenset(one["unique_id"] for one in results),
        frozenset(one["node"] for one in failed),
        run.claim,
    )


def target_of(kpi: Kpi) -> dict[str, Any]:
    """What the value is judged by, as it is written beside it."""
    target = {"operator": kpi.operator, "bound": kpi.bound}
    return {"target": target, "minimum_samples": kpi.minimum_samples}


def _attempt(kpi_id: str, measure: Callable[[], Collected]) -> Collected:
    try:
        return measure()
    except MbpError as error:
        return Collected(kpi_id, None, 0, f"could not be measured: {error}", None)
