"""TRAP: what the tools that read our contracts understand differently, or ignore silently.

What a pattern means on an engine: DuckDB (RE2) and Python are asked by running it. PostgreSQL cannot be asked without a
server, so its differences are read from the parts of the pattern; a test holds them against a real PostgreSQL. Sources:
chapter "Regular Expression Details" of its manual; the syntax page of RE2; java.util.regex.Pattern for Spark.
"""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Iterator
from functools import cache
from re import _constants as tokens  # type: ignore[attr-defined]  # the parts of a parsed pattern
from re import _parser  # type: ignore[attr-defined]
from typing import Any

from mbp.contracts.contract_file import ContractFile
from mbp.contracts.document_node import fault_at
from mbp.contracts.lint.checks import Project, contract_check
from mbp.contracts.reading import LOGGED_LEVELS
from mbp.core.reporting import Finding

# Dates, which nothing can measure.
DATES = {"endOfLife", "endOfSupport", "generalAvailability"}
POSTGRES_NAME_BYTES = 63
# Reserved by PostgreSQL 18 and not by DuckDB 1.5 (pg_get_keywords() held against duckdb_keywords()).
POSTGRES_WORDS = {
    *("current_catalog", "current_date", "current_role", "current_schema", "current_time"),
    *("current_timestamp", "current_user", "grant", "localtime", "localtimestamp"),
    *("session_user", "system_user", "user"),
}
POSTGRES_MOST_REPEATS = 255
BRACKETS = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]")
COUNT = re.compile(r"\{\d+(?:,\d*)?\}")
CLASSES = {
    tokens.CATEGORY_DIGIT: (r"\d", "[0-9]"),
    tokens.CATEGORY_NOT_DIGIT: (r"\D", "[^0-9]"),
    tokens.CATEGORY_SPACE: (r"\s", r"[ \t]"),
    tokens.CATEGORY_NOT_SPACE: (r"\S", r"[^ \t]"),
    tokens.CATEGORY_WORD: (r"\w", "[A-Za-z0-9_]"),
    tokens.CATEGORY_NOT_WORD: (r"\W", "[^A-Za-z0-9_]"),
}


@contract_check("TRAP-001")
def open_intervals(contract: ContractFile, _project: Project) -> Iterator[Finding]:
    """Both exclusive bounds on one column."""
    for subject, column in contract.all_columns():
        options = column.at("logicalTypeOptions")
        if {"exclusiveMinimum", "exclusiveMaximum"} <= options.mapping.keys():
            yield fault_at(options, "TRAP-001", "an open interval on one column", subject)


@contract_check("TRAP-002")
def one_rule_of_a_metric(contract: ContractFile, _project: Project) -> Iterator[Finding]:
    """datacontract-cli names a check after table, column and metric, and needs each name once."""
    seen: Counter[tuple[str | None, str]] = Counter()
    for entry in contract.entries:
        metric = entry.node.at("metric").text
        seen[entry.column, metric] += 1
        if metric and seen[entry.column, metric] > 1:
            where = entry.column or contract.dataset
            yield fault_at(entry.node, "TRAP-002", f"another rule of {metric} on {where}", entry.id)


@contract_check("TRAP-004", "TRAP-014")
def patterns(contract: ContractFile, _project: Project) -> Iterator[Finding]:
    """Patterns that every engine can run, in one sense."""
    for subject, column in contract.all_columns():
        node = column.at("logicalTypeOptions", "pattern")
        if not node.text:
            continue
        reason = refusal(node.value)
        if reason:
            yield fault_at(node, "TRAP-004", f"the pattern {node.value!r}: {reason}", subject)
            continue
        for difference in differences(node.value):
            yield fault_at(node, "TRAP-014", f"the pattern {node.value!r}: {difference}", subject)


@contract_check("TRAP-007", "TRAP-010")
def service_levels(contract: ContractFile, _project: Project) -> Iterator[Finding]:
    """Service levels that no tool checks, or reads in another unit."""
    for level in contract.root.at("slaProperties").entries():
        kind = level.at("property").text
        if kind and kind not in {*LOGGED_LEVELS, *DATES}:
            yield fault_at(level, "TRAP-007", f"no tool checks {kind}", contract.dataset)
        if kind == "retention" and level.at("unit").text == "m":
            yield fault_at(level.at("unit"), "TRAP-010", "retention in m", contract.dataset)


@contract_check("TRAP-012", "TRAP-013")
def names(contract: ContractFile, _project: Project) -> Iterator[Finding]:
    """Names that an engine reserves or cuts."""
    for node in (
        contract.table.at("name"),
        *(node.at("name") for _, node in contract.all_columns()),
    ):
        if node.text.lower() in _reserved_words():
            yield fault_at(node, "TRAP-012", f"{node.text!r} is a word of SQL", node.text)
        if len(node.text.encode("utf-8")) > POSTGRES_NAME_BYTES:
            message = f"{len(node.text)} characters; PostgreSQL keeps {POSTGRES_NAME_BYTES}"
            yield fault_at(node, "TRAP-013", message, node.text)


