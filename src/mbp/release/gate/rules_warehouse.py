"""Rules over what the warehouse measured: KPI windows, watchers, decisions, alarms; and what a verdict rests on."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

from mbp.contracts import hook_policy as reference
from mbp.contracts import load_contracts
from mbp.contracts.gates import CheckDefinition, Gate
from mbp.contracts.raw_columns import logged
from mbp.core.errors import MbpError
from mbp.core.moments import dated, objection
from mbp.core.paths import state_folder
from mbp.core.verdict import Verdict
from mbp.core.wording import many
from mbp.operate.hooks.decide import STALE_AFTER_WINDOWS
from mbp.operate.hooks.hook_state import read_lock
from mbp.release.gate.context import Context, NotMeasuredError
from mbp.release.gate.judgement import RuleJudgement, listed, passed, rule
from mbp.warehouse.connection import Rows, engine_of
from mbp.warehouse.relations import query

CRITICAL = "page"
SERVICE_LEVEL = "reliability.kpi_service_level"
MUST_HAVE = "must_have"
WATCHERS = (MUST_HAVE, "critical")
ENGINES = {"duckdb": "DuckDB", "postgres": "PostgreSQL", "spark": "Spark"}
# The rule of a gate whose evidence lists the verdict of each error rule.
RULE_VERDICTS = "no_broken_rule"


@rule("kpi")
def on_target(context: Context, check: CheckDefinition) -> RuleJudgement:
    """The hook of the KPI is green: its newest window is on target, complete and not old."""
    look = context.look
    kpi = look.policy.sheet.kpis[check.source["kpi"]]
    states = [state for state in look.outcome.states if state.kpi_id == kpi.id]
    if not states:
        raise NotMeasuredError(f"no hook watches the KPI {kpi.id}")
    worst = next((state for state in states if state.colour != "green"), states[0])
    if worst.colour == "unknown":
        raise NotMeasuredError(worst.why)
    value = "" if worst.value is None else f"{float(worst.value):g} {kpi.unit}"
    if value and worst.samples is not None:
        value += f" over {many(worst.samples, 'sample')}"
    if value:
        value += f" (target {kpi.target})"
    return passed(worst.colour == "green", f"target {kpi.target}: {worst.why}", value)


@rule("kpi")
def sustained(context: Context, check: CheckDefinition) -> RuleJudgement:
    """Every window of the sustained period is there and on target."""
    rows = _sustained_windows(context, check)
    kpi = context.look.policy.sheet.kpis[check.source["kpi"]]
    wanted = _sustained_count(context, check)
    # A percentile over too few samples is no measurement.
    least = kpi.minimum_samples
    values = [float(row[1]) for row in rows if row[1] is not None and (row[2] or 0) >= least]
    missed = [value for value in values if not reference.on_target(kpi, value)]
    message = (
        f"{len(values)} of {wanted} windows up to {_told(rows[0][0])}, {len(missed)} off target"
    )
    holds = len(values) >= wanted and not missed
    decisions = sum(row[2] or 0 for row in rows)
    worst = f"worst {max(values):g} {kpi.unit} over {many(decisions, 'decision')}" if values else ""
    worst += f" (target {kpi.target})" if values else ""
    return passed(holds, message, worst)


@rule("kpi")
def no_server_errors(context: Context, check: CheckDefinition) -> RuleJudgement:
    """No decision of the sustained period was answered with 5xx, and there were decisions."""
    rows = _sustained_windows(context, check)
    decisions, errors = sum(row[2] or 0 for row in rows), sum(row[3] or 0 for row in rows)
    if not decisions:
        raise NotMeasuredError("no decision was made in the sustained period")
    wanted = _sustained_count(context, check)
    if not errors and len(rows) < wanted:
        raise NotMeasuredError(f"{len(rows)} of {wanted} windows of the sustained period are there")
    measured = f"{many(errors, 'error')} in {many(decisions, 'decision')} (limit 0)"
    return passed(errors == 0, f"{errors} of {decisions} decisions", measured)


@rule("kpi")
def lag_of_each_dataset(context: Context, check: CheckDefinition) -> RuleJudgement:
    """The newest window of each public dataset that has a change log is there, not old, and on target."""
    picture, kpi = context.look.picture, context.look.policy.sheet.kpis[check.source["kpi"]]
    datasets = sorted(contract.dataset for contract, _ in logged(load_contracts(context.root)))
    wrong, values, samples = [], [], []
    for dataset in datasets:
        windows = picture.windows.get((kpi.id, dataset), ())
        if not windows or windows[0].value is None:
            wrong.append(f"{dataset}: no value")
        elif why := _objection(windows[0].window_end, picture.now, kpi.every_minutes):
            wrong.append(f"{dataset}: the newest window ended {why}")
        else:
            values.append(float(windows[0].value))
            samples.append(windows[0].samples or 0)
            if not reference.on_target(kpi, values[-1]):
                wrong.append(f"{dataset}: {values[-1]:g} {kpi.unit}")
    measured = ""
    if values:
        over = many(samples[values.index(max(values))], "sample")
        measured = f"worst {max(values):g} {kpi.unit} over {over} (target {kpi.target})"
    judged = listed(
        wrong, f"{many(len(datasets), 'dataset')} within {kpi.target} {kpi.unit}", measured
    )
    return judged if values or not wrong else RuleJudgement(Verdict.NOT_MEASURED, judged.message)


@rule("alarms")
def no_alarm(context: Context, check: CheckDefinition) -> RuleJudgement:
    """The control tables of the change data capture raise nothing; without a reader there is nothing to raise."""
    if check.source["alarms"] != "cdc":
        raise MbpError(f"no alarms {check.source['alarms']!r}", fix="write alarms: cdc")
    look = context.look
    wrong = [f"{alarm.id} {alarm.subject}: {alarm.message}" for alarm in look.alarms]
    fine = f"{len(look.captured.readers)} readers, none raises an alarm"
    return listed(wrong, fine if look.captured.readers else "no reader streams into this warehouse")


@rule("watchers")
def watchers_green(context: Context, check: CheckDefinition) -> RuleJudgement:
    """Each of the watchers is green on everything it watches; no data and pending are not green."""
    which = check.source["watchers"]
    if which not in WATCHERS:
        raise MbpError(f"no watchers {which!r}", fix=f"write one of {', '.join(WATCHERS)}")
    look = context.look
    hooks = {
        hook.id: hook
        for hook in look.policy.hooks.values()
        if hook.must_have and (which == MUST_HAVE or hook.severity == CRITICAL)
    }
    states = [state for state in look.outcome.states if state.hook_id in hooks]
    blind = sorted(hooks.keys() - {state.hook_id for state in states})
    wrong = [f"{name}: watches nothing" for name in blind]
    wrong += [
        f"{state.hook_id} on {state.entity}: {state.colour}, {state.why}"
        for state in states
        if (state.colour != "green" if which == MUST_HAVE else state.counts_as_red)
    ]
    if not hooks:
        raise NotMeasuredError("no hook is of that kind")
    return listed(wrong, many(len(hooks), "watcher"), f"{len(hooks) - len(wrong)} of {len(hooks)}")


@rule("decisions")
def no_open_decision(context: Context, check: CheckDefinition) -> RuleJudgement:
    """No decision of that severity is open, nor would one be opened now."""
    look = context.look
    severity = check.source["decisions"]
    hooks = {hook.id for hook in look.policy.hooks.values() if hook.severity == severity}
    if not hooks:
        raise NotMeasuredError(f"no hook has the severity {severity!r}")
    wrong = [
        f"{open_decision.hook_id} on {open_decision.entity}, open since {_told(open_decision.opened_at)}"
        for open_decision in look.picture.open
        # A hook that was removed does not take its decision along.
        if open_decision.hook_id in hooks or open_decision.hook_id not in look.policy.hooks
    ]
    wrong += [
        f"{decision.hook_id} on {decision.entity}: the watcher has not decided yet"
        for decision in look.outcome.opened
        if decision.hook_id in hooks
    ]
    return listed(
        wrong, f"{len(hooks)} hooks, none with an open decision", f"{len(wrong)} open (limit 0)"
    )


@rule("state")
def nothing_blocked(context: Context, _: CheckDefinition) -> RuleJudgement:
    """The release lock is there, young, of this target, warehouse and source, and empty."""
    policy = context.look.policy
    folder = state_folder(context.root)
    try:
        hours = policy.limits["lock_max_age_hours"]
        blocks = read_lock(context.root, folder, hours, context.now, of=context.lock_of())
    except MbpError as error:
        raise NotMeasuredError(error.what, path=error.path) from error
    wrong = [f"{block.kind} by {block.hook_id}: {block.reason}" for block in blocks]
    written = datetime.fromisoformat(json.loads(folder.lock.read_text("utf-8"))["written_at"])
    measured = (
        f"{many(len(blocks), 'block')}, {dated(written, context.now, timedelta(hours=hours))}"
    )
    return listed(wrong, "nothing blocks", measured)


def _sustained_minutes(context: Context) -> int:
    return int(context.look.policy.sheet.parameters.sustained_minutes)


def _sustained_count(context: Context, check: CheckDefinition) -> int:
    kpi = context.look.policy.sheet.kpis[check.source["kpi"]]
    return _sustained_minutes(context) // int(kpi.window_minutes or 1)


def _sustained_windows(context: Context, check: CheckDefinition) -> Rows:
    """(end, p95, decisions, errors) of the windows of the sustained period, newest first."""
    look = context.look
    kpi = look.policy.sheet.kpis[check.source["kpi"]]
    since = look.picture.now - timedelta(
        minutes=_sustained_minutes(context) + STALE_AFTER_WINDOWS * kpi.every_minutes
    )
    with context.warehouse() as warehouse:
        _, rows = query(
            warehouse,
            f"select window_end, p95_ms, decisions, errors_5xx from {SERVICE_LEVEL}"
            f" where window_end > timestamptz '{since.isoformat()}' order by window_end desc",
            SERVICE_LEVEL,
        )
    if not rows:
        raise NotMeasuredError(f"no window since {_told(since)}")
    if why := _objection(rows[0][0], look.picture.now, kpi.every_minutes):
        raise NotMeasuredError(f"the newest window ended {why}")
    begin = rows[0][0] - timedelta(minutes=_sustained_minutes(context))
    return [row for row in rows if row[0] > begin]


def _objection(window_end: datetime, now: datetime, every_minutes: int) -> str | None:
    return objection(window_end, now, STALE_AFTER_WINDOWS * timedelta(minutes=every_minutes))


def _told(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def engine_name(context: Context) -> str:
    """The engine of the gate's target, as people write it."""
    engine = engine_of(context.root, context.target)
    return ENGINES.get(engine, engine)


