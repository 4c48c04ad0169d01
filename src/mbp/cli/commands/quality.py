"""`mbp quality`: what the last run found, and the proof that the tests can find it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from mbp.cli.commands import QUALITY
from mbp.cli.options import RULES, Format, ReportFormat, Target, examples
from mbp.core.errors import EXIT_COULD_NOT_RUN, EXIT_FINDINGS, MbpError
from mbp.core.paths import project_root
from mbp.core.reporting import deliver, show
from mbp.core.reporting.progress import progress
from mbp.core.wording import many

FAILURES_EXAMPLES = examples(
    "mbp quality failures                   # rules, owners, meaning, five rows of each",
    "mbp quality failures --limit 20 --target postgres",
    "mbp quality failures --format json > findings.json",
)


RUN_EXAMPLES = examples(
    "mbp quality run                        # dbt's tests, on DuckDB",
    "mbp quality run --engine all --target postgres",
    "mbp quality run --engine datacontract --format json",
)

RECORD_EXAMPLES = examples(
    "mbp build && mbp quality record        # the run of dbt that just ended",
    "mbp quality run --engine all --format json > run.json; mbp quality record run.json",
)

HISTORY_EXAMPLES = examples(
    "mbp quality history                    # the state of every rule",
    "mbp quality history orders_fk --limit 50",
)

MOST_ROWS = 1000


def register(app: typer.Typer) -> None:
    """Adds `mbp quality` with its verbs."""
    quality = typer.Typer(
        help="Results of the rules, failing rows, and the proof of the tests.",
        no_args_is_help=True,
    )
    quality.command("failures", epilog=FAILURES_EXAMPLES)(failures)
    quality.command("run", epilog=RUN_EXAMPLES)(run)
    quality.command("record", epilog=RECORD_EXAMPLES)(record)
    quality.command("history", epilog=HISTORY_EXAMPLES)(history)
    quality.command("monitor", epilog="Example: mbp quality monitor --format json")(monitor)
    app.add_typer(quality, name="quality", rich_help_panel=QUALITY)


def failures(
    target: Target = None,
    limit: Annotated[int, typer.Option(min=0, max=MOST_ROWS, help="Most rows per finding.")] = 5,
    form: Format = "text",
) -> None:
    """Show what the last run found: rule, owner, meaning and failing rows, personal values masked.

    A partial run reports only its part. Exit code: 0 the whole project was checked and nothing was
    found, 1 findings, 2 there is no run, its results are stale or of another warehouse, it was partial without a
    finding, or the loaded source lacks what an error rule reads.
    """
    from dataclasses import replace

    from mbp.quality import failures
    from mbp.quality.failures import demand_current, look_at_last_run

    last_run = look_at_last_run(project_root(), target=target, limit=limit)
    document = failures.as_json(replace(last_run, findings=last_run.inside))
    deliver(failures.suite(last_run), form, json=document)
    demand_current(last_run.notes)
    if last_run.has_findings:
        raise typer.Exit(EXIT_FINDINGS)
    if last_run.partial:
        raise MbpError(f"nothing was found, in {last_run.partial[0]}", fix="run `mbp build`")
    if last_run.unmeasured:
        raise typer.Exit(EXIT_COULD_NOT_RUN)


def run(
    engine: Annotated[
        Literal["dbt", "gx", "datacontract", "all"], typer.Option(help="Engine that checks.")
    ] = "dbt",
    target: Target = None,
    form: Format = "text",
) -> None:
    """Check the warehouse against the rules of the contracts, with one engine or all three.

    Exit code: 0 every error rule holds and the engines agree, 1 findings (action: data_contract_break),
    2 could not run, or the loaded source lacks what an error rule reads.
    """
    from mbp.quality.enforcement import engine_runs as enforcing
    from mbp.quality.enforcement.results import ENGINES
    from mbp.quality.monitor.record import as_document, this_run
    from mbp.runs.dbt_process import target_name

    chosen = [name for name in ENGINES if engine in (name, "all")]
    root = project_root()
    with progress() as shown:
        results = enforcing.run(root, chosen, target, say=shown.say)
    unmeasured = enforcing.unmeasured(root, results)
    document = {
        "passed": not enforcing.failed(results) and not unmeasured,
        "not_measured": unmeasured,
        "disagreements": enforcing.disagreements(results),
        **as_document(this_run(root, target_name(root, target), results)),
    }
    deliver(enforcing.suite(results, unmeasured), form, json=document)
    if enforcing.failed(results):
        typer.echo(f"action: {enforcing.ACTION}", err=True)
        raise typer.Exit(EXIT_FINDINGS)
    if unmeasured:
        typer.echo(f"not measured: {len(unmeasured)} error rules, which is no pass", err=True)
        raise typer.Exit(EXIT_COULD_NOT_RUN)


def record(
    run_file: Annotated[
        Path | None,
        typer.Argument(help="Output of `quality run --format json`. [default: dbt's last run]"),
    ] = None,
    target: Target = None,
) -> None:
    """Write the results of a run into `reliability.dq_results`. Safe to run again."""
    from mbp.quality.monitor import record as recording

    root = project_root()
    if run_file is not None and target is not None:
        raise MbpError("--target is of dbt's last run; the file names its own", fix="leave it out")
    run = recording.read_run(run_file) if run_file else recording.last_dbt_run(root, target)
    rows = recording.record(root, run)
    typer.echo(f"{many(rows, 'result')} of run {run.run_id} recorded on {run.target}", err=True)


def history(
    rule_id: Annotated[
        str | None, typer.Argument(help="Only this rule, run by run.", autocompletion=RULES)
    ] = None,
    target: Target = None,
    limit: Annotated[int, typer.Option(min=1, max=MOST_ROWS, help="Most runs of the rule.")] = 20,
    form: ReportFormat = "text",
) -> None:
    """Show the last recorded runs of a rule, or the state of every rule.

    Exit code: 0 shown, 2 nothing was recorded.
    """
    from mbp.quality.monitor import monitor_view

    rows = monitor_view.history(project_root(), target, rule_id, limit)
    show(form, text=monitor_view.history_text(rows), json=[dict(row) for row in rows])


def monitor(
    target: Target = None,
    form: Format = "text",
) -> None:
    """List what needs action: broken rules, rules that were not run, unusual days; each with its owner.

    Exit code: 0 nothing, 1 alerts, 2 nothing was recorded or nothing ever arrived.
    """
    from dataclasses import asdict

    from mbp.quality.monitor import monitor_view

    report_of_monitor = monitor_view.monitor(project_root(), target)
    deliver(monitor_view.suite(report_of_monitor), form, json=asdict(report_of_monitor))
    if report_of_monitor.alerts:
        raise typer.Exit(EXIT_FINDINGS)
