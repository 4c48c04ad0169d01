"""`mbp privacy measure` and `mbp privacy corpus`: how well are personal data and secrets found?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lab.command_groups import group_named
from mbp.cli.options import ReportFormat
from mbp.core.errors import EXIT_FINDINGS


def measure(form: ReportFormat = "text") -> None:
    """Measure precision and recall of every kind, on the labelled corpus and on one of another seed.

    Exit code: 0 every target is reached, 1 one is not.
    """
    from lab.corpora.detector_scores import lines, measure_project
    from mbp.core.paths import project_root
    from mbp.core.reporting import show

    measured = measure_project(project_root())
    show(form, text="\n".join(lines(measured)), json=measured.content())
    if measured.missed:
        raise typer.Exit(EXIT_FINDINGS)


def corpus(
    seed: Annotated[
        int | None, typer.Option(help="Seed of the corpus. [default: the policy's]")
    ] = None,
    count: Annotated[
        int | None, typer.Option("--lines", min=1, help="Number of lines. [default: the policy's]")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="File. [default: stdout]")] = None,
) -> None:
    """Write the labelled corpus as JSON lines with text and labels; the same seed gives the same bytes.

    All persons, numbers and tokens are random.
    """
    from lab.corpora.corpus import generate, to_json
    from mbp.core.files import write_text
    from mbp.core.paths import project_root
    from mbp.quality.privacy.privacy_policy import load_policy

    policy = load_policy(project_root())
    seed = policy.measure.seeds["tuned"] if seed is None else seed
    text = to_json(generate(seed, count or policy.measure.lines))
    if output is None:
        typer.echo(text, nl=False)
    else:
        write_text(output, text)


def register(app: typer.Typer) -> None:
    """Adds what the lab adds to the program."""
    group = group_named(app, "privacy")
    group.command("measure", epilog="Example: mbp privacy measure --format json")(measure)
    group.command("corpus", epilog="Example: mbp privacy corpus --seed 7 --output corpus.jsonl")(
        corpus
    )
