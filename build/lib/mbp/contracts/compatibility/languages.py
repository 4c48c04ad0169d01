"""Whether every text that one pattern allows is allowed by another: inclusion of regular languages.

The automata are greenery's. Patterns are read as ECMA-262 does (ODCS, JSON Schema): a search unless
anchored, `\\d` and `\\w` in ASCII. What is not a regular language, or takes longer than the limit, is
undecided, never assumed.
"""

from __future__ import annotations

import math
import multiprocessing
import re
import resource
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jsonschema_rs

from mbp.contracts.compatibility.change_model import Compatibility

TIME_LIMIT_SECONDS = 2.0  # of processor time; on a busy machine it may take twice as long
# Processor time of one comparison of contracts; what is left undecided by then stays so.
WHOLE_LIMIT_SECONDS = 3.0
LONGEST = 4096
LONGEST_PATTERN = 2000
KEPT = 4096
_CATEGORIES = {
    "CATEGORY_DIGIT": "0-9",
    "CATEGORY_WORD": "0-9A-Z_a-z",
    "CATEGORY_SPACE": "\\t\\n\\v\\f\\r ",
}


class Undecided(Exception):  # noqa: N818
    """The pattern is not one whose language can be computed; the text says why."""


@dataclass(frozen=True)
class Language:
    """Texts of a length that match all patterns."""

    patterns: tuple[str, ...] = ()
    shortest: int = 0
    longest: int | None = None


class _Budget:
    """Seconds that are left for automata, and the pairs that took too long."""

    def __init__(self, seconds: float) -> None:
        self.left = seconds
        self.slow: set[frozenset[str]] = set()


_budget: ContextVar[_Budget | None] = ContextVar("budget", default=None)
_answers: dict[tuple[str, Language, Language | None], list[str] | None] = {}


@contextmanager
def limited() -> Iterator[None]:
    """Inside it all comparisons of patterns together take no longer than the limit of the whole."""
    token = _budget.set(_Budget(WHOLE_LIMIT_SECONDS))
    try:
        yield
    finally:
        _budget.reset(token)


def contained(narrow: Language, wide: Language) -> tuple[Compatibility, str | None]:
    """Whether every text of `narrow` is one of `wide`; when not, a text that is not."""
    if narrow == wide or wide == Language():
        return Compatibility.OK, None
    results = _limited("difference", narrow, wide)
    if results is None:
        return Compatibility.UNKNOWN, None
    return (Compatibility.OK, None) if results == [] else (Compatibility.BREAK, results[0])


def example(language: Language, other: Language | None = None) -> str | None:
    """A text of the language (and of `other`); None when there is none or it is undecided."""
    return next(iter(_limited("intersection", language, other) or ()), None)


def matches(pattern: str, text: str) -> bool | None:
    """Whether the text matches, read as ECMA-262 does; None when that cannot be said."""
    validator = _matcher(pattern)
    if validator is None:
        return None
    if validator.is_valid(text):
        return True
    kinds = {type(error.kind).__name__ for error in validator.iter_errors(text)}
    return False if kinds == {"Pattern"} else None


def why_undecided(*languages: Language) -> str:
    """Why these languages were not compared."""
    for pattern in (pattern for language in languages for pattern in language.patterns):
        try:
            translated(pattern)
        except Undecided as reason:
            return f"the pattern {pattern!r} cannot be compared: {reason}"
    return "the languages of the patterns could not be compared in time"


@lru_cache(maxsize=KEPT)
def _matcher(pattern: str) -> Any:
    """A matcher in linear time; with a limit where the pattern is not a regular language."""
    try:
        return jsonschema_rs.Draft202012Validator({"pattern": pattern})
    except ValueError:
        return None


