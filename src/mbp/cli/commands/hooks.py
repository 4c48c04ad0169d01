"""`mbp watch`, `mbp deploy-check`, `mbp hooks`, `mbp kpi`: from a KPI to what is done about it."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from mbp.cli.commands import DECISIONS, RELEASE
from mbp.cli.options import Check, Format, ReportFormat, Target, examples
from mbp.core.errors import EXIT_COULD_NOT_RUN, EXIT_FINDINGS, MbpError
from mbp.core.paths import project_root
from mbp.core.reporting import Finding, Suite, deliver, report, show

if TYPE_CHECKING:
    from mbp.operate.hooks.watch import HookEvaluationRecord

WATCH_EXAMPLES = examples(
    "mbp watch --once                       # for CI and cron: exit 1 when something is red",
    "mbp watch --interval 60                # keeps going, once a minute",
    "mbp watch --once --dry-run --format json   # what would be decided; nothing is written or sent",
)


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("watch", rich_help_panel=DECISIONS, epilog=WATCH_EXAMPLES)(watch)
    app.command(
        "deploy-check", rich_help_panel=RELEASE, epilog="Example: mbp deploy-check && ./deploy"
    )(deploy_check)
    hooks = typer.Typer(help="The decision hooks (A110).", no_args_is_help=True)
    hooks.command("check", epilog="Example: mbp hooks check --format json")(check)
    hooks.command("show", epilog="Example: mbp hooks show")(show_hooks)
    app.add_typer(hooks, name="hooks", rich_help_panel=DECISIONS)
    hooks.command("render", epilog="Example: mbp hooks render --check")(render)
    app.command("status", rich_help_panel=DECISIONS, epilog="Example: mbp status | less")(status)
    kpi = typer.Typer(help="The KPIs of the measurement sheet (A87).", no_args_is_help=True)
    kpi.command("collect", epilog="Example: mbp build && mbp kpi collect")(collect)
    app.add_typer(kpi, name="kpi", rich_help_panel=DECISIONS)


def watch(
    once: Annotated[bool, typer.Option("--once", help="Evaluate once and exit.")] = False,
    interval: Annotated[
        int, typer.Option(min=1, help="Seconds between two evaluations, without --once.")
    ] = 60,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Decide, but do nothing.")] = False,
    target: Target = None,
    form: Format = "text",
) -> None:
    """Evaluate every hook and carry out what it decides: incident, block, degrade, rollback, freeze.

    Alarms of change data capture are raised too. Exit code: 0 all green, 1 something is red, an alarm is raised or
    a message could not be delivered, 2 could not check.
    """
    import time

    from mbp.operate.hooks.watch import watch_once

    while not (once or dry_run):
        # A file that is locked for a moment, or a server that restarts, must not end the watch.
        try:
            _tell(watch_once(project_root(), target), form)
        except MbpError as error:
            typer.echo(f"mbp: {error}", err=True)
        time.sleep(interval)
    watched = watch_once(project_root(), target, dry_run=dry_run)
    _tell(watched, form)
    if dry_run and form == "text":
        _would_send(watched)
    if not watched.passed:
        raise typer.Exit(EXIT_FINDINGS)


def deploy_check(
    merge: Annotated[
        bool, typer.Option("--merge", help="Check whether a merge is blocked.")
    ] = False,
    target: Target = None,
    form: Format = "text",
) -> None:
    """May we deploy (or merge)? Reads the release.lock of the last `mbp watch`.

    The lock counts for the target, the warehouse and the source that were watched. What blocks a merge blocks a
    deployment too. Exit code: 0 yes, 1 blocked, 2 no lock, or one of another target, warehouse or source.
    """
    from mbp.contracts.hook_policy import load_hooks
    from mbp.core.paths import state_folder
    from mbp.operate.hooks.hook_state import LockOf, demand_lock, read_lock
    from mbp.runs.dbt_process import target_name
    from mbp.runs.run_control import warehouse_id
    from mbp.runs.working_copy import source_of
    from mbp.warehouse import connect

    root = project_root()
    hours = load_hooks(root).limits["lock_max_age_hours"]
    folder = state_folder(root)
    demand_lock(root, folder)
    with connect(root, target, read_only=True) as warehouse:
        of = LockOf(target_name(root, target), warehouse_id(warehouse), source_of(root).digest)
    blocks = read_lock(root, folder, hours, datetime.now(UTC), of=of)
    asked = "merge" if merge else "deployment"
    blocks = [block for block in blocks if block.kind == "merge" or not merge]
    typer.echo(f"{asked}: {'blocked' if blocks else 'allowed'}", err=True)
    findings = []
    for block in blocks:
        message = f"{block.kind} blocked by {block.hook_id}: {block.reason}"
        findings.append(Finding("release_blocked", message, owner=block.owner))
    report(Suite("mbp deploy-check", [asked], findings, unit="request"), form)


def check(form: Format = "text") -> None:
    """Check hooks, sheet and alarms: every KPI has a hook, every hook an owner, a route, a runbook, evidence.

    Exit code: 0 no finding, 1 findings, 2 a file cannot be read.
    """
    from mbp.contracts.alarm_limits import FILE, load_limits
    from mbp.contracts.hook_policy import HOOKS, load_hooks
    from mbp.contracts.sheet import SHEET
    from mbp.operate.hooks.alarming import demand_route

    policy = load_hooks(project_root())
    demand_route(load_limits(project_root()), policy.receivers)
    report(Suite("mbp hooks check", [SHEET, HOOKS, FILE], policy.findings), form)


def show_hooks(form: ReportFormat = "text") -> None:
    """Show every hook: KPI, window, target, action, owner, route, rollback, runbook."""
    from mbp.contracts.hook_policy import load_hooks, rows

    policy = load_hooks(project_root())
    if not policy.hooks:
        raise MbpError("no valid hook", fix="see `mbp hooks check`")
    table = rows(policy)
    lines = []
    for row in table:
        lines.append(f"{row['hook']}")
        lines += [f"  {name.replace('_', ' '):<12} {row[name]}" for name in row if name != "hook"]
    show(form, text="\n".join(lines), json={"policy_hash": policy.hash, "hooks": table})


def collect(target: Target = None, form: Format = "text") -> None:
    """Collect the KPIs of the last runs: schema drift, contract break, dbt tests, hook coverage.

    Exit code: 0 all measured and on target, 1 one is off target, 2 one could not be measured (no run, a stale one), or
    there is no warehouse.
    """
    from mbp.contracts.hook_policy import load_hooks, on_target
    from mbp.core.settings import load_settings
    from mbp.operate.hooks.kpi_collect import collect as collecting
    from mbp.release.waivers.waiver_check import waived_rules

    root = project_root()
    collecteds = collecting(root, target, waived_rules)
    kpis = {} if load_settings(root).hosted else load_hooks(root).sheet.kpis
    unknown = [measurement for measurement in collecteds if measurement.value is None]
    findings = [Finding(kpi.kpi_id, f"not measured: {kpi.detail}") for kpi in unknown]
    findings += [
        Finding(
            kpi.kpi_id,
            f"off target: {kpi.detail}",
            owner=kpis[kpi.kpi_id].owners[0] if kpis else "",
        )
        for kpi in collecteds
        if kpi.value is not None
        and not (on_target(kpis[kpi.kpi_id], kpi.value) if kpis else not kpi.value)
    ]
    lines = [
        f"{kpi.kpi_id:<20} {'-' if kpi.value is None else f'{kpi.value:g}':>6}"
        f" of {kpi.samples:>5}  {kpi.detail}"
        for kpi in collecteds
    ]
    names = [measurement.kpi_id for measurement in collecteds]
    suite = Suite("mbp kpi collect", names, findings, unit="KPI", table="\n".join(lines))
    for collected in unknown:
        typer.echo(f"mbp: {collected.kpi_id}: {collected.detail}", err=True)
    content = [measurement.content() for measurement in collecteds]
    deliver(suite, form, json=content)
    if unknown:
        raise typer.Exit(EXIT_COULD_NOT_RUN)
    if findings:
        raise typer.Exit(EXIT_FINDINGS)


def _tell(watched: HookEvaluationRecord, form: str) -> None:
    from mbp.operate.hooks.watch import suite_of

    deliver(suite_of(watched), form, json=watched.as_json())


def _would_send(watched: HookEvaluationRecord) -> None:
    from mbp.operate.hooks.actions import notices

    for decision in watched.outcome.opened:
        for notice in notices(watched.policy, decision, recovered_at=None):
            typer.echo(f"would send to {notice.channel}: {json.dumps(notice.body)}")
    for alarm in watched.alarms:
        typer.echo(
            f"would notify {watched.limits.owner}: {alarm.id} {alarm.subject}, unless already notified"
        )


def render(check: Check = False, form: Format = "text") -> None:
    """Write Prometheus rules, Alertmanager routing, dashboards and the reference."""
    from mbp.core.reporting.output_forms import render_or_check
    from mbp.operate.hooks.alert_rules import FIX, rendered

    root = project_root()
    render_or_check(check, root, rendered(root), FIX, form)


def status(target: Target = None, form: ReportFormat = "text") -> None:
    """Show the state of every KPI: value, target, trend, state, owner, open decisions.

    Exit code: 0 shown, 2 there is nothing to show. `mbp watch --once` gives the verdict.
    """
    import sys

    from mbp.operate.hooks import hook_status as screen
    from mbp.operate.hooks.watch import look

    seen = look(project_root(), target)
    lines = screen.status(seen.policy, seen.picture, seen.outcome, seen.alarms, seen.loads)
    plain = not sys.stdout.isatty() or bool(os.environ.get("NO_COLOR"))
    # Not through `show`: it would escape the colours.
    if form == "text":
        typer.echo(screen.text(lines, colour=not plain), nl=False)
    else:
        show(form, text=screen.text(lines, colour=False), json=screen.as_json(lines))
