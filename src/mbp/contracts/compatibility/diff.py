"""All changes between two contracts, each with its verdicts, its counterexample and the bump it demands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import localcontext
from typing import Any

from mbp.contracts.compatibility.change_model import CATALOGUE, Change, Compatibility
from mbp.contracts.compatibility.domains import remembered
from mbp.contracts.compatibility.governance import contract_changes
from mbp.contracts.compatibility.languages import limited
from mbp.contracts.compatibility.odcs_tables import tables
from mbp.contracts.compatibility.shape import ReaderPolicy, schema_changes
from mbp.contracts.compatibility.versions import largest
from mbp.contracts.compatibility.witness import Witnesses
from mbp.core.canonical_json import digest
from mbp.core.yaml_io import uncollected

DIGITS = 200
__all__ = ["ReaderPolicy", "bump_of", "diff", "fingerprint", "verdicts"]


@dataclass(frozen=True)
class Verdicts:
    """Both directions over all changes."""

    backward: Compatibility
    forward: Compatibility


def diff(
    old: Mapping[str, Any],
    new: Mapping[str, Any],
    policy: ReaderPolicy = ReaderPolicy(),
    *,
    where: tuple[str, str] = ("old", "new"),
    witnesses: bool = True,
) -> list[Change]:
    """The changes from `old` to `new`, two ODCS documents as plain values.

    Args:
        where: what to call the two in an error.
        witnesses: also build a row for each break; verdicts do not depend on them.

    Raises:
        MbpError: a document that is not a contract.
    """
    # Bounds of wide types have more digits than decimal's default precision.
    with localcontext() as context, limited(), remembered(), uncollected():
        context.prec = DIGITS
        before, after = tables(old, where[0]), tables(new, where[1])
        changes = [*contract_changes(old, new), *schema_changes(before, after, policy)]
        if witnesses:
            found = Witnesses(before, after)
            changes = [found.attach(change) for change in changes]
    return sorted(changes, key=lambda change: (change.path, change.code))


def verdicts(changes: Sequence[Change]) -> Verdicts:
    """The worst of each direction: a break, else an unknown."""
    return Verdicts(
        _worst([change.backward for change in changes]),
        _worst([change.forward for change in changes]),
    )


def overall(both: Verdicts) -> Compatibility:
    """The one verdict over both directions: the worse of the two."""
    return _worst([both.backward, both.forward])


def _worst(compatibilities: list[Compatibility]) -> Compatibility:
    for verdict in (Compatibility.BREAK, Compatibility.UNKNOWN):
        if verdict in compatibilities:
            return verdict
    return Compatibility.OK


def bump_of(change: Change, *, proven: bool = False) -> str:
    """The bump that one change demands.

    Args:
        proven: no row of the history breaks the new contract, and the proof is attached.
    """
    code = CATALOGUE[change.code]
    if code.loosening or Compatibility.UNKNOWN in (change.backward, change.forward):
        return "major"
    if change.forward is Compatibility.BREAK:
        return "major"
    if change.backward is Compatibility.BREAK:
        return "minor" if proven else "major"
    return "patch" if code.kind == "documentation" else "minor"


def demanded_bump(changes: Sequence[Change], proven: frozenset[str] = frozenset()) -> str:
    """The bump over all changes; `proven` holds fingerprints of changes with a valid proof."""
    return largest([bump_of(change, proven=fingerprint(change) in proven) for change in changes])


def fingerprint(change: Change) -> str:
    """Names this one change wherever it is met: SHA-256 over code, path, old and new, shortened."""
    return digest([change.code, change.path, _json(change.old), _json(change.new)])[:16]


def _json(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json(item) for item in value]
    return value if value is None or isinstance(value, bool) else str(value)
