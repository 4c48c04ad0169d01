"""The commands of a runbook, in the order in which the person on call runs them."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

from mbp.core.yaml_io import read
from mbp.release.documents.markdown_body import read_body

SHELL = "sh"


def runbook_steps(path: Path) -> list[tuple[str, list[str]]]:
    """(section, its commands), of the sections that have commands.

    Raises:
        MbpError: the runbook cannot be read.
    """
    body = read_body(read(path, shown_as=path.name))
    blocks = [block for block in body.blocks if block.language == SHELL]
    return [
        (section, [line for block in group for line in block.text.splitlines() if line.strip()])
        for section, group in groupby(blocks, key=lambda block: block.section)
    ]
