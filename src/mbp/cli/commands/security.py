"""`mbp security`: bill of materials, static analysis, secrets, advisories, licences, live grants."""

from __future__ import annotations

from typing import Annotated

import typer

from mbp.cli.commands import QUALITY
from mbp.cli.options import Format, Target, examples
from mbp.core.paths import project_root
from mbp.core.reporting import deliver
from mbp.core.reporting.progress import progress

RUN_EXAMPLES = examples(
    "mbp security run --target postgres",
    "mbp security run --only secrets --only sast --format json",
)


def register(app: typer.Typer) -> None:
    """Adds the group."""
    group = typer.Typer(
        no_args_is_help=True,
        help="Components, static analysis, secrets, advisories, licences and grants.",
    )
    # With one command typer would make the group itself that command.
    group.callback()(lambda: None)
    group.command("run", epilog=RUN_EXAMPLES)(run)
    app.add_typer(group, name="security", rich_help_panel=QUALITY)


def run(
    only: Annotated[
        list[str] | None,
        typer.Option(
            help="Part to run: sbom, sast, secrets, audit, licences or least_privilege."
            " [default: all]"
        ),
    ] = None,
    target: Target = None,
    form: Format = "text",
) -> None:
    """Run the security checks and keep the evidence of each.

    Exit code: 0 every part passes, 1 findings, 2 some part was not measured (or the policy is wrong).
    """
    from mbp.release.security.security_run import SecurityRequest, exit_code, suite
    from mbp.release.security.security_run import run as run_parts
    from mbp.runs.dbt_process import target_name

    root = project_root()
    request = SecurityRequest(only or (), target_name(root, target))
    with progress() as shown:
        results = run_parts(root, request, shown.say)
    deliver(suite(results), form, json=[result.document() for result in results])
    raise typer.Exit(exit_code(results))
