"""What a build asks of the other parts: contracts, loading, documentation coverage."""

from __future__ import annotations

from pathlib import Path

from mbp.contracts import Contract, load_contracts
from mbp.contracts.rendering.render import FIX, stale_files
from mbp.core.errors import MbpError
from mbp.quality.coverage.coverage_measure import Count
from mbp.quality.coverage.documentation_coverage import measure_project


def check_rendered(root: Path) -> None:
    """The files compiled from the contracts say what the contracts say.

    Raises:
        MbpError: one of them is stale, or the contracts cannot be read.
    """
    stale = stale_files(root)
    if stale:
        more = f" (and {len(stale) - 1} more)" if len(stale) > 1 else ""
        # A model that lacks a column stops dbt; the other files only describe it.
        stale.sort(key=lambda name: not name.endswith(".sql"))
        raise MbpError(f"differs from the contracts{more}", path=stale[0], fix=FIX)


def contracts_of(root: Path) -> list[Contract]:
    """The contracts of the public datasets.

    Raises:
        MbpError: they cannot be read, or demand nothing.
    """
    contracts = load_contracts(root)
    if not any(contract.rules for contract in contracts):
        raise MbpError(
            "the contracts demand nothing: nothing to check",
            path="contracts/a106",
            fix="restore contracts/a106 from git",
        )
    return contracts


def coverage_of(root: Path, notes: list[str]) -> Count | None:
    """Documentation coverage of the build, or None with the reason added to `notes`."""
    try:
        return measure_project(root).count
    except MbpError as error:
        notes.append(f"documentation coverage could not be measured: {error.what}")
        return None
