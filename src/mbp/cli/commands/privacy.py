"""`mbp privacy`: personal data and secrets, found without being shown."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from mbp.cli.commands import QUALITY
from mbp.core.errors import EXIT_COULD_NOT_RUN, EXIT_FINDINGS

SCAN_EXAMPLES = """
Examples:

  mbp privacy scan                       # everything that the policy names

  mbp privacy scan target/evidence --json

  some-service 2>&1 | mbp privacy scan -
"""

Target = Annotated[str | None, typer.Option(help="dbt target. [default: duckdb]")]
AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]


def register(app: typer.Typer) -> None:
    """Adds the group."""
    group = typer.Typer(
        no_args_is_help=True, help="Personal data and secrets, and how well they are found."
    )
    group.command("scan", epilog=SCAN_EXAMPLES)(scan)
    group.command("measure", epilog="Example: mbp privacy measure --json")(measure)
    group.command("corpus", epilog="Example: mbp privacy corpus --seed 7 --output corpus.jsonl")(
        corpus
    )
    app.add_typer(group, name="privacy", rich_help_panel=QUALITY)


def scan(
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            help="Files or folders, `-` for stdin; without one, all sources of the policy."
        ),
    ] = None,
    target: Target = None,
    as_json: AsJson = False,
) -> None:
    """Is there personal data or a secret in logs, seeds, datasets, evidence or the repository?

    Archives, databases and tables in files are opened. A file of an unknown kind was not read.

    Exit code: 0 everything was read and nothing found, 1 findings, 2 something was not read.
    """
    from mbp.core.paths import project_root
    from mbp.core.reporting.progress import progress
    from mbp.quality.privacy.report import STDIN, lines, scan_paths, scan_project
    from mbp.runs.dbt_process import target_name

    root, target = project_root(), target_name(target)
    if paths:
        stdin = sys.stdin.buffer.read() if STDIN in paths else b""
        report = scan_paths(root, target, paths, stdin)
    else:
        with progress() as shown:
            report = scan_project(root, target, shown.say)
    if as_json:
        typer.echo(json.dumps({"verdict": report.verdict, **report.content()}, indent=2))
    else:
        typer.echo("\n".join(lines(report)))
    for problem in report.unseen:
        typer.echo(f"mbp: not looked at: {problem}", err=True)
    if report.verdict == "fail":
        raise typer.Exit(EXIT_FINDINGS)
    if report.unseen:
        raise typer.Exit(EXIT_COULD_NOT_RUN)


def measure(as_json: AsJson = False) -> None:
    """Precision and recall of every kind, on the labelled corpus and on one of another seed.

    Exit code: 0 every target is reached, 1 one is not.
    """
    from lab.corpora.measure import lines, measure_project

    from mbp.core.paths import project_root

    measured = measure_project(project_root())
    typer.echo(json.dumps(measured.content(), indent=2) if as_json else "\n".join(lines(measured)))
    if measured.missed:
        raise typer.Exit(EXIT_FINDINGS)


def corpus(
    seed: Annotated[int | None, typer.Option(help="Of the draw. [default: the policy's]")] = None,
    count: Annotated[
        int | None, typer.Option("--lines", min=1, help="How many. [default: the policy's]")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="File. [default: stdout]")] = None,
) -> None:
    """Write the labelled corpus: one JSON object a line with text and labels; the same seed gives the same bytes.

    All persons, numbers and tokens are drawn at random.
    """
    from lab.corpora.corpus import generate, to_json

    from mbp.core.files import write_text
    from mbp.core.paths import project_root
    from mbp.quality.privacy.policy import load_policy

    policy = load_policy(project_root())
    seed = policy.corpus_seeds["tuned"] if seed is None else seed
    text = to_json(generate(seed, count or policy.corpus_lines))
    if output is None:
        typer.echo(text, nl=False)
    else:
        write_text(output, text)
