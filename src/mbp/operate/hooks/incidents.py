"""Incidents on file, a Markdown document per decision; and why a KPI that is measured per run is off its target."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mbp.contracts import all_rules, load_contracts
from mbp.core.errors import MbpError
from mbp.core.paths import StateFolder
from mbp.core.verdict import Verdict, spelled
from mbp.runs import envelope

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


@dataclass(frozen=True)
class Cause:
    """One thing that the run found.

    Attributes:
        rule_id: empty where it is no rule of a contract.
    """

    sentence: str
    rule_id: str = ""


def causes(root: Path, kpi_id: str) -> list[Cause]:
    """What the last measurement of a KPI found; nothing for a KPI of windows, which has no such file.

    What cannot be read is no cause, and hides no incident: it is said in its place.
    """
    try:
        evidence = envelope.read(root, kpi_id)
        rules = {rule.id: rule for rule in all_rules(load_contracts(root))}
        return list(_causes(evidence.content.get("evidence"), rules))
    except envelope.NoEvidenceError:
        return []
    except MbpError as error:
        return [Cause(f"the cause cannot be read: {error.what}")]


def _causes(found: Any, rules: Mapping[str, Any]) -> Iterator[Cause]:
    if isinstance(found, Mapping):  # of drift: differences, and changes of contracts
        for entry in [*found.get("drift", ()), *found.get("changes", ())]:
            yield Cause(_sentence(entry))
        return
    for entry in found or ():
        verdict = str(entry.get("verdict") or entry.get("status") or "")
        rule = rules.get(str(entry.get("rule_id") or ""))
        if verdict == Verdict.PASS:
            continue
        if rule is not None:
            what = f"{rule.id} of {rule.dataset} (owner {rule.owner}): {spelled(verdict)}"
            yield Cause(what, rule.id)
        else:
            yield Cause(f"{entry.get('node') or entry.get('rule_id') or entry}: {verdict}")


def _sentence(entry: Any) -> str:
    if not isinstance(entry, Mapping):
        return str(entry)
    return ", ".join(f"{value}" for value in entry.values() if isinstance(value, str) and value)
