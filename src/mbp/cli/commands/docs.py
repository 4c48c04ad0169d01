"""`mbp docs`: what is described of the warehouse, and whether decisions, runbooks and plan are whole."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mbp.cli.commands import DOCUMENTS
from mbp.cli.options import Check, Format, Output, Target
from mbp.core.paths import project_root, shown
from mbp.core.reporting import Finding, Suite, report
from mbp.core.reporting.progress import progress
from mbp.core.wording import many

EPILOG = "Example: mbp docs coverage --format json --output coverage.json --compare main.json"


def register(app: typer.Typer) -> None:
    """Adds the group."""
    group = typer.Typer(
        no_args_is_help=True,
        help="Check, render and publish the documentation; measure its coverage.",
    )
    group.callback()(lambda: None)
    group.command("coverage", epilog=EPILOG)(coverage)
    group.command("check", epilog="Example: mbp docs check --format json")(check)
    group.command("render", epilog="Example: mbp docs render --check")(render)
    group.command("site", epilog="Example: mbp docs site --output target/site")(site)
    app.add_typer(group, name="docs", rich_help_panel=DOCUMENTS)


def coverage(
    fail_under: Annotated[
        float | None, typer.Option(help="Lowest percentage. [default: the policy's]")
    ] = None,
    compare: Annotated[
        Path | None, typer.Option(help="JSON of an earlier run; a lower coverage is a finding.")
    ] = None,
    artifacts: Annotated[
        Path | None, typer.Option(help="Folder of manifest.json and catalog.json.")
    ] = None,
    form: Format = "text",
    output: Output = None,
) -> None:
    """Measure how many of the existing columns and relations have a description."""
    from mbp.quality.coverage.documentation_coverage import (
        as_document,
        as_text,
        judge,
        measure_project,
    )

    root = project_root()
    measured = measure_project(root, artifacts)
    judgement = judge(root, measured, fail_under, compare)
    findings = [
        Finding("not_covered", f"not good enough: {objection}")
        for objection in judgement.objections
    ]
    for objection in judgement.objections if output or form == "json" else ():
        typer.echo(f"not good enough: {objection}", err=True)
    folders, table = list(measured.by("folder")), as_text(measured)
    suite = Suite("mbp docs coverage", folders, findings, unit="folder", table=table)
    report(suite, form, output, json=as_document(measured))


def check(form: Format = "text") -> None:
    """Check decisions, runbooks and the Pre-GA plan: front matter, commands, queries, names.

    Writes the evidence that the gate reads. Exit code: 0 no finding, 1 findings, 2 could not check.
    """
    from mbp.release.documents.document_checks import check_documents
    from mbp.runs import envelope

    root = project_root()
    begun = envelope.begin(root)
    with progress() as shown:
        shown.say("reading decisions, runbooks and the plan, and running their queries")
        document_report = check_documents(root)
    document_report.write_evidence(begun)
    report(document_report.suite(), form)


def render(check: Check = False, form: Format = "text") -> None:
    """Write the indexes of decisions and runbooks, the decision log, and the table of the checks."""
    from mbp.core.reporting.output_forms import render_or_check
    from mbp.release.documents.document_checks import FIX, rendered_documents

    root = project_root()
    render_or_check(check, root, rendered_documents(root), FIX, form)


def site(
    output: Annotated[
        Path | None, typer.Option(help="Folder. [default: site among dbt's artifacts]")
    ] = None,
    target: Target = None,
) -> None:
    """Write the documentation as a static site around dbt docs; `make site` generates both.

    Exit code: 0 written, 2 could not write.
    """
    from mbp.release.website.site_facts import lineage
    from mbp.release.website.write_site import write_site
    from mbp.runs.dbt_process import target_name, target_path

    root = project_root()
    folder = output or target_path(root) / "site"
    with progress() as screen:
        screen.say("following columns, KPIs and metrics through the SQL")
        known = lineage(root, target_name(root, target))
        screen.say("writing the pages")
        count = write_site(root, folder, target, known)
    typer.echo(f"wrote {shown(folder, root)}: {many(count, 'page')}, begin with index.html")
