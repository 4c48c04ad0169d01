"""The grammar of physical types: a name with its parameters, elements and fields, as the text says it.

Nothing is dropped: what is not understood makes the whole a type that equals only itself. What a name
means on an engine is decided elsewhere (`engine_types`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache

from mbp.contracts.compatibility.change_model import Kind

DEEPEST = 60
LONGEST_NUMBER = 9
_TOKEN = re.compile(
    r"""\s*(?:(?P<quoted>'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`)|(?P<word>\w+)|(?P<mark>.))""",
    re.DOTALL,
)
# How engines write a list, a record and a dictionary.
ARRAYS, RECORDS, MAPS = ("array", "list"), ("struct", "row"), ("map",)
CLOSING = {"(": ")", "<": ">", "[": "]"}
Resolve = Callable[[str, tuple[int | str, ...]], Kind | None]
Token = tuple[str, str]


class NotReadError(ValueError):
    """The text is not of the grammar."""


@lru_cache(maxsize=4096)
def label_of(text: str) -> str:
    """The text in one spelling: layout and case do not count, except inside quotes."""
    return " ".join(value if kind == "quoted" else value.lower() for kind, value in tokens_of(text))


def tokens_of(text: str) -> list[Token]:
    """(kind, text) of each token: quoted, word or mark."""
    return [
        (str(match.lastgroup), match[str(match.lastgroup)])
        for match in _TOKEN.finditer(text.strip())
        if match.lastgroup
    ]


def read(text: str, resolve: Resolve) -> Kind | None:
    """The kind that the text names; None when it, or a part of it, is not known.

    Args:
        resolve: (name in lower case, parameters) -> kind of a type without parts, None when not known.
    """
    reader = _Reader(tokens_of(text), resolve)
    try:
        kind = reader.type(0)
    except NotReadError:
        return None
    return kind if reader.at_end else None


class _Reader:
    def __init__(self, tokens: Sequence[Token], resolve: Resolve) -> None:
        self.tokens, self.resolve, self.position = tokens, resolve, 0

    @property
    def at_end(self) -> bool:
        return self.position == len(self.tokens)

    def peek(self) -> Token:
        return ("end", "") if self.at_end else self.tokens[self.position]

    def take(self, *marks: str) -> bool:
        kind, text = self.peek()
        if kind == "mark" and text in marks:
            self.position += 1
            return True
        return False

    def demand(self, mark: str) -> None:
        if not self.take(mark):
            raise NotReadError(mark)

    def word(self) -> str:
        kind, text = self.peek()
        if kind != "word":
            raise NotReadError(text)
        self.position += 1
        return text.lower()

    def type(self, depth: int) -> Kind:
        if depth > DEEPEST:
            raise NotReadError("nested too deep")
        name = self.word()
        kind = self._nested(name, depth) or self._plain(name)
        while self.take("["):
            # A size (int[3]) is a separate type on some engines and only text on others.
            self.demand("]")
            kind = Kind("array", parts=(("[]", kind),))
        return kind

    def _nested(self, name: str, depth: int) -> Kind | None:
        opening = self.peek()[1]
        if name not in (*ARRAYS, *RECORDS, *MAPS) or opening not in ("<", "("):
            return None
        self.take(opening)
        parts: list[tuple[str, Kind]] = []
        while True:
            field = self._field_name() if name in RECORDS else str(len(parts))
            parts.append((field, self.type(depth + 1)))
            if not self.take(","):
                break
        self.demand(CLOSING[opening])
        if name in RECORDS:
            names = [field for field, _ in parts]
            if len(set(names)) != len(names):
                raise NotReadError("a field twice")
            return Kind("object", parts=tuple(parts))
        kinds = [kind for _, kind in parts]
        if name in MAPS and len(kinds) == 2:  # noqa: PLR2004
            return Kind("map", parts=(("{key}", kinds[0]), ("{}", kinds[1])))
        if name in ARRAYS and len(kinds) == 1:
            return Kind("array", parts=(("[]", kinds[0]),))
        raise NotReadError(name)

    def _field_name(self) -> str:
        kind, text = self.peek()
        if kind == "quoted" and not text.startswith("'"):
            self.position += 1
            name = text[1:-1]
        else:
            name = self.word()
        self.take(":")
        return name

    def _plain(self, name: str) -> Kind:
        words, parameters = [name], None
        while True:
            kind, text = self.peek()
            if kind == "word":
                words.append(self.word())
            elif text == "(" and kind == "mark" and parameters is None:
                parameters = self._parameters()
            else:
                break
        resolved = self.resolve(" ".join(words), parameters or ())
        if resolved is None:
            raise NotReadError(name)
        return resolved

    def _parameters(self) -> tuple[int | str, ...]:
        self.demand("(")
        results: list[int | str] = []
        while not self.take(")"):
            negative = self.take("-")
            kind, text = self.peek()
            if kind == "word" and text.isascii() and text.isdigit() and len(text) <= LONGEST_NUMBER:
                results.append(-int(text) if negative else int(text))
            elif kind == "word" and text.lower() == "max" and not negative:
                results.append("max")
            else:
                raise NotReadError(text)
            self.position += 1
            if self.peek()[1] != ")":
                self.demand(",")
        return tuple(results)
