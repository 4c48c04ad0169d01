"""Options that several commands have, each with one wording, and the names that a shell completes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
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
Gate = Annotated[str | None, typer.Option(help="The gate. [default: the first of contracts/gates]")]
# Of a command that signs.
Key = Annotated[
    Path, typer.Option(help="SSH key: private, or public with its other half in ssh-agent.")
]
Output = Annotated[Path | None, typer.Option(help="Write to this file. [default: stdout]")]
Check = Annotated[bool, typer.Option("--check", help="Write nothing; exit 1 when a file is stale.")]


def _completes(names: Callable[[Path], Iterable[str]]) -> Callable[[str], list[str]]:
    def matching(incomplete: str) -> list[str]:
        from mbp.core.errors import MbpError
        from mbp.core.paths import project_root

        try:
            known = sorted(names(project_root()))
        except MbpError:
            return []  # the command itself says what is wrong
        return [name for name in known if name.startswith(incomplete)]

    return matching


def _datasets(root: Path) -> Iterable[str]:
    from mbp.contracts import load_contracts

    return (contract.dataset for contract in load_contracts(root))


def _rules(root: Path) -> Iterable[str]:
    from mbp.contracts import all_rules, load_contracts

    return (rule.id for rule in all_rules(load_contracts(root)))


def _metrics(root: Path) -> Iterable[str]:
    from mbp.operate.semantic.metrics_check import metrics_of

    return (metric.name for metric in metrics_of(root))


DATASETS, RULES, METRICS = _completes(_datasets), _completes(_rules), _completes(_metrics)
Datasets = Annotated[
    list[str] | None, typer.Argument(help="Datasets; all without one.", autocompletion=DATASETS)
]


def examples(*lines: str) -> str:
    """The end of a help text: each example is a paragraph, since single line breaks are joined there."""
    return "\n\n".join(["Examples:", *(f"  {line}" for line in lines)])
