"""What no document can say alone: numbers without a gap, who supersedes whom, and runbooks for what calls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mbp.contracts.alarm_limits import FILE as ALARMS
from mbp.contracts.hook_policy import HOOKS
from mbp.core.reporting import Finding
from mbp.release.documents.document_codes import finding
from mbp.release.documents.document_policy import KINDS
from mbp.release.documents.markdown_body import Document
from mbp.release.documents.named_things import NamedThings

PLACES = {"adr": "docs/adr", "runbook": "docs/runbooks", "plan": "docs/pre_ga_plan.md"}


def findings(documents: Sequence[Document], world: NamedThings) -> Iterator[Finding]:
    """Everything that is wrong with the documents together."""
    for kind in KINDS:
        if not any(document.kind == kind for document in documents):
            what = f"there is no document of the kind {kind}"
            yield finding("DOC-001", None, what, PLACES[kind], kind)
    yield from _numbering([document for document in documents if document.kind == "adr"])
    yield from _succession(
        {document.name: document for document in documents if document.kind == "adr"}
    )
    runbooks = {document.path: document for document in documents if document.kind == "runbook"}
    yield from _hooks(runbooks, world)
    yield from _alarms(runbooks, world)


def _numbering(decisions: Sequence[Document]) -> Iterator[Finding]:
    ordered = sorted(
        (decision for decision in decisions if decision.whole), key=lambda one: (one.name, one.path)
    )
    for index, document in enumerate(ordered, 1):
        wanted = f"ADR-{index:03d}"
        if document.name != wanted:
            twice = index > 1 and ordered[index - 2].name == document.name
            what = (
                f"{document.name} appears twice"
                if twice
                else f"expected {wanted}, found {document.name}"
            )
            yield finding("DOC-006", document.line("id"), what, document.path, document.name)
            return


def _succession(decisions: Mapping[str, Document]) -> Iterator[Finding]:
    mirrored = {"supersedes": "superseded_by", "superseded_by": "supersedes"}
    for name, document in decisions.items():
        for key, other_key in mirrored.items():
            for other in document.listed(key):
                if other not in decisions:
                    what = f"{key}: there is no {other}"
                elif name not in decisions[other].listed(other_key):
                    what = f"{key}: {other} does not name {name} under {other_key}"
                else:
                    continue
                yield finding("DOC-007", document.line(key), what, document.path, name)
        if bool(document.listed("superseded_by")) != (
            document.values.get("status") == "superseded"
        ):
            what = f"its status is {document.values.get('status')}, superseded_by names"
            what += f" {', '.join(document.listed('superseded_by')) or 'nothing'}"
            yield finding("DOC-007", document.line("status"), what, document.path, name)
        if _comes_back(name, decisions):
            what = "it supersedes itself, by others or alone"
            yield finding("DOC-007", document.line("supersedes"), what, document.path, name)


def _comes_back(name: str, decisions: Mapping[str, Document]) -> bool:
    waiting, seen = list(decisions[name].listed("supersedes")), set[str]()
    while waiting:
        current = waiting.pop()
        if current == name:
            return True
        if current in decisions and current not in seen:
            seen.add(current)
            waiting += decisions[current].listed("supersedes")
    return False


def _hooks(runbooks: Mapping[str, Document], world: NamedThings) -> Iterator[Finding]:
    for name, hook in world.hooks.items():
        runbook = runbooks.get(str(hook.get("runbook")))
        if runbook is None:
            what = f"its runbook {hook.get('runbook')} is not there"
            yield finding("DOC-013", hook["line"], what, HOOKS, name)
            continue
        kpi = world.kpis.get(str(hook.get("kpi")))
        wanted: dict[str, Sequence[str]] = {"hooks": [name]}
        if kpi is not None:
            wanted |= {"watchers": [kpi.watcher], "owners": kpi.owners}
        yield from _unnamed(runbook, wanted, f"the hook {name}")
    for runbook in runbooks.values():
        for name in runbook.listed("hooks"):
            if name in world.hooks and world.hooks[name].get("runbook") != runbook.path:
                what = f"hooks: the runbook of {name} is {world.hooks[name].get('runbook')}"
                yield finding("DOC-013", runbook.line("hooks"), what, runbook.path, runbook.name)


def _alarms(runbooks: Mapping[str, Document], world: NamedThings) -> Iterator[Finding]:
    runbook = runbooks.get(world.alarm_runbook)
    if runbook is None:
        what = f"the runbook {world.alarm_runbook} is not there"
        yield finding("DOC-013", None, what, ALARMS, "runbook")
        return
    yield from _unnamed(runbook, {"alarms": sorted(world.alarms)}, "the alarms")


def _unnamed(
    runbook: Document, wanted: Mapping[str, Sequence[Any]], whose: str
) -> Iterator[Finding]:
    if not runbook.whole:
        return  # reported already: what it names is not known
    for key, names in wanted.items():
        missing = [name for name in names if name not in runbook.listed(key)]
        if missing:
            what = f"{key}: {', '.join(missing)} of {whose} is not named"
            yield finding("DOC-013", runbook.line(key), what, runbook.path, runbook.name)
    if runbook.values["status"] != "active":
        what = f"its status is {runbook.values['status']}, and it is the runbook of {whose}"
        yield finding("DOC-013", runbook.line("status"), what, runbook.path, runbook.name)
