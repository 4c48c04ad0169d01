"""Which `mbp` commands a text names, and whether they exist as they are written."""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import typer

from mbp.core.command_tree import command_tree

OPERATORS = {"|", "||", "&&", ";", "&"}
REDIRECTS = {">", ">>", "<", "2>", ">&"}
ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=")
# Inline code, or a line of a code block that begins with mbp (after variables).
MENTION = re.compile(r"`([^`\n]+)`|^((?:\w+=\S+ )*mbp .+)$", re.MULTILINE)


# Typer has its own copy of click since 0.27 and exports only some of its exceptions; this is their parent.
USAGE_ERROR: type[Exception] = next(
    base for base in typer.BadParameter.__mro__ if base.__name__ == "UsageError"
)


@cache
def known_commands() -> Mapping[str, Any]:
    """Every command and group of commands by the words that call it, like `cdc status`."""
    results: dict[str, Any] = {}

    def enter(words: str, command: Any) -> None:
        for name, inner in getattr(command, "commands", {}).items():
            called = f"{words} {name}".strip()
            results[called] = inner
            enter(called, inner)

    enter("", command_tree())
    return results


def is_group(command: Any) -> bool:
    """It holds other commands."""
    return hasattr(command, "commands")


def mentions(text: str) -> Iterator[tuple[int, list[str]]]:
    """(line, words behind `mbp`) of every command that a Markdown text names."""
    for matched in MENTION.finditer(text):
        words = "".join(matched.groups(default="")).split()
        if "mbp" not in words or "|" in " ".join(words):
            continue
        words = words[words.index("mbp") + 1 :]
        if words and re.fullmatch(r"[a-z]+", words[0]):
            yield text.count("\n", 0, matched.start()) + 1, words


def objection_to_mention(words: Sequence[str]) -> str | None:
    """What is wrong with a command that a text names, perhaps without its arguments."""
    known = known_commands()
    name = words[0]
    if name not in known:
        return f"there is no command `mbp {name}`"
    for word in words[1:]:
        if not is_group(known[name]) or not re.fullmatch(r"[a-z][a-z-]*", word):
            break
        name = f"{name} {word}"
        if name not in known:
            return f"there is no command `mbp {name}`"
    if known[name].context_settings.get("ignore_unknown_options"):
        return None  # another program takes them, and reports them
    options = {opt for parameter in known[name].params for opt in parameter.opts}
    for word in itertools.takewhile(lambda word: word != "--", words):
        if word.startswith("--") and word.split("=")[0] not in options:
            return f"`mbp {name}` has no option {word.split('=')[0]}"
    return None


def objection_to_call(words: Sequence[str]) -> str | None:
    """What is wrong with a command as it is to be run: its options, arguments and their values."""
    known = known_commands()
    name, rest = "", list(words)
    while rest and f"{name} {rest[0]}".strip() in known:
        name = f"{name} {rest.pop(0)}".strip()
    if not name or is_group(known[name]):
        return f"there is no command `mbp {' '.join(words)}`"
    try:
        known[name].make_context(f"mbp {name}", rest)
    except USAGE_ERROR as error:
        message = getattr(error, "message", str(error))
        return f"`mbp {' '.join(words)}`: {message.rstrip('.')}"
    except typer.Exit:
        return None  # --help
    return None


@dataclass(frozen=True)
class Call:
    """One program with its arguments, as a line of a shell block calls it."""

    words: tuple[str, ...]
    variables: tuple[str, ...]
    line: int


class UnreadableLineError(ValueError):
    """More shell than a document needs: what cannot be read cannot be checked."""

    def __init__(self, what: str, line: int) -> None:
        super().__init__(what)
        self.line = line


def calls(text: str, first_line: int) -> Iterator[Call]:
    """The programs that a shell block calls, in order.

    Raises:
        UnreadableLineError: quotes that do not end, substitution, a subshell, a here-document.
    """
    joined, start = "", first_line
    for number, line in enumerate(text.split("\n"), first_line):
        start = start if joined else number
        joined += line.removesuffix("\\") + " "
        if not line.endswith("\\"):
            yield from _calls_of_line(joined, start)
            joined = ""
    if joined.strip():
        raise UnreadableLineError("the last line goes on behind its end", start)


def _calls_of_line(line: str, number: int) -> Iterator[Call]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    try:
        tokens = list(lexer)
    except ValueError as error:
        raise UnreadableLineError(str(error), number) from error
    words: list[str] = []
    skip = False
    for token in [*tokens, ";"]:
        if token in REDIRECTS:
            skip = True
        elif token in OPERATORS:
            yield from _call(words, number)
            words = []
        elif set(token) & set("()`") or "<<" in token or "$(" in token:
            raise UnreadableLineError(f"{token!r} is more shell than can be checked", number)
        elif skip:
            skip = False
        else:
            words.append(token)


def _call(words: list[str], line: int) -> Iterator[Call]:
    names: list[str] = []
    rest = list(words)
    while rest and (matched := ASSIGNMENT.match(rest[0])):
        names.append(matched[1])
        rest.pop(0)
    if rest and rest[0] == "export":
        names += [word.split("=")[0] for word in rest[1:]]
    if rest or names:
        yield Call(tuple(rest), tuple(names), line)
