"""`mbp kpi collect`: the KPIs that are measured per run, from the artifacts of the last runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from mbp.contracts import all_rules, load_contracts
from mbp.contracts.hook_policy import load_hooks
from mbp.contracts.policy import load_policy
from mbp.contracts.registry.registry_check import check_all
from mbp.contracts.registry.version_check import Checked
from mbp.contracts.sheet import Kpi, Sheet
from mbp.contracts.waiver import WaivedRules, no_waivers
from mbp.core.canonical_json import digest
from mbp.core.errors import MbpError
from mbp.core.reporting import Finding
from mbp.core.settings import load_settings
from mbp.core.verdict import spelled
from mbp.core.wording import few
from mbp.operate.hooks.hook_coverage import Collected, demand_coverage, hook_coverage
from mbp.operate.hooks.hook_state import write
from mbp.quality.drift import find_drift
from mbp.quality.failures import findings_of_last_run
from mbp.quality.monitor.record import commit_of
from mbp.runs import envelope
from mbp.runs.dbt_process import target_name
from mbp.runs.run_control import NODE_KINDS, data_state, warehouse_id
from mbp.warehouse import connect

# An older run says nothing about today.
LARGEST_AGE = timedelta(hours=24)
# The target of a project without a measurement sheet: nothing may be wrong, of at least one thing checked.
NONE = {"target": {"operator": "==", "bound": 0.0}, "minimum_samples": 1}
GOOD = ("success", "pass", "warn", "no-op")


def collect(
    root: Path, target: str | None, waived_rules: WaivedRules = no_waivers
) -> list[Collected]:
    """Measures, writes the evidence, and adds the values to `reliability.kpi_runs`.

    What cannot be measured is written down as that: the watcher then sees no value, which is red. So is what does not
    cover everything on which the KPI broke before (`mbp.operate.hooks.hook_coverage`).

    Raises:
        MbpError: the hooks cannot be read, or there is no warehouse to write to.
    """
    target = target_name(root, target)
    begun = envelope.begin(root)
    measures: dict[str, Callable[[], Collected]] = {
        "schema_drift": lambda: schema_drift(root, target),
        "data_contract_break": lambda: data_contract_break(root, target, waived_rules),
        "dbt_tests": lambda: dbt_tests(root, target),
    }
    collecteds = [_attempt(kpi_id, measure) for kpi_id, measure in measures.items()]
    if load_settings(root).hosted:
        _write_evidence(begun, target, collecteds, None)
        return collecteds
    policy = load_hooks(root)
    with connect(root, target, create=False) as warehouse:
        covered = hook_coverage(root, policy, warehouse)
        gaps = [kpi for kpi in covered if kpi.gaps]
        percent = 100.0 * (len(covered) - len(gaps)) / len(covered)
        message = "; ".join(f"{gap.kpi_id}: {', '.join(gap.gaps)}" for gap in gaps) or "every hook"
        evidence = [asdict(kpi) for kpi in covered]
        collecteds.append(
            Collected(
                "hook_coverage",
                percent,
                len(covered),
                message,
                evidence,
                frozenset(kpi.kpi_id for kpi in covered),
                frozenset(gap.kpi_id for gap in gaps),
            )
        )
        excused = load_policy(root).excused(datetime.now(UTC).date())
        _, clock = warehouse.query("select now_at from reliability.kpi_clock")
        commit = commit_of(root)
        if envelope.source_digest(root) != (begun.source.digest if begun.source else None):
            void = f"could not be measured: {envelope.CHANGED}"
            collecteds = [replace(kpi, value=None, samples=0, detail=void) for kpi in collecteds]
        with warehouse.transaction():
            collecteds = [demand_coverage(warehouse, kpi, excused) for kpi in collecteds]
            for collected in collecteds:
                row = {
                    "run_id": f"{collected.kpi_id}/{digest([str(clock[0][0])])[:16]}",
                    "kpi_id": collected.kpi_id,
                    "value": collected.value,
                    "samples": collected.samples,
                    "detail": collected.detail[:2000],
                    "commit_sha": commit,
                    "measured_at": clock[0][0],
                }
                write(warehouse, "reliability.kpi_runs", "run_id", [row])
    _write_evidence(begun, target, collecteds, policy.sheet)
    return collecteds


def _write_evidence(
    begun: envelope.Begun, target: str, collecteds: Sequence[Collected], sheet: Sheet | None
) -> None:
    """A file for each; without a sheet nothing may be wrong."""
    with connect(begun.root, target, read_only=True) as warehouse:
        data, identity = data_state(begun.root, warehouse), warehouse_id(warehouse)
    for collected in collecteds:
        kpi = sheet.kpis[collected.kpi_id] if sheet else None
        envelope.write(
            begun,
            collected.kpi_id,
            summary=f"{kpi.name if kpi else collected.kpi_id}: {collected.detail}",
            content={**collected.content(), **(target_of(kpi) if kpi else NONE)},
            target=target,
            warehouse=identity,
            data=data,
            run=collected.run,
        )


def schema_drift(root: Path, target: str) -> Collected:
    """Differences between contracts, registry, manifest and live tables, and forbidden changes.

    Raises:
        MbpError: one of them cannot be read.
    """
    drift, places = find_drift(root, [target])
    checked = check_all(root, [], None, today=date.today())
    forbidden = [
        (finding, _fingerprint(dataset, finding))
        for dataset in checked
        for finding in dataset.findings
        if finding.severity == "error"
    ]
    messages = [
        f"{difference.where} {difference.subject}: {difference.what}" for difference in drift
    ]
    messages += [finding.sentence for finding, _ in forbidden]
    changes = [{**asdict(finding), "fingerprint": name} for finding, name in forbidden]
    subjects = [difference.subject for difference in drift] + [
        finding.subject for finding, _ in forbidden
    ]
    datasets = frozenset(dataset.dataset for dataset in checked)
    return Collected(
        "schema_drift",
        len(messages),
        places + len(checked),
        few(messages),
        {"drift": [asdict(difference) for difference in drift], "changes": changes},
        covered=datasets,
        broken=datasets & {name.partition(".")[0] for name in subjects},
    )


def _fingerprint(checked: Checked, finding: Finding) -> str | None:
    """Of the forbidden change that a finding is about, by which a waiver names it; None when it is of no change."""
    place = (finding.code, finding.subject)
    return next(
        (
            judged.fingerprint
            for judged in checked.judged
            if judged.blocks and (judged.change.code, judged.change.path) == place
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
    judged = [finding for finding in run.findings if finding.rule_id in rules]
    unmeasured = [rule_verdict.rule_id for rule_verdict in judged if rule_verdict.is_unmeasured]
    waived = waived_rules(root, unmeasured)
    broken = [rule for rule in judged if not rule.holds and not rule.is_unmeasured]
    message = few(
        [f"{rule_verdict.rule_id}: {spelled(rule_verdict.verdict)}" for rule_verdict in broken]
    )
    if unmeasured:
        names = few([rule_id for rule_id in unmeasured if rule_id not in waived])
        message += (
            f"; {len(unmeasured)} of {len(judged)} error rules NOT MEASURED on this source,"
            f" {len(waived)} of them under a waiver; without one: {names}"
        )
    known = bool(broken) or len(waived) == len(unmeasured)
    evidence = [
        {
            "rule_id": rule.rule_id,
            "verdict": rule.verdict,
            "reason_unmeasured": rule.reason_unmeasured,
            "failing_rows": rule.failing_rows,
        }
        for rule in judged
    ]
    return Collected(
        "data_contract_break",
        len(broken) if known else None,
        len(judged) - len(unmeasured),
        message,
        evidence,
        frozenset(rule.rule_id for rule in judged if not rule.is_unmeasured),
        frozenset(rule_verdict.rule_id for rule_verdict in broken),
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
        result
        for result in run.run_results["results"]
        if result["unique_id"].partition(".")[0] in NODE_KINDS or result["status"] not in GOOD
    ]
    failed = [
        {
            "node": result["unique_id"],
            "status": result["status"],
            "failing_rows": result.get("failures"),
        }
        for result in results
        if result["status"] not in GOOD
    ]
    messages = [
        f"{test['node']}: {test['status']}"
        + (f", {test['failing_rows']:,} rows" if test["failing_rows"] else "")
        for test in failed
    ]
    return Collected(
        "dbt_tests",
        len(failed),
        len(results),
        few(messages),
        failed,
        frozenset(result["unique_id"] for result in results),
        frozenset(test["node"] for test in failed),
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
