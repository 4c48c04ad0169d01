"""`mbp security rehearse`: every part of the security run, on servers that are started for it."""

from __future__ import annotations

import typer

from lab.command_groups import group_named
from mbp.cli.options import Format

EXAMPLES = """
Examples:

  mbp security rehearse
"""


def register(app: typer.Typer) -> None:
    """Adds the command to the group `security`."""
    group_named(app, "security").command("rehearse", epilog=EXAMPLES)(rehearse)


def rehearse(form: Format = "text") -> None:
    """Run the security checks, with the grants read on a PostgreSQL that is started and built for it.

    Exit code: 0 every part passes, 1 findings, 2 some part was not measured (or the policy is wrong).
    """
    from functools import partial

    from lab.security_servers import started
    from mbp.core.paths import project_root
    from mbp.core.reporting import deliver
    from mbp.core.reporting.progress import progress
    from mbp.release.security.security_run import SecurityRequest, exit_code, run, suite

    root = project_root()
    with progress() as bar:
        request = SecurityRequest(servers=partial(started, root, bar.say))
        results = run(root, request, bar.say)
    deliver(suite(results), form, json=[result.document() for result in results])
    raise typer.Exit(exit_code(results))
