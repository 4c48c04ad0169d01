"""What a document says: sections, commands, queries, numbers and names, each held against the project."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from mbp.core.errors import MbpError
from mbp.core.reporting import Finding
from mbp.core.schema_check import did_you_mean
from mbp.core.yaml_io import read
from mbp.release.documents import queries
from mbp.release.documents.command_lines import (
    Call,
    UnreadableLineError,
    calls,
    mentions,
    objection_to_call,
    objection_to_mention,
)
from mbp.release.documents.document_codes import finding
from mbp.release.documents.document_policy import FILE
from mbp.release.documents.markdown_body import Document, TextRun
from mbp.release.documents.named_things import VARIABLE, NamedThings

CHECKED_BY = "How it is checked"
PLACEHOLDER = re.compile(r"\b(TODO|TBD|FIXME)\b")
NUMBER = re.compile(r"\d+(?:[.]\d+)?")
# As the sheet writes a unit -> as people do.
UNITS = {"ms": "ms|milliseconds", "s": "s|seconds", "%": "%|percent", "h": "h|hours"}
Check = Callable[[Document, NamedThings], Iterator[Finding]]


def problems(document: Document, world: NamedThings) -> Iterator[Finding]:
    """Everything that is wrong below the front matter."""
    for check in CHECKS:
        yield from check(document, world)


def _sections(document: Document, world: NamedThings) -> Iterator[Finding]:
    wanted = world.policy["sections"][document.kind]
    there = document.body.sections()
    titles = [heading.title for heading in there]
    for title in wanted:
        if title not in titles:
            yield finding("DOC-014", None, f"there is no section {title!r}")
    ordered = [title for title in wanted if title in titles]
    if titles[: len(ordered)] != ordered:
        yield finding(
            "DOC-014", there[0].line, f"the sections begin {', '.join(titles[: len(ordered)])}"
        )
    for twice in sorted({title for title in titles if titles.count(title) > 1}):
        yield finding("DOC-014", None, f"the section {twice!r} appears twice")
    for heading in there:
        if not document.body.says(heading.title):
            yield finding("DOC-015", heading.line, f"nothing is written under {heading.title!r}")
    for words in document.body.prose:
        if matched := PLACEHOLDER.search(words.text):
            yield finding("DOC-015", words.line, f"{matched[0]} is a placeholder")


def _blocks(document: Document, world: NamedThings) -> Iterator[Finding]:
    for block in document.body.blocks:
        if block.language == "sql":
            yield from queries.problems(block.text, block.line, world.relations)
        elif block.language == "sh":
            try:
                for call in calls(block.text, block.line):
                    yield from _call(call, world)
            except UnreadableLineError as error:
                yield finding("DOC-017", error.line, str(error))
        else:
            what = f"the block is marked as {block.language or 'nothing'}"
            yield finding("DOC-024", block.line, what)


def _call(call: Call, world: NamedThings) -> Iterator[Finding]:
    for name in call.variables:
        yield from _variable(name, call.line, world)
    if not call.words:
        return
    program, words = call.words[0], call.words[1:]
    if program == "mbp":
        objection = objection_to_call(words)
        if objection is not None:
            yield finding("DOC-016", call.line, objection)
        yield from _exercise(words, call.line, world)
    elif program not in world.policy["programs"]:
        yield finding("DOC-017", call.line, f"{program} is not among the programs of {FILE}")


def _inline_code(document: Document, world: NamedThings) -> Iterator[Finding]:
    for code in document.body.code:
        for _, words in mentions(f"`{code.text}`"):
            objection = objection_to_mention(words)
            if objection is not None:
                yield finding("DOC-016", code.line, objection)
            yield from _exercise(words, code.line, world)
        for name in VARIABLE.findall(code.text):
            yield from _variable(name, code.line, world)


def _exercise(
    words: tuple[str, ...] | list[str], line: int, world: NamedThings
) -> Iterator[Finding]:
    if words[:1] and words[0] == "exercise":
        for name in words[1:]:
            if not name.startswith("-") and name not in world.exercises:
                fix = did_you_mean(name, world.exercises)
                yield finding("DOC-016", line, f"there is no exercise {name}", fix=fix)


def _variable(name: str, line: int, world: NamedThings) -> Iterator[Finding]:
    if name not in world.variables:
        fix = did_you_mean(name, world.variables)
        yield finding("DOC-023", line, f"nothing reads the variable {name}", fix=fix)


def _numbers(document: Document, world: NamedThings) -> Iterator[Finding]:
    folder = (world.root / document.path).parent
    for link in document.body.links:
        target = (folder / link.address).resolve()
        if not link.title or target.suffix != ".yaml" or not target.is_file():
            continue
        name = target.relative_to(world.root.resolve()).as_posix()
        try:
            value = world.fact(name, link.title)
        except (KeyError, MbpError):
            yield finding("DOC-022", link.line, f"{name} has no {link.title}")
            continue
        there, here = (_figures(text) for text in (str(value), link.text))
        if not there or here != there:
            yield finding("DOC-022", link.line, f"{link.text!r}: {link.title} is {value!r}")
    watched = set(document.listed("watchers"))
    for kpi in world.kpis.values():
        if kpi.watcher not in watched or kpi.unit not in UNITS or not kpi.bound:
            continue
        restated = re.compile(rf"(?<![\w.]){kpi.bound:g} ?(?:{UNITS[kpi.unit]})(?!\w)")
        for words in document.body.prose:
            if matched := restated.search(words.text):
                what = f"{matched[0]} is the target of {kpi.id}, without a link to its place"
                yield finding("DOC-022", words.line, what)


def _figures(text: str) -> list[float]:
    return [float(number) for number in NUMBER.findall(text)]


def _checked_by(document: Document, world: NamedThings) -> Iterator[Finding]:
    if document.kind != "adr":
        return
    named = [code for code in document.body.code if code.section == CHECKED_BY]
    proofs = 0
    for code in named:
        if list(mentions(f"`{code.text}`")):
            proofs += 1
        elif "/" in code.text:
            what = _missing_test(code, world.root)
            proofs += what is None
            if what is not None:
                yield finding("DOC-021", code.line, what)
        elif code.text not in world.names and code.text not in world.variables:
            yield finding("DOC-021", code.line, f"{code.text} is nothing that the project has")
    if not proofs:
        yield finding("DOC-021", None, "no test and no command is named")


def _missing_test(code: TextRun, root: Path) -> str | None:
    name, _, function = code.text.partition("::")
    file = (root / name).resolve()
    if not file.is_relative_to(root.resolve()) or not file.exists():
        return f"{name} does not exist"
    if function and f"def {function}(" not in read(file, shown_as=name):
        return f"{name} has no {function}"
    return None


CHECKS: tuple[Check, ...] = (_sections, _blocks, _inline_code, _numbers, _checked_by)
