"""`mbp gate`: may we release, and who signs it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from mbp.errors import EXIT_FINDINGS

M2 = "M2"
Target = Annotated[str | None, typer.Option(help="dbt target. [default: duckdb]")]

SIGN_EXAMPLES = """
Examples:

  mbp gate sign --role SRE --key ~/.ssh/id_ed25519

  mbp gate sign --role Data --key ~/.ssh/id_ed25519.pub --target postgres   # the private half is in ssh-agent
"""


def register(app: typer.Typer) -> None:
    """Adds the group."""
    group = typer.Typer(no_args_is_help=True, help="The gate before a release, and its sign-offs.")
    group.command("sign", epilog=SIGN_EXAMPLES)(sign)
    app.add_typer(group, name="gate")


def sign(
    role: Annotated[str, typer.Option(help="PO, Eng, Data, SRE, FE, SEC or INT.")],
    key: Annotated[
        Path, typer.Option(help="SSH key: private, or public with its other half in ssh-agent.")
    ],
    target: Target = None,
) -> None:
    """Run gate M2, show its checklist, and sign it for a role. What is not ready is not signed.

    Exit code: 0 signed, 1 a check is neither passed nor waived, 2 could not run or sign.
    """
    from mbp.gate.run import run_gate
    from mbp.gate.signoffs import open_checks, sign_off, sign_off_subject
    from mbp.paths import project_root, shown

    root = project_root()
    report = run_gate(root, M2, target).document()
    standing = open_checks(report)
    for one in standing:
        typer.echo(f"{one['id']}: {one['verdict']}: {one['what']}")
    if standing:
        typer.echo(
            f"not signed: {len(standing)} checks are neither passed nor waived; an unready release is"
            " not signed. Cure: `mbp gate M2` tells what to do about each",
            err=True,
        )
        raise typer.Exit(EXIT_FINDINGS)
    for name, verdict in sign_off_subject(report)["checklist"].items():
        typer.echo(f"{name}: {verdict}")
    path = sign_off(root, report, role, key, datetime.now(UTC))
    typer.echo(f"signed by {role}: {shown(path, root)} and its .sig; commit both", err=True)
