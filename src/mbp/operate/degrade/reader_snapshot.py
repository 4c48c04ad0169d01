"""The last complete snapshot: a copy of the public datasets that a green build made."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mbp.contracts import all_rules
from mbp.contracts.waiver import WaivedRules, no_waivers
from mbp.core.verdict import spelled
from mbp.core.wording import few
from mbp.operate.degrade import reader_views
from mbp.operate.degrade.switch import (
    Copy,
    RefusedSwitchError,
    copies,
    demand_built,
    in_force,
    project_now,
)
from mbp.quality.failures import findings_of_last_run
from mbp.runs.claims import whole_text
from mbp.runs.dbt_process import target_name
from mbp.warehouse import Warehouse, connect
from mbp.warehouse.relations import LIVE, SNAPSHOTS, fingerprint, place


def take(root: Path, target: str | None, waived_rules: WaivedRules = no_waivers) -> list[Copy]:
    """Stores the live rows of all public datasets, and drops the snapshot before.

    One transaction: if it is interrupted, the previous snapshot stays.

    Raises:
        RefusedSwitchError: the last run of dbt was not green or did not make these rows, or readers are on the snapshot
            that would be replaced.
        MbpError: no run to read, one of another version of the project, or the warehouse cannot be used.
    """
    target = target_name(root, target)
    datasets, build_id = green_build(root, target, waived_rules)
    with connect(root, target, create=False) as warehouse:
        demand_built(warehouse)
        busy = "wait for the build that is running, then try again"

        def copy() -> list[Copy]:
            # Writers wait until the copy is committed: the datasets are of one moment.
            reader_views.hold_still(warehouse, datasets, "share")
            reader_views.one_at_a_time(warehouse, reader_views.COPY_LOCK)
            return _replace(warehouse, datasets, build_id)

        with reader_views.explained("no snapshot was taken", busy):
            return reader_views.patiently(warehouse, copy)


def green_build(
    root: Path, target: str, waived_rules: WaivedRules = no_waivers
) -> tuple[list[str], str]:
    """(public datasets, id of the run) of the last run of dbt, when every error rule was asked and holds.

    Raises:
        RefusedSwitchError: a rule of severity error does not hold, was not asked, or cannot be measured on this
            source and carries no valid waiver.
        MbpError: there is no run to read, or it is of another version of the project.
    """
    run = findings_of_last_run(root, target)
    fix = "`mbp build`; the snapshot before is kept"
    if run.objections:
        message = whole_text(run.objections)
        raise RefusedSwitchError(f"the last run of dbt does not count: {message}", fix=fix)
    rules = {rule.id for rule in all_rules(run.contracts) if rule.severity == "error"}
    judged = [finding for finding in run.findings if finding.rule_id in rules]
    waived = waived_rules(
        root, [rule_verdict.rule_id for rule_verdict in judged if rule_verdict.is_unmeasured]
    )
    broken = [rule for rule in judged if not rule.holds and rule.rule_id not in waived]
    if broken or not judged:
        names = few(
            [f"{rule_verdict.rule_id}: {spelled(rule_verdict.verdict)}" for rule_verdict in broken],
            3,
        )
        raise RefusedSwitchError(f"the last run of dbt is not green ({names})", fix=fix)
    datasets = sorted(contract.dataset for contract in run.contracts)
    return datasets, str(run.run_results["metadata"]["invocation_id"])


def _replace(warehouse: Warehouse, datasets: Sequence[str], build_id: str) -> list[Copy]:
    before = copies(warehouse)
    _, rows = warehouse.query(f"select dataset, build_id, as_of from {place(SNAPSHOTS, 'builds')}")
    made = {dataset: (made_by, reached) for dataset, made_by, reached in rows}
    for dataset in datasets:
        if made.get(dataset, ("", None))[0] != build_id:
            raise RefusedSwitchError(
                f"the rows of {dataset} are not of the run of dbt that was judged",
                fix="`mbp build`, which builds and tests in one run",
            )
    number = max((earlier.generation for earlier in before), default=0) + 1
    taken_at = project_now(warehouse)
    mark = warehouse.mark
    taken = []
    for dataset in datasets:
        name = f"{dataset}__{number}"
        reader_views.copy(warehouse, dataset, name)
        count, digest = fingerprint(warehouse, SNAPSHOTS, name)
        if (count, digest) != fingerprint(warehouse, LIVE, dataset):
            raise RefusedSwitchError(f"the copy of {dataset} is not its original", fix="try again")
        reached = made[dataset][1]
        taken.append(Copy(dataset, number, build_id, reached, taken_at, count, digest))
    # A degrade in this moment waits, and then finds another snapshot than the one it verified.
    reader_views.one_at_a_time(warehouse, reader_views.SWAP_LOCK)
    if in_force(warehouse).mode == "snapshot":
        raise RefusedSwitchError(
            "readers are on the snapshot: it is not replaced", fix="`mbp degrade off`"
        )
    warehouse.execute(f"delete from {place(SNAPSHOTS, 'copies')}")
    for copy in taken:
        warehouse.execute(
            f"insert into {place(SNAPSHOTS, 'copies')}"
            " (dataset, generation, build_id, as_of, taken_at, row_count, digest)"
            f" values ({', '.join([mark] * 7)})",
            list(vars(copy).values()),
        )
    for copy in before:
        warehouse.execute(f"drop table if exists {place(SNAPSHOTS, copy.table)}")
    return taken