def _limited(task: str, language: Language, other: Language | None) -> list[str] | None:
    """Runs the task in a separate process, which is stopped at the limit."""
    key = (task, language, other)
    if key in _answers:
        return _answers[key]
    budget = _budget.get() or _Budget(TIME_LIMIT_SECONDS)
    patterns = frozenset(language.patterns + (other.patterns if other else ()))
    if budget.left <= 0 or any(slow <= patterns for slow in budget.slow):
        return None
    try:
        for pattern in patterns:
            translated(pattern)
    except Undecided:
        return None
    started = _processor_time()
    answered, results = _in_process(task, language, other, min(TIME_LIMIT_SECONDS, budget.left))
    budget.left -= _processor_time() - started
    if not answered:
        budget.slow.add(patterns)
        return None
    if len(_answers) >= KEPT:
        _answers.clear()
    _answers[key] = results
    return results


def _processor_time() -> float:
    """Seconds that ended child processes used."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _in_process(
    task: str, language: Language, other: Language | None, seconds: float
) -> tuple[bool, list[str] | None]:
    """(whether it answered in time, the answer)."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(
        target=_work, args=(sender, task, language, other, seconds), daemon=True
    )
    process.start()
    sender.close()
    try:
        return (True, receiver.recv()) if receiver.poll(2 * seconds) else (False, None)
    except EOFError:
        return False, None
    finally:
        process.kill()
        process.join()
        receiver.close()


def _work(
    sender: Any, task: str, language: Language, other: Language | None, seconds: float
) -> None:
    try:
        resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(seconds),) * 2)
        machine = _automaton(language)
        if other is not None:
            second = _automaton(other)
            machine = machine.difference(second) if task == "difference" else machine & second
        sender.send(_shortest(machine))
    except Exception:
        sender.send(None)


def _shortest(machine: Any) -> list[str]:
    """The shortest text of the automaton, in readable characters where there is a choice."""
    reached: dict[Any, str] = {machine.initial: ""}
    edge = [machine.initial]
    while edge:
        final = next((state for state in edge if state in machine.finals), None)
        if final is not None:
            return [reached[final]]
        following: list[Any] = []
        for state in edge:
            for characters, target in machine.map[state].items():
                if target not in reached and characters.num_chars():
                    reached[target] = reached[state] + _readable(characters)
                    following.append(target)
        edge = following
    return []


def _readable(characters: Any) -> str:
    for character in _PREFERRED:
        if characters.accepts(character):
            return character
    return str(next(iter(characters.get_chars()))) if not characters.negated else "\u00a4"


# Characters to write where a class of characters would do.
_PREFERRED = "aA0_- .@/:~xX1zZ9"


def _automaton(language: Language) -> Any:
    from greenery import parse

    if max(language.shortest, language.longest or 0) > LONGEST:
        raise Undecided(f"longer than {LONGEST} characters")
    if language.longest is not None and language.shortest > language.longest:
        return parse("[]").to_fsm()
    longest = "" if language.longest is None else language.longest
    machine = parse(f".{{{language.shortest},{longest}}}").to_fsm()
    for pattern in language.patterns:
        machine &= parse(translated(pattern)).to_fsm()
    return machine


def translated(pattern: str) -> str:
    """The pattern as greenery writes it, for whole texts.

    Raises:
        Undecided: it uses what a regular language has not, or what cannot be read.
    """
    text, reason = _translated(pattern)
    if reason:
        raise Undecided(reason)
    return text


@lru_cache(maxsize=KEPT)
def _translated(pattern: str) -> tuple[str, str]:
    """(the pattern, why not)."""
    try:
        return _read(pattern), ""
    except Undecided as error:
        return "", str(error)


def _read(pattern: str) -> str:
    from re import _parser as parser  # type: ignore[attr-defined]

    if len(pattern) > LONGEST_PATTERN:
        raise Undecided(f"longer than {LONGEST_PATTERN} characters")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Python about sets in sets, which ECMA has not
            parsed = parser.parse(pattern, re.ASCII)
        if parsed.state.flags & ~(re.ASCII.value):
            raise Undecided("inline flags")
        return _alternative(list(parsed))
    except (re.error, OverflowError, RecursionError) as error:
        raise Undecided(f"cannot read {pattern!r}: {error}") from error


