"""Incidents on file: a Markdown document per decision, in the state folder."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mbp.core.errors import MbpError
from mbp.core.state import StateFolder

HOOK = re.compile(r"^- Hook: (\S+)", re.MULTILINE)


@dataclass(frozen=True)
class Incident:
    """One incident.

    Attributes:
        id: of its decision.
        hook_id: empty for one whose hook is not in the text.
    """

    id: str
    hook_id: str
    text: str


def find_incident(folder: StateFolder, beginning: str) -> Incident:
    """The incident whose id begins so, or the newest.

    Raises:
        MbpError: there is none, or several.
    """
    paths = sorted(folder.incidents.glob("*.md"), key=lambda path: path.stat().st_mtime)
    matching = [path for path in paths if path.stem.startswith(beginning)]
    if not paths or not matching:
        what = f"no incident {beginning}".rstrip()
        raise MbpError(what, path=folder.incidents, fix="`mbp status` lists what is open")
    if beginning and len(matching) > 1:
        names = ", ".join(path.stem[:12] for path in matching[:5])
        raise MbpError(
            f"{len(matching)} incidents begin with {beginning}: {names}", fix="write more"
        )
    text = matching[-1].read_text(encoding="utf-8")
    named = HOOK.search(text)
    # The text is Markdown: a name in it may be escaped.
    return Incident(matching[-1].stem, named[1].replace("\\", "") if named else "", text)
