"""`mbp quality`: what the last run found, and the proof that the tests can find it."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from mbp.errors import EXIT_FINDINGS

FAILURES_EXAMPLES = """
Examples:

  mbp quality failures                   # rules, owners, meaning, five rows of each

  mbp quality failures --limit 20 --target postgres

  mbp quality failures --json > findings.json
"""

PROVE_EXAMPLES = """
Examples:

  mbp quality prove                      # every fault, on DuckDB

  mbp quality prove --fault mbp_quotes_fk --fault twap_reconciles

  mbp quality prove --engine postgres --json
"""

MOST_ROWS = 1000


def register(app: typer.Typer) -> None:
    """Adds `mbp quality` with its verbs."""
    quality = typer.Typer(
        help="Which rules hold, the rows that break them, and the proof of the tests.",
        no_args_is_help=True,
    )
    quality.command("failures", epilog=FAILURES_EXAMPLES)(failures)
    quality.command("prove", epilog=PROVE_EXAMPLES)(prove)
    app.add_typer(quality, name="quality")


def failures(
    target: Annotated[
        str | None, typer.Option(help="dbt target whose rows are read. [default: duckdb]")
    ] = None,
    limit: Annotated[int, typer.Option(min=0, max=MOST_ROWS, help="Most rows per finding.")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="Findings as JSON.")] = False,
) -> None:
    """Show what the last run found: rule, owner, meaning and failing rows, personal values masked.

    Exit code: 0 nothing found, 1 findings, 2 there is no run to look at.
    """
    from mbp.paths import project_root
    from mbp.quality import report
    from mbp.quality.failures import look_at_last_run

    found = look_at_last_run(project_root(), target=target, limit=limit)
    if as_json:
        document = report.as_json(found.findings, found.passed, found.notes)
        typer.echo(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        typer.echo(report.render(found.findings, found.passed, found.notes), nl=False)
    if found.found:
        raise typer.Exit(EXIT_FINDINGS)


def prove(
    fault: Annotated[
        list[str] | None, typer.Option(help="Only this fault (rule id, repeatable).")
    ] = None,
    engine: Annotated[str, typer.Option(help="duckdb or postgres.")] = "duckdb",
    as_json: Annotated[bool, typer.Option("--json", help="The score as JSON.")] = False,
) -> None:
    """Run the bad project: every fault must be found by its own rule and by no other error rule.

    Exit code: 0 proved, 1 something differs from tests/dbt/fixtures/expected_findings.yaml, 2 could
    not run.
    """
    from mbp.paths import project_root
    from mbp.quality import score
    from mbp.quality.prove import prove as run

    result = run(
        project_root(),
        engine=engine,
        chosen=tuple(fault or ()),
        say=lambda told: typer.echo(told, err=True),
    )
    if as_json:
        typer.echo(json.dumps(score.as_json(result), indent=2, ensure_ascii=False))
    else:
        typer.echo(score.render(result), nl=False)
    if not result.passed:
        raise typer.Exit(EXIT_FINDINGS)
