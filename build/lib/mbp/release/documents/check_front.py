"""What the front matter says, held against the file, the calendar and the project."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path

from mbp.core.reporting import Finding
from mbp.core.schema_check import did_you_mean
from mbp.release.documents.document_codes import finding
from mbp.release.documents.document_policy import FILE
from mbp.release.documents.markdown_body import Document
from mbp.release.documents.named_things import NamedThings

REVIEWED = ("runbook", "plan")
Check = Callable[[Document, NamedThings, date], Iterator[Finding]]


def problems(document: Document, world: NamedThings, today: date) -> Iterator[Finding]:
    """Everything that is wrong with the front matter; only its form where that is wrong."""
    if document.problem is not None:
        yield finding("DOC-002", document.problem.line, document.problem.what)
        return
    for schema_violation in document.form:
        yield finding(
            "DOC-003", schema_violation.line, schema_violation.what, fix=schema_violation.fix or ""
        )
    if document.whole:
        for check in CHECKS:
            yield from check(document, world, today)


def _name(document: Document, _world: NamedThings, _today: date) -> Iterator[Finding]:
    name, stem = document.name, Path(document.path).stem
    prefix = f"{name.lower().replace('-', '_')}_"
    matches = stem.startswith(prefix) if document.kind == "adr" else stem == name
    if not matches:
        yield finding(
            "DOC-004", document.line("id"), f"the id is {name}, the file {Path(document.path).name}"
        )
    title = str(document.values["title"])
    wanted = f"{name}: {title}" if document.kind == "adr" else title
    first = document.body.headings[0] if document.body.headings else None
    if first is None or first.level != 1 or first.title != wanted:
        text = f"the first heading is {first.title!r}" if first else "there is no heading"
        yield finding("DOC-005", first.line if first else None, f"{text}, not {wanted!r}")


def _dates(document: Document, world: NamedThings, today: date) -> Iterator[Finding]:
    line, text = document.line("date"), str(document.values["date"])
    try:
        day = date.fromisoformat(text)
    except ValueError:
        yield finding("DOC-010", line, f"{text} is not a day")
        return
    if day > today:
        yield finding("DOC-010", line, f"{text} is in the future")
    last = day + timedelta(days=world.policy["review_within_days"])
    if document.kind in REVIEWED and last < today:
        yield finding("DOC-011", line, f"last reviewed on {text}, due on {last} ({FILE})")


def _names(document: Document, world: NamedThings, _today: date) -> Iterator[Finding]:
    known = {
        "owners": ("DOC-008", world.owners),
        "watchers": ("DOC-009", world.watchers),
        "hooks": ("DOC-009", frozenset(world.hooks)),
        "alarms": ("DOC-009", world.alarms),
    }
    for key, (code, names) in known.items():
        for name in document.listed(key):
            if name not in names:
                what = f"{key}: {name} does not exist"
                yield finding(code, document.line(key), what, fix=did_you_mean(name, names))


def _placeholders(document: Document, _world: NamedThings, _today: date) -> Iterator[Finding]:
    title = str(document.values["title"])
    if re.search(r"\b(TODO|TBD|FIXME)\b", title):
        yield finding("DOC-015", document.line("title"), "the title is a placeholder")


CHECKS: tuple[Check, ...] = (_name, _dates, _names, _placeholders)
