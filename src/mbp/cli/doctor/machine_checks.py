"""What one check of the machine came to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from mbp.core.reporting import Finding, Suite

# A note is about something optional. What could not be checked is not a note: it counts as a finding.
State = Literal["good", "note", "finding", "not checked"]


@dataclass(frozen=True)
class MachineCheck:
    """One check.

    Attributes:
        id: stable name.
        message: what was seen.
        fix: what to do about it; empty where nothing is to be done.
    """

    id: str
    state: State
    message: str
    fix: str = ""


@dataclass(frozen=True)
class Examination:
    """All checks of one machine for one target."""

    target: str
    checks: Sequence[MachineCheck]

    @property
    def open(self) -> list[MachineCheck]:
        """What has to be fixed, or could not be checked."""
        return [check for check in self.checks if check.state in ("finding", "not checked")]

    @property
    def passed(self) -> bool:
        """Everything required was checked and is in order."""
        return bool(self.checks) and not self.open

    def document(self) -> dict[str, Any]:
        """As JSON; keys are only ever added."""
        return {**asdict(self), "passed": self.passed}

    def suite(self) -> Suite:
        """A line per check that is in order as the table; a finding for each other one."""
        lines = [
            f"ok    {check.id:<22}{check.message}" for check in self.checks if check.state == "good"
        ]
        message = "this machine is ready" if self.passed else f"{len(self.open)} to fix first"
        table = "\n".join([*lines, f"{self.target}: {message}"])
        findings = [
            Finding(
                check.id,
                check.message,
                fix=check.fix,
                severity="note" if check.state == "note" else "error",
                not_measured=check.state == "not checked",
            )
            for check in self.checks
            if check.state != "good"
        ]
        checks = [check.id for check in self.checks]
        return Suite("mbp doctor", checks, findings, unit="condition", table=table)


def good(name: str, message: str) -> MachineCheck:
    """In order."""
    return MachineCheck(name, "good", message)


def note(name: str, message: str, fix: str = "") -> MachineCheck:
    """Something optional."""
    return MachineCheck(name, "note", message, fix)


def finding(name: str, message: str, fix: str) -> MachineCheck:
    """Something to fix."""
    return MachineCheck(name, "finding", message, fix)


def blind(name: str, why: str, fix: str) -> MachineCheck:
    """What could not be checked."""
    return MachineCheck(name, "not checked", f"not checked: {why}", fix)
