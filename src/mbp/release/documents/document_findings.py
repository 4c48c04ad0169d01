"""What a document says, held against the project: its front matter, commands, queries and names, and its hooks.

Links are checked by MkDocs in its strict mode.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from mbp.contracts.alarm_limits import FILE as ALARMS
from mbp.contracts.alarm_limits import AlarmEntries
from mbp.contracts.contract_loading import load_contracts
from mbp.contracts.exercises import FILE as EXERCISES
from mbp.contracts.hook_policy import HOOKS
from mbp.contracts.policy import load_policy
from mbp.contracts.sheet import Kpi, load_sheet
from mbp.core.errors import MbpError
from mbp.core.paths import ROOT_MARK
from mbp.core.reporting import Finding, read_codes
from mbp.core.schema_check import did_you_mean
from mbp.core.sql_guard import RefusedSqlError, demand_query
from mbp.core.yaml_io import line_of, load, plain
from mbp.ingest.raw_tables import CDC_CONTROL_TABLES
from mbp.release.documents.command_lines import (
    Call,
    UnreadableLineError,
    calls,
    mentions,
    objection_to_call,
    objection_to_mention,
)
from mbp.release.documents.markdown_body import KINDS, POLICY, Document, load_document_policy

PUBLISHED = "published"
VARIABLE = re.compile(r"\bMBP_[A-Z0-9_]+\b")
READING_VARIABLES = ("src/**/*.py", "src/**/*.yaml", "macros/**/*.sql", "*.yml")


@dataclass(frozen=True)
class NamedThings:
    """The project, read once for all documents."""

    root: Path

    @cached_property
    def policy(self) -> Mapping[str, Any]:
        """What documents are held to."""
        return load_document_policy(self.root)

    @cached_property
    def owners(self) -> frozenset[str]:
        """Teams that answer for something."""
        return frozenset(load_policy(self.root).owners)

    @cached_property
    def kpis(self) -> Mapping[str, Kpi]:
        """The measurement sheet."""
        return load_sheet(self.root, load_policy(self.root)).kpis

    @cached_property
    def watchers(self) -> frozenset[str]:
        """Names of the watchers."""
        return frozenset(kpi.watcher for kpi in self.kpis.values())

    @cached_property
    def hooks(self) -> Mapping[str, Mapping[str, Any]]:
        """Hook -> its entry in hooks.yaml with the line as `line`, whatever is wrong with it there."""
        document = load(self.root / HOOKS, shown_as=HOOKS)
        entries = document.get("hooks") if isinstance(document, dict) else None
        results = {
            str(entry["id"]): {**plain(entry), "line": line_of(entry)}
            for entry in entries or []
            if isinstance(entry, dict) and "id" in entry
        }
        if not results:
            raise MbpError("no hook", path=HOOKS, fix="see `mbp hooks check`")
        return results

    @cached_property
    def alarm_runbook(self) -> str:
        """The runbook of the alarms of the change data capture."""
        return str(plain(load(self.root / ALARMS, shown_as=ALARMS)).get("runbook", ""))

    @property
    def alarms(self) -> frozenset[str]:
        """Alarms of the change data capture."""
        return frozenset(field.name for field in fields(AlarmEntries))

    @cached_property
    def exercises(self) -> frozenset[str]:
        """Ids of the exercises."""
        document = plain(load(self.root / EXERCISES, shown_as=EXERCISES))
        return frozenset(str(exercise.get("id")) for exercise in document.get("exercises", []))

    @cached_property
    def relations(self) -> frozenset[str]:
        """schema.name of every model, published dataset and control table."""
        config = plain(load(self.root / ROOT_MARK, shown_as=ROOT_MARK))["models"]["mbp"]
        models = {
            f"{_schema(config, file.relative_to(self.root / 'models').parts[:-1])}.{file.stem}"
            for file in (self.root / "models").rglob("*.sql")
        }
        public = {f"{PUBLISHED}.{contract.dataset}" for contract in load_contracts(self.root)}
        return frozenset({*models, *public, *CDC_CONTROL_TABLES})

    @cached_property
    def variables(self) -> frozenset[str]:
        """Environment variables that the project reads."""
        results: set[str] = set()
        for pattern in READING_VARIABLES:
            for file in self.root.glob(pattern):
                results.update(VARIABLE.findall(file.read_text(encoding="utf-8")))
        return frozenset(results)


def _schema(config: Mapping[str, Any], folders: tuple[str, ...]) -> str:
    schema, level = "", config
    for folder in folders:
        level = level.get(folder) or {}
        schema = str(level.get("+schema", schema))
    return schema


RULES = read_codes("mbp.release.documents", "document_codes.yaml")


def finding(
    code: str, line: int | None, message: str, path: str = "", subject: str = "", *, fix: str = ""
) -> Finding:
    """A finding of the code; without a path, of the document that is being checked."""
    return Finding(code, message, path, line, subject, fix or RULES[code].fix)


ENGINES = ("duckdb", "postgres")


def query_findings(sql: str, line: int, relations: Collection[str]) -> Iterator[Finding]:
    """Everything that is wrong with the text of one sql block."""
    named: set[str] = set()
    for engine in ENGINES:
        try:
            statements = [
                expression
                for expression in sqlglot.parse(sql, read=engine)
                if expression is not None
            ]
        except SqlglotError as error:
            reason = str(error).splitlines()[0].split("\x1b")[0].rstrip(" .")
            yield finding("DOC-018", line, f"{engine} cannot read the query: {reason}")
            return
        if len(statements) != 1 or not isinstance(statements[0], exp.Query):
            yield finding("DOC-018", line, "the block is not one query")
            return
        try:
            demand_query(sql, engine)
        except RefusedSqlError as error:
            message = f"the query writes, or locks what it reads, or may not run: {error.what}"
            yield finding("DOC-018", line, message)
            return
        local = {cte.alias for cte in statements[0].find_all(exp.CTE)}
        for table in statements[0].find_all(exp.Table):
            name = f"{table.db}.{table.name}" if table.db else table.name
            if name not in local:
                named.add(name)
    if not named:
        yield finding("DOC-018", line, "the query reads nothing")
    for name in sorted(named - set(relations)):
        fix = did_you_mean(name, relations)
        yield finding("DOC-019", line, f"there is no relation {name}", fix=fix)


REVIEWED = ("runbook", "plan")
PLACES = {"adr": "docs/adr", "runbook": "docs/runbooks", "plan": "docs/pre_ga_plan.md"}


def front_findings(document: Document, world: NamedThings, today: date) -> Iterator[Finding]:
    """Everything that is wrong with the front matter; only its form where that is wrong."""
    if document.problem is not None:
        yield finding("DOC-002", document.problem.line, document.problem.what)
        return
    for violation in document.form:
        yield finding("DOC-003", violation.line, violation.what, fix=violation.fix or "")
    if not document.whole:
        return
    yield from _date(document, world, today)
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


def _date(document: Document, world: NamedThings, today: date) -> Iterator[Finding]:
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
        yield finding("DOC-011", line, f"last reviewed on {text}, due on {last} ({POLICY})")


def body_findings(document: Document, world: NamedThings) -> Iterator[Finding]:
    """Sections that are missing, and every command, query and variable that does not work as it is written."""
    for title in world.policy["sections"][document.kind]:
        if title not in document.body.sections:
            yield finding("DOC-014", None, f"there is no section {title!r}")
    for block in document.body.blocks:
        if block.language == "sql":
            yield from query_findings(block.text, block.line, world.relations)
        elif block.language == "sh":
            try:
                for call in calls(block.text, block.line):
                    yield from _call(call, world)
            except UnreadableLineError as error:
                yield finding("DOC-017", error.line, str(error))
        else:
            what = f"the block is marked as {block.language or 'nothing'}"
            yield finding("DOC-024", block.line, what)
    for code in document.body.code:
        for _, words in mentions(f"`{code.text}`"):
            objection = objection_to_mention(words)
            if objection is not None:
                yield finding("DOC-016", code.line, objection)
            yield from _exercise(words, code.line, world)
        yield from _variables(VARIABLE.findall(code.text), code.line, world)


def _call(call: Call, world: NamedThings) -> Iterator[Finding]:
    yield from _variables(call.variables, call.line, world)
    if not call.words:
        return
    program, words = call.words[0], call.words[1:]
    if program == "mbp":
        objection = objection_to_call(words)
        if objection is not None:
            yield finding("DOC-016", call.line, objection)
        yield from _exercise(words, call.line, world)
    elif program not in world.policy["programs"]:
        yield finding("DOC-017", call.line, f"{program} is not among the programs of {POLICY}")


def _exercise(words: Sequence[str], line: int, world: NamedThings) -> Iterator[Finding]:
    if words[:1] and words[0] == "exercise":
        for name in words[1:]:
            if not name.startswith("-") and name not in world.exercises:
                fix = did_you_mean(name, world.exercises)
                yield finding("DOC-016", line, f"there is no exercise {name}", fix=fix)


def _variables(names: Sequence[str], line: int, world: NamedThings) -> Iterator[Finding]:
    for name in names:
        if name not in world.variables:
            fix = did_you_mean(name, world.variables)
            yield finding("DOC-023", line, f"nothing reads the variable {name}", fix=fix)


def set_findings(documents: Sequence[Document], world: NamedThings) -> Iterator[Finding]:
    """What no document can say alone: each kind is there, and each hook and alarm has its runbook."""
    for kind in KINDS:
        if not any(document.kind == kind for document in documents):
            what = f"there is no document of the kind {kind}"
            yield finding("DOC-001", None, what, PLACES[kind], kind)
    runbooks = {document.path: document for document in documents if document.kind == "runbook"}
    yield from _hooks(runbooks, world)
    runbook = runbooks.get(world.alarm_runbook)
    if runbook is None:
        what = f"the runbook {world.alarm_runbook} is not there"
        yield finding("DOC-013", None, what, ALARMS, "runbook")
        return
    yield from _unnamed(runbook, {"alarms": sorted(world.alarms)}, "the alarms")


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
    if runbook.status != "active":
        what = f"its status is {runbook.status}, and it is the runbook of {whose}"
        yield finding("DOC-013", runbook.line("status"), what, runbook.path, runbook.name)