@cache
def _reserved_words() -> frozenset[str]:
    import duckdb

    with duckdb.connect() as connection:
        rows = connection.execute(
            "select keyword_name from duckdb_keywords()"
            " where keyword_category in ('reserved', 'type_function')"
        ).fetchall()
    return frozenset({word for (word,) in rows} | POSTGRES_WORDS)


@cache
def refusal(pattern: str) -> str:
    """Why an engine refuses the pattern or reads it in another sense; empty where all agree."""
    parsed = _parsed(pattern)
    if isinstance(parsed, str):
        return f"Python: {parsed}"
    reason = _refusal_of_duckdb(pattern)
    if reason:
        return f"DuckDB: {reason}"
    return next((f"PostgreSQL: {reason}" for reason in _postgres(pattern, parsed)), "")


@cache
def differences(pattern: str) -> tuple[str, ...]:
    """Parts that match other characters beyond ASCII on each engine, each with a spelling that all share."""
    parsed = _parsed(pattern)
    if isinstance(parsed, str):
        return ()
    notes = dict.fromkeys(
        f"{CLASSES[value][0]} has other characters beyond ASCII on each engine; write {CLASSES[value][1]}"
        for token, value in _parts(parsed)
        if token is tokens.CATEGORY
    )
    if any(token is tokens.ANY for token, _ in _parts(parsed)):
        notes[r". matches a line break on some engines only; write [^\n]"] = None
    return tuple(notes)


def _parsed(pattern: str) -> Any:
    """Its parts, or Python's reason for refusing it."""
    try:
        with warnings.catch_warnings():
            # Python warns of what it reads in another sense, like [[:alpha:]].
            warnings.simplefilter("error")
            re.compile(pattern)
            return _parser.parse(pattern)
    except (re.error, FutureWarning, DeprecationWarning, OverflowError, RecursionError) as error:
        return str(error) or type(error).__name__


def _refusal_of_duckdb(pattern: str) -> str:
    import duckdb

    try:
        with duckdb.connect() as connection:
            connection.execute("select regexp_matches('', ?)", [pattern])
    except duckdb.Error as error:
        return str(error).removeprefix("Invalid Input Error: ").splitlines()[0]
    return ""


def _postgres(pattern: str, parsed: Any) -> Iterator[str]:
    """What PostgreSQL refuses, or takes in another sense."""
    if "\0" in pattern or any(
        token is tokens.LITERAL and not value for token, value in _parts(parsed)
    ):
        yield "a text has no character 0"
    for token, value in _parts(parsed):
        if token in (tokens.MAX_REPEAT, tokens.MIN_REPEAT):
            low, high = value[0], value[1]
            most = low if high is tokens.MAXREPEAT else high
            if most > POSTGRES_MOST_REPEATS:
                yield f"no count above {POSTGRES_MOST_REPEATS}; use maxLength for {most}"
        elif token is tokens.AT and value in (tokens.AT_BOUNDARY, tokens.AT_NON_BOUNDARY):
            yield r"\b is a backspace there and \B a backslash; anchors ^ and $ say where a value begins and ends"
        elif token is tokens.SUBPATTERN and (value[1] or value[2]):
            yield "no flags inside a group; write both cases, like [Yy]"
    bare = BRACKETS.sub("x", re.sub(r"\\.", "x", pattern))
    if "(?P<" in bare:
        yield "no names of groups; write (...)"
    if "{" in COUNT.sub("", bare):
        yield r"a brace that is no count; write \{, or {0,n} for {,n}"
    if re.search(r"\\x(?![0-9A-Fa-f]{2}(?![0-9A-Fa-f]))", pattern) or re.search(
        r"\\[0-7]", pattern
    ):
        yield r"a character by its number is read to another length; write the character itself"


def _parts(parsed: Any) -> Iterator[tuple[Any, Any]]:
    """Every (token, value) of the pattern, those inside groups and classes too."""
    for token, value in parsed:
        yield token, value
        yield from _inside(token, value)


def _inside(token: Any, value: Any) -> Iterator[tuple[Any, Any]]:
    if token is tokens.BRANCH:
        for branch in value[1]:
            yield from _parts(branch)
    elif token is tokens.IN:
        yield from _parts(value)
    elif token is tokens.SUBPATTERN:
        yield from _parts(value[3])
    elif token in (tokens.MAX_REPEAT, tokens.MIN_REPEAT):
        yield from _parts(value[2])
