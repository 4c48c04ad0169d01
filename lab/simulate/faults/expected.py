"""The findings that every fault must give, read from the project's data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mbp.core import yaml_io
from mbp.core.errors import MbpError

PATH = Path("tests") / "dbt" / "fixtures" / "expected_findings.yaml"


@dataclass(frozen=True)
class Expectation:
    """One finding that a fault must give.

    Attributes:
        rule: id of the rule that finds it.
        rows: how many rows, None for any number above zero.
        also: why a rule that does not own the fault finds it too; None for the owner.
    """

    rule: str
    rows: int | None
    also: str | None = None


def expected_findings(root: Path) -> dict[str, tuple[Expectation, ...]]:
    """Expected findings by fault.

    Raises:
        MbpError: no file, or an entry that is not `{rule, rows}` with `also` for all but the owner.
    """
    document = yaml_io.load(root / PATH, shown_as=PATH.as_posix())
    if not isinstance(document, dict):
        raise MbpError(
            "expected a mapping from fault to findings",
            path=PATH.as_posix(),
            fix="restore the file from git",
        )
    results: dict[str, tuple[Expectation, ...]] = {}
    for fault, entries in document.items():
        line = yaml_io.line_of(document, fault)
        if not isinstance(entries, list) or not entries:
            raise MbpError(
                f"{fault}: expected a list of findings",
                path=PATH.as_posix(),
                line=line,
                fix="write a list",
            )
        findings = tuple(_expectation(str(fault), entry, line) for entry in entries)
        if str(fault) not in {finding.rule for finding in findings}:
            raise MbpError(
                f"{fault}: its own rule is not among the findings",
                path=PATH.as_posix(),
                line=line,
                fix="add the rule that the fault is named by",
            )
        results[str(fault)] = findings
    return results


def _expectation(fault: str, entry: Any, line: int | None) -> Expectation:
    keys = set(entry) if isinstance(entry, dict) else set()
    rows = entry["rows"] if "rows" in keys else -1
    wrong = not {"rule", "rows"} <= keys <= {"rule", "rows", "also"}
    if wrong or not (rows is None or (isinstance(rows, int) and rows > 0)):
        raise MbpError(
            f"{fault}: expected {{rule: id, rows: number above 0 or null}}, and `also: reason` for "
            f"a rule that is not its own; found {yaml_io.plain(entry)}",
            path=PATH.as_posix(),
            line=line,
            fix="write it in that form",
        )
    also = entry.get("also")
    if (entry["rule"] != fault) != bool(also):
        raise MbpError(
            f"{fault}: {entry['rule']} {'has' if also else 'lacks'} a reason in `also`",
            path=PATH.as_posix(),
            line=line,
            fix="a reason for every rule but the fault's own",
        )
    return Expectation(str(entry["rule"]), rows, str(also) if also else None)
