"""Options that several commands have, each with one wording."""

from __future__ import annotations

from typing import Annotated

import typer

Target = Annotated[str | None, typer.Option(help="dbt target. [default: duckdb]")]
AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
Check = Annotated[bool, typer.Option("--check", help="Write nothing; exit 1 when a file is stale.")]
