"""`make gate`: a measurement that could not be made ends nothing; the gate judges what there is."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest


@pytest.mark.parametrize(("code", "goes_on"), [(0, True), (1, True), (2, True), (130, False)])
def test_the_gate_is_asked_whatever_could_not_be_measured(
    project_root: Path, tmp_path: Path, code: int, goes_on: bool
) -> None:
    """2: no list of vulnerabilities without a network. 130: somebody pressed Ctrl-C."""
    (tmp_path / "scripts").mkdir()
    shutil.copy(project_root / "scripts/gate", tmp_path / "scripts/gate")
    (tmp_path / ".venv/bin").mkdir(parents=True)
    program = tmp_path / ".venv/bin/mbp"
    program.write_text(
        '#!/bin/sh\necho "$@" >>asked\n'
        f'[ "$1" = gate ] && exit 1\n[ "$1" = security ] && exit {code}\nexit 0\n'
    )
    program.chmod(0o755)
    done = subprocess.run(
        ["scripts/gate"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    asked = (tmp_path / "asked").read_text().splitlines()
    assert (asked[-1] == "gate M2") is goes_on
    assert done.returncode == (1 if goes_on else code)
