"""What one check of the machine found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

# A note is about something optional. What could not be checked is not a note: it counts as a finding.
State = Literal["good", "note", "finding", "not looked"]
MARKS: dict[State, str] = {"good": "ok", "note": "note", "finding": "FIX", "not looked": "BLIND"}


@dataclass(frozen=True)
class MachineCheck:
    """One check.

    Attributes:
        id: stable name.
        told: what was found.
        cure: what to do about it; empty where nothing is to be done.
    """

    id: str
    state: State
    told: str
    cure: str = ""


@dataclass(frozen=True)
class Examination:
    """All checks of one machine for one target."""

    target: str
    checks: Sequence[MachineCheck]

    @property
    def open(self) -> list[MachineCheck]:
        """What has to be fixed, or could not be checked."""
        return [one for one in self.checks if one.state in ("finding", "not looked")]

    @property
    def passed(self) -> bool:
        """Everything required was checked and is in order."""
        return bool(self.checks) and not self.open

    def document(self) -> dict[str, Any]:
        """As JSON; keys are only ever added."""
        checks = [asdict(one) for one in self.checks]
        return {"target": self.target, "passed": self.passed, "checks": checks}

    def text(self) -> str:
        """One line per check, its fix below it, and a summary."""
        lines = []
        for one in self.checks:
            lines.append(f"{MARKS[one.state]:<6}{one.id:<22}{one.told}")
            if one.cure:
                lines.append(f"{'':<28}-> {one.cure}")
        told = "this machine is ready" if self.passed else f"{len(self.open)} to fix first"
        return "\n".join([*lines, f"{self.target}: {told}"]) + "\n"


def good(name: str, told: str) -> MachineCheck:
    """In order."""
    return MachineCheck(name, "good", told)


def note(name: str, told: str, cure: str = "") -> MachineCheck:
    """Something optional."""
    return MachineCheck(name, "note", told, cure)


def finding(name: str, told: str, cure: str) -> MachineCheck:
    """Something to fix."""
    return MachineCheck(name, "finding", told, cure)


def blind(name: str, why: str, cure: str) -> MachineCheck:
    """What could not be checked."""
    return MachineCheck(name, "not looked", f"not checked: {why}", cure)
