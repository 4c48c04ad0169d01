"""Where a pattern means another thing on one of the engines, or is refused there.

DuckDB (RE2) and Python are asked by running the pattern. PostgreSQL cannot be asked without a server, so its
differences are read from the parts of the pattern; a test holds them against a real PostgreSQL. Sources: chapter
"Regular Expression Details" of its manual; the syntax page of RE2; java.util.regex.Pattern for Spark.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from functools import cache
from re import _constants as tokens  # type: ignore[attr-defined]  # the parts of a parsed pattern
from re import _parser  # type: ignore[attr-defined]
from typing import Any

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