def _alternative(parts: list[Any], starts: bool = False, ends: bool = False) -> str:
    """One alternative of the whole pattern, with its anchors turned into what they mean."""
    while parts and _is_anchor(parts[0], "AT_BEGINNING", "AT_BEGINNING_STRING"):
        starts, parts = True, parts[1:]
    while parts and _is_anchor(parts[-1], "AT_END", "AT_END_STRING"):
        ends, parts = True, parts[:-1]
    if len(parts) == 1 and str(parts[0][0]) == "BRANCH":
        branches = parts[0][1][1]
        return "|".join(f"({_alternative(list(branch), starts, ends)})" for branch in branches)
    if len(parts) == 1 and str(parts[0][0]) == "SUBPATTERN" and not any(parts[0][1][1:3]):
        return _alternative(list(parts[0][1][3]), starts, ends)
    inner = "".join(map(_part, parts))
    return inner if starts and ends else f"{'' if starts else '.*'}({inner}){'' if ends else '.*'}"


def _is_anchor(part: Any, *names: str) -> bool:
    return str(part[0]) == "AT" and str(part[1]) in names


def _part(part: Any) -> str:
    operation, value = str(part[0]), part[1]
    if operation == "LITERAL":
        return _character(value)
    if operation == "NOT_LITERAL":
        return f"[^{_in_class(value)}]"
    if operation == "ANY":
        return "[^\\n\\r\u2028\u2029]"
    if operation == "IN":
        return _character_class(value)
    if operation == "BRANCH":
        return "(" + "|".join("".join(map(_part, branch)) for branch in value[1]) + ")"
    if operation == "SUBPATTERN" and not (value[1] or value[2]):
        return "(" + "".join(map(_part, value[3])) + ")"
    if operation in ("MAX_REPEAT", "MIN_REPEAT"):
        low, high, inner = value
        top = "" if str(high) == "MAXREPEAT" else int(high)
        if max(low, top or 0) > LONGEST:
            raise Undecided("too many repetitions")
        return f"({''.join(map(_part, inner))}){{{low},{top}}}"
    raise Undecided(f"{operation.lower()} is not part of a regular language")


def _character_class(items: list[Any]) -> str:
    negated = bool(items) and str(items[0][0]) == "NEGATE"
    text = ""
    for operation, value in items[1:] if negated else items:
        if str(operation) == "LITERAL":
            text += _in_class(value)
        elif str(operation) == "RANGE":
            text += f"{_in_class(value[0])}-{_in_class(value[1])}"
        elif str(operation) == "CATEGORY" and str(value) in _CATEGORIES:
            text += _CATEGORIES[str(value)]
        elif str(operation) == "CATEGORY" and not negated and len(items) == 1:
            name = str(value).replace("NOT_", "")
            if name not in _CATEGORIES:
                raise Undecided(f"unknown class {value}")
            return f"[^{_CATEGORIES[name]}]"
        else:
            raise Undecided("a class inside a class of characters")
    return f"[{'^' if negated else ''}{text}]"


def _character(code: int) -> str:
    character = chr(code)
    if character.isalnum() or character in " _<>=!@#%&,;:'\"~`/":
        return character
    if character in "\\[]|(){}?*+.$^-":
        return f"\\{character}" if character not in "-" else character
    return _escaped(code)


def _in_class(code: int) -> str:
    character = chr(code)
    if character.isalnum() or character in " _<>=!@#%&,;:'\"~`/.|(){}?*+$":
        return character
    if character in "\\[]^-":
        return f"\\{character}"
    return _escaped(code)


def _escaped(code: int) -> str:
    names = {"\t": "\\t", "\n": "\\n", "\r": "\\r", "\f": "\\f", "\v": "\\v"}
    if chr(code) in names:
        return names[chr(code)]
    if code < 256:  # noqa: PLR2004
        return f"\\x{code:02x}"
    return chr(code)