def basis_of(context: Context, gate: Gate) -> str:
    """What the verdict rests on; what is not known is said to be so."""
    try:
        data = context.origin.sentence
    except MbpError as error:
        data = f"data not known ({error.what})"
    return f"{data}; {engine_name(context)}; {_measured_rules(context, gate)}"


def _measured_rules(context: Context, gate: Gate) -> str:
    for check in gate.checks:
        if check.rule != RULE_VERDICTS:
            continue
        try:
            rules = context.evidence(check.source).content["evidence"]
            verdicts = [rule["verdict"] for rule in rules]
        except (MbpError, KeyError, TypeError):
            return "error rules not measured"
        unmeasured = (Verdict.NOT_MEASURED, Verdict.ERROR)
        measured = sum(verdict not in unmeasured for verdict in verdicts)
        return f"{measured} of {len(verdicts)} error rules measured"
    return "no check of error rules"


@rule("data")
def production_data(context: Context, check: CheckDefinition) -> RuleJudgement:
    """The data came by loads or change data capture; it is not the committed sample."""
    if check.source["data"] != "production":
        raise MbpError(f"no data {check.source['data']!r}", fix="write data: production")
    origin = context.origin
    if not origin.sample and not origin.sources:
        raise NotMeasuredError("the warehouse recorded neither a load nor change data capture")
    return passed(not origin.sample, origin.sentence)


@rule("engine")
def production_engine(context: Context, check: CheckDefinition) -> RuleJudgement:
    """The warehouse is of the engine that production has."""
    wanted = check.source["engine"]
    if wanted not in ENGINES:
        raise MbpError(f"no engine {wanted!r}", fix=f"write one of {', '.join(ENGINES)}")
    name = engine_name(context)
    return passed(name == ENGINES[wanted], f"{name}; production is {ENGINES[wanted]}", name)
