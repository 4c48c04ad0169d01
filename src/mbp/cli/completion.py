"""What a shell completes behind `mbp`: names that the project has, read in a moment and without a heavy import.

A key press must never print a traceback, so what cannot be read completes to nothing; the command itself, when
it runs, says what is wrong with the file.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from mbp.core.errors import MbpError
from mbp.core.paths import project_root

Names = Callable[[Path], Iterable[str]]
RULES = "seeds/reference/quality_rules.csv"
EXERCISES = "contracts/a110/exercises.yaml"
GATES, WAIVERS, CONTRACTS = "contracts/gates", "contracts/waivers", "contracts/a106"
IDENTIFIER = re.compile(r"^ *- id: ([a-z0-9_]+)$", re.MULTILINE)
GATE = re.compile(r"^gate: (\w+)$", re.MULTILINE)


def datasets(root: Path) -> list[str]:
    """Every dataset that has a contract."""
    return sorted(
        path.name.removesuffix(".odcs.yaml") for path in (root / CONTRACTS).glob("*.odcs.yaml")
    )


def rules(root: Path) -> list[str]:
    """Every rule of the contracts, from the table that `mbp contracts render` writes."""
    with (root / RULES).open(encoding="utf-8", newline="") as lines:
        return [row["rule_id"] for row in csv.DictReader(lines)]


def exercises(root: Path) -> list[str]:
    """Every exercise."""
    return IDENTIFIER.findall((root / EXERCISES).read_text(encoding="utf-8"))


def gates(root: Path) -> list[str]:
    """Every gate."""
    files = sorted((root / GATES).glob("*.yaml"))
    return [name for path in files for name in GATE.findall(path.read_text(encoding="utf-8"))]


def waivers(root: Path) -> list[str]:
    """Every waiver."""
    return sorted(path.stem for path in (root / WAIVERS).glob("*.yaml"))


def targets(root: Path) -> list[str]:
    """The engines that a dbt target may be."""
    from mbp.runs.dbt_process import TARGETS

    del root
    return list(TARGETS)


# By the name of a parameter; a command in front of it where the name alone could be something else.
COMPLETED: Mapping[str, Names] = {
    "dataset": datasets,
    "datasets": datasets,
    "exercise": exercises,
    "exercise name": exercises,
    "fault": rules,
    "gate": gates,
    "rule_id": rules,
    "sign name": waivers,
    "check name": waivers,
    "target": targets,
}


def complete(names: Names, incomplete: str) -> list[str]:
    """The names that go on as `incomplete` does; none where they cannot be read."""
    try:
        return [name for name in names(project_root()) if name.startswith(incomplete)]
    except (MbpError, OSError, ValueError, KeyError, TypeError, csv.Error):
        return []


def attach(commands: Mapping[str, Any]) -> None:
    """Gives every parameter of the commands whose name is known its completion.

    By name and in one place: an option of a new command completes as its namesakes do.
    """
    for name, command in commands.items():
        attach(getattr(command, "commands", {}))
        for parameter in command.params:
            known = COMPLETED.get(f"{name} {parameter.name}") or COMPLETED.get(str(parameter.name))
            if known is not None:
                # Where typer keeps what `autocompletion=` gives; a test asks the shell's own protocol.
                parameter._custom_shell_complete = _completer(known)


def _completer(names: Names) -> Callable[[Any, Any, str], list[str]]:
    return lambda _context, _parameter, incomplete: complete(names, incomplete)
