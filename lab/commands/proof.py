"""`mbp quality prove` and `mbp quality parity`: does every rule catch its fault, on every engine?"""

from __future__ import annotations

from typing import Annotated

import typer

from lab.command_groups import group_named
from mbp.cli.options import ReportFormat
from mbp.core.errors import EXIT_FINDINGS

PROVE_EXAMPLES = """
Examples:

  mbp quality prove                      # every fault, on DuckDB

  mbp quality prove --fault mbp_quotes_fk --fault twap_reconciles

  mbp quality prove --changed-since origin/main   # what a pull request proves

  mbp quality prove --engine postgres --format json
"""


def parity(
    form: ReportFormat = "text",
) -> None:
    """Inject every fault of the bad project and compare the three engines, on PostgreSQL.

    Exit code: 0 every engine catches what it can express and they agree, 1 findings, 2 could not run.
    """
    from lab import parity as comparing
    from mbp.core.paths import project_root
    from mbp.core.reporting import show
    from mbp.core.reporting.progress import progress

    with progress() as shown:
        result = comparing.measure(project_root(), shown.say)
    show(form, text=comparing.render(result), json=comparing.as_json(result))
    if not result.passed:
        raise typer.Exit(EXIT_FINDINGS)


def prove(
    fault: Annotated[
        list[str] | None, typer.Option(help="Only this fault (rule id, repeatable).")
    ] = None,
    changed_since: Annotated[
        str | None,
        typer.Option(
            help="A git ref: only the rules whose SQL, contract, macros or upstream models differ from it."
        ),
    ] = None,
    engine: Annotated[str, typer.Option(help="duckdb or postgres.")] = "duckdb",
    form: ReportFormat = "text",
) -> None:
    """Run the bad project: every fault must be found by its rule and by no other error rule.

    A whole run is evidence for the gate (target/evidence/proof.json). Exit code: 0 proved, or nothing changed, 1
    something differs from tests/dbt/fixtures/expected_findings.yaml, 2 could not run.
    """
    from lab.proof import proof_score
    from lab.proof.proof_report import write_proof
    from lab.proof.prove import prove as run
    from mbp.core.paths import project_root
    from mbp.core.reporting import show
    from mbp.core.reporting.progress import progress
    from mbp.runs.envelope import begin

    root = project_root()
    begun = begin(root)
    with progress() as shown:
        result = run(
            root,
            engine=engine,
            chosen=tuple(fault or ()),
            changed_since=changed_since,
            shown=shown,
        )
    write_proof(begun, result)
    show(form, text=proof_score.render(result), json=proof_score.as_json(result))
    if not result.passed:
        raise typer.Exit(EXIT_FINDINGS)


def register(app: typer.Typer) -> None:
    """Adds what the lab adds to the program."""
    group = group_named(app, "quality")
    group.command("prove", epilog=PROVE_EXAMPLES)(prove)
    group.command("parity", epilog="Example: mbp quality parity --format json > parity.json")(
        parity
    )
