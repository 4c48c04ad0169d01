"""Options that several commands have, each with one wording."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

Target = Annotated[str | None, typer.Option(help="dbt target. [default: duckdb]")]
# Of a command that reports findings: every format of `mbp.core.reporting`.
Format = Annotated[
    Literal["text", "json", "junit", "sarif", "markdown", "annotations"],
    typer.Option("--format", help="Format of the findings."),
]
# Of a command that shows something else.
ReportFormat = Annotated[
    Literal["text", "json", "markdown"], typer.Option("--format", help="Output format.")
]
Output = Annotated[Path | None, typer.Option(help="Write to this file. [default: stdout]")]
Check = Annotated[bool, typer.Option("--check", help="Write nothing; exit 1 when a file is stale.")]
