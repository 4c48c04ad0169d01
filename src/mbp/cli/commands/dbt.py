"""`mbp dbt`: any dbt command, without reading the project again when nothing changed."""

from __future__ import annotations

from pathlib import Path

import typer

from mbp.cli.commands import START
from mbp.core.errors import EXIT_FINDINGS, MbpError

EXAMPLES = """
Examples:

  mbp dbt build --selector daily

  mbp dbt test --target postgres --select orders

  mbp dbt ls --select state:modified+ --state main/target
"""
ANY = {"allow_extra_args": True, "ignore_unknown_options": True, "allow_interspersed_args": False}
# dbt calls it a success when there is nothing to do.
RUNNING = ("build", "run", "test", "seed")
# These judge or show what is in the warehouse.
READING = ("test", "source", "show", "docs")
# dbt takes them once, and here they are given already.
PLACES = {
    "--project-dir": "MBP_PROJECT_DIR",
    "--profiles-dir": "DBT_PROFILES_DIR",
    "--target-path": "DBT_TARGET_PATH",
    "--log-path": "DBT_LOG_PATH",
}


def register(app: typer.Typer) -> None:
    """Adds `mbp dbt`."""
    app.command("dbt", rich_help_panel=START, epilog=EXAMPLES, context_settings=ANY)(dbt)


def dbt(context: typer.Context) -> None:
    """Run a dbt command; reuses the parsed project until a file changes."""
    from mbp.core.paths import project_root
    from mbp.runs.dbt_process import run_dbt
    from mbp.runs.preflight import install_packages

    arguments, target = without_target(context.args)
    if arguments[0] != "deps":
        install_packages(project_root())
    demand_warehouse(project_root(), arguments[0], target)
    outcome = run_dbt(project_root(), arguments, target=target, aloud=True)
    if outcome.problem is not None:
        raise MbpError(
            f"dbt {arguments[0]} could not run: {' '.join(outcome.problem.split())}",
            fix=f"fix the cause; `dbt {arguments[0]} --help` lists what the command takes",
        )
    if arguments[0] in RUNNING and not getattr(outcome.result, "results", None):
        raise MbpError(
            f"dbt {arguments[0]} ran nothing",
            fix="select something: `mbp dbt ls` shows what a selection holds",
        )
    if not outcome.success:
        raise typer.Exit(EXIT_FINDINGS)


def demand_warehouse(root: Path, command: str, target: str | None) -> None:
    """Nothing, when the command can use the warehouse as it is, or asks for none.

    dbt itself makes a DuckDB file that is not there, and judges what it then finds in it.

    Raises:
        MbpError: no DuckDB file to read, or a server that does not let the user in as the role of the profile.
    """
    from mbp.runs.dbt_process import target_name
    from mbp.warehouse.connection import connect, engine_of

    name = target_name(root, target)
    engine = engine_of(root, name)
    if (engine == "duckdb" and command in READING) or (
        engine == "postgres" and command in (*READING, *RUNNING)
    ):
        connect(root, name, read_only=True).close()


def without_target(given: list[str]) -> tuple[list[str], str | None]:
    """The arguments for dbt, and the target among them.

    Raises:
        MbpError: no command, an option before it, a target without a name, or a place that an environment
            variable gives.
    """
    if not given or given[0].startswith("-"):
        raise MbpError(
            "no dbt command" if not given else f"{given[0]} comes before the dbt command",
            fix="write the command first, e.g. `mbp dbt build --selector daily`",
        )
    arguments: list[str] = []
    target: str | None = None
    waiting = iter(given)
    for waiter in waiting:
        name, equals, value = waiter.partition("=")
        if name in PLACES:
            raise MbpError(
                f"{name} is not taken here", fix=f"give it in the variable {PLACES[name]}"
            )
        if name not in ("--target", "-t"):
            arguments.append(waiter)
            continue
        target = value if equals else next(waiting, None)
        if not target:
            raise MbpError(f"{name} without a name", fix="e.g. --target postgres")
    return arguments, target
