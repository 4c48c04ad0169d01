"""`mbp contracts`: render what follows from the contracts, list their rules, say what is missing."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from mbp.errors import EXIT_FINDINGS
from mbp.paths import project_root


def register(app: typer.Typer) -> None:
    """Adds `mbp contracts`."""
    contracts = typer.Typer(
        no_args_is_help=True, help="Contracts of the datasets: render, status, rules."
    )
    contracts.command("render", epilog="Example: mbp contracts render --check")(render)
    contracts.command("status", epilog="Example: mbp contracts status --json")(status)
    contracts.command("rules", epilog="Example: mbp contracts rules --json")(rules)
    app.add_typer(contracts, name="contracts")


def render(
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit 1 when a file is stale.")
    ] = False,
) -> None:
    """Compile the contracts into dbt properties, doc blocks and the table of rules."""
    from mbp.contracts import render as rendering

    root = project_root()
    if not check:
        changed = rendering.render(root)
        for name in changed:
            typer.echo(f"wrote {name}", err=True)
        typer.echo(f"{len(changed)} files written" if changed else "nothing was stale", err=True)
        return
    stale = rendering.stale_files(root)
    for name in stale:
        typer.echo(f"{name}: stale. Cure: {rendering.CURE}")
    if stale:
        raise typer.Exit(EXIT_FINDINGS)


def status(
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
) -> None:
    """Show which pack of which dataset is complete; exit 1 when something is missing."""
    from mbp.contracts.status import matrix, matrix_json, matrix_text

    cells = matrix(project_root())
    typer.echo(matrix_json(cells) if as_json else matrix_text(cells))
    if any(cell.missing for cell in cells):
        raise typer.Exit(EXIT_FINDINGS)


def rules(
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
) -> None:
    """List every rule of the contracts: id, severity, owner, what must hold."""
    from mbp.contracts import all_rules, load_contracts
    from mbp.contracts.listing import rule_record, rules_text

    found = all_rules(load_contracts(project_root()))
    if as_json:
        typer.echo(json.dumps([rule_record(rule) for rule in found], indent=2, ensure_ascii=False))
    else:
        typer.echo(rules_text(found))
