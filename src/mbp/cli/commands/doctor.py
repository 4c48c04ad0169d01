"""`mbp doctor`: can this machine do the work, and if not, what is to be done?"""

from __future__ import annotations

import json
from typing import Annotated

import typer

from mbp.cli.commands import START
from mbp.cli.options import AsJson
from mbp.core.errors import EXIT_FINDINGS

EXAMPLES = """
Examples:

  mbp doctor                             # before the first build, and when something does not work

  mbp doctor --target postgres --json
"""


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("doctor", rich_help_panel=START, epilog=EXAMPLES)(doctor)


def doctor(
    target: Annotated[str | None, typer.Option(help="dbt target. [default: the profile's]")] = None,
    as_json: AsJson = False,
) -> None:
    """Look at versions, profile, warehouse, permissions, disk and clocks, and say what to do about each.

    Exit code: 0 ready, 1 something is to be mended or could not be looked at, 2 could not run.
    """
    from mbp.cli.doctor import examine
    from mbp.core.paths import project_root
    from mbp.core.reporting.progress import progress

    with progress() as shown:
        found = examine(project_root(), target, say=shown.say)
    if as_json:
        typer.echo(json.dumps(found.document(), indent=2, ensure_ascii=False))
    else:
        typer.echo(found.text(), nl=False)
    if not found.passed:
        raise typer.Exit(EXIT_FINDINGS)
