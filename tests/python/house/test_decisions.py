"""Decisions and runbooks: a number that links to its file is the one of the file, and what checks a decision exists."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mbp.core.yaml_io import load, plain
from mbp.release.documents.command_lines import mentions

# [800 ms](../../contracts/a87/measurement_sheet.yaml "kpis.dec_p95.target")
LINKED = re.compile(r'\[([^]]+)\]\(([^ )]+\.yaml) "([^"]+)"\)')
NUMBER = re.compile(r"\d+(?:[.]\d+)?")
CHECKED_BY = "\n## How it is checked\n"


def fact(file: Path, place: str) -> Any:
    """The value in a YAML file; entries of a list are named by their id."""
    value = plain(load(file))
    for step in place.split("."):
        if isinstance(value, list):
            value = {str(entry.get("id", entry.get("property"))): entry for entry in value}
        value = value[step]
    return value


def test_a_number_that_links_to_its_file_is_the_one_of_the_file(project_root: Path) -> None:
    seen = 0
    docs = project_root / "docs"
    for path in (*docs.glob("adr/*.md"), *docs.glob("runbooks/*.md"), docs / "pre_ga_plan.md"):
        for text, file, place in LINKED.findall(path.read_text(encoding="utf-8")):
            value = fact((path.parent / file).resolve(), place)
            there, here = (
                [float(number) for number in NUMBER.findall(str(words))] for words in (value, text)
            )
            assert there and here == there, f"{path.name}: {text!r}, and {place} is {value!r}"
            seen += 1
    assert seen > 30


def test_what_checks_a_decision_exists(project_root: Path) -> None:
    decisions = sorted((project_root / "docs/adr").glob("adr_*.md"))
    assert decisions
    for path in decisions:
        section = path.read_text(encoding="utf-8").partition(CHECKED_BY)[2]
        codes = re.findall(r"`([^`\n]+)`", section)
        proofs = [code for code in codes if "/" in code and " " not in code]
        for code in proofs:
            name, _, function = code.partition("::")
            assert (project_root / name).exists(), f"{path.name}: {name}"
            if function:
                assert f"def {function}(" in (project_root / name).read_text(encoding="utf-8"), code
        assert proofs or list(mentions(section)), f"{path.name} names no test and no command"
