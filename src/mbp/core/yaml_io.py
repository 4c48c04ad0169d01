"""YAML with places, read by libyaml: every error names the file and the line; a repeated key is an error.

Words are read as YAML 1.2 does: `no` is text, 010 is ten. A day or an instant stays text. Tags of the standard count;
any other tag is ignored, so that no text can name code.
"""

from __future__ import annotations

import gc
import re
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from mbp.core.errors import MbpError

# Of one document with its aliases written out; a few lines of them can expand to billions.
MOST_VALUES = 1_000_000
MOST_NESTED = 200
TAGS = "tag:yaml.org,2002:"
PARSER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INTEGER = re.compile(r"[-+]?(0b[01_]+|0o[0-7_]+|0x[0-9a-fA-F_]+|[0-9][0-9_]*)", re.ASCII)
_FLOAT = re.compile(
    r"[-+]?(([0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)([eE][-+]?[0-9]+)?|[0-9][0-9_]*[eE][-+]?[0-9]+)",
    re.ASCII,
)
_NOT_FINITE = re.compile(r"([-+]?)\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


class NotYamlError(MbpError):
    """The text is not YAML."""


class RepeatedKeyError(MbpError):
    """A key is repeated in one mapping; YAML readers would silently take the one or the other."""


class PlacedDict(dict[str, Any]):
    """A mapping with its line and the lines of its keys, counted from one. Keys are text."""

    __slots__ = ("line", "lines")
    line: int
    lines: dict[str, int]


class PlacedList(list[Any]):
    """A list with its line and the lines of its entries, counted from one."""

    __slots__ = ("line", "lines")
    line: int
    lines: dict[int, int]


def load(path: Path, *, shown_as: str | None = None) -> Any:
    """The document in `path` as mappings and lists that carry line numbers.

    Raises:
        MbpError: missing, empty or unreadable file, wrong YAML, or a repeated key.
    """
    name = shown_as or str(path)
    return loads(read(path, shown_as=name), shown_as=name)


def read(path: Path, *, shown_as: str) -> str:
    """The text of a file.

    Raises:
        MbpError: missing or unreadable file, or one that is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        fix = "restore it, or write it; a project without it leaves out the commands that read it"
        raise MbpError("there is no such file", path=shown_as, fix=fix) from error
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise MbpError(f"cannot read: {reason}", path=shown_as, fix="restore the file") from error


def loads(text: str, *, shown_as: str) -> Any:
    """As `load`, of a text; a number of more digits than a float holds is a `Decimal`."""
    document, repeated = parse(text, shown_as=shown_as)
    for key, line, first in repeated:
        what = f"duplicate key {key!r}, first on line {first}"
        raise RepeatedKeyError(what, path=shown_as, line=line, fix="keep one of the two")
    return document


def parse(text: str, *, shown_as: str) -> tuple[Any, list[tuple[str, int, int]]]:
    """As `loads`, with the repeated keys beside it: (key, its line, line of the first, which counts)."""
    builder = _Builder()
    try:
        with uncollected():
            document = builder.document(text)
        if "&" in text and (values := _written_out(document, {})) > MOST_VALUES:
            raise ValueError(f"with its aliases written out it has {values:,} values")
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        what, fix = f"not valid YAML: {error.problem}", "correct the syntax at or before this line"
        raise NotYamlError(what, path=shown_as, line=line, fix=fix) from error
    # What has the form of YAML and no value: an unknown alias, `!!int many`, lists in lists in lists.
    except (yaml.YAMLError, ValueError, ArithmeticError, RecursionError) as error:
        what = f"not valid YAML: a value cannot be read ({' '.join(str(error).split())})"
        fix = "correct the value, or quote it"
        raise NotYamlError(what, path=shown_as, line=builder.line, fix=fix) from error
    if document is None:
        raise MbpError("the file is empty", path=shown_as, fix="restore its content")
    return document, builder.repeated


class _Builder:
    """Builds the document from the events of the parser, which does not recurse."""

    def __init__(self) -> None:
        self.anchors: dict[str, Any] = {}
        self.repeated: list[tuple[str, int, int]] = []
        self.line: int | None = None

    def document(self, text: str) -> Any:
        self.events = yaml.parse(text, PARSER)
        next(self.events)  # the stream begins
        if isinstance(next(self.events), yaml.StreamEndEvent):
            return None
        document = self.value(next(self.events), 0)
        next(self.events)  # the document ends
        if not isinstance(next(self.events), yaml.StreamEndEvent):
            raise ValueError("expected one document")
        return document

    def value(self, event: Any, depth: int) -> Any:
        self.line = event.start_mark.line + 1
        if depth > MOST_NESTED:
            raise ValueError(f"nested deeper than {MOST_NESTED} levels")
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in self.anchors:
                raise ValueError(f"no anchor &{event.anchor} before it")
            return self.anchors[event.anchor]
        if isinstance(event, yaml.ScalarEvent):
            value = _scalar(event)
        else:
            is_list = isinstance(event, yaml.SequenceStartEvent)
            value = self.sequence(depth) if is_list else self.mapping(depth)
            value.line = event.start_mark.line + 1
        if event.anchor:
            self.anchors[event.anchor] = value
        return value

    def sequence(self, depth: int) -> PlacedList:
        values = PlacedList()
        values.lines = {}
        for event in self.events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            values.lines[len(values)] = event.start_mark.line + 1
            values.append(self.value(event, depth + 1))
        return values

    def mapping(self, depth: int) -> PlacedDict:
        values, merged = PlacedDict(), list[PlacedDict]()
        values.lines = {}
        for event in self.events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            key, line = self.value(event, depth + 1), event.start_mark.line + 1
            value = self.value(next(self.events), depth + 1)
            if isinstance(key, dict | list):
                raise ValueError("a key is a mapping or a list")
            if key == "<<" and not event.style:
                merged += value if isinstance(value, list) else [value]
            elif str(key) in values:
                self.repeated.append((str(key), line, values.lines[str(key)]))
            else:
                values[str(key)], values.lines[str(key)] = value, line
        for other in merged:
            if not isinstance(other, PlacedDict):
                raise ValueError("<< merges mappings alone")
            values.update((key, other[key]) for key in other.keys() - values.keys())
            values.lines = {**other.lines, **values.lines}
        return values


def _scalar(event: Any) -> Any:
    tag = str(event.tag or "")
    if tag in (f"{TAGS}int", f"{TAGS}float"):
        value = _plain(event.value)
        return value if isinstance(value, int | float | Decimal) else float(event.value)
    quoted = event.style or (tag and tag not in (f"{TAGS}bool", f"{TAGS}null"))
    return event.value if quoted else _plain(event.value)


@lru_cache(maxsize=65536)
def _plain(text: str) -> Any:
    """A scalar without quotes."""
    if text in _WORDS:
        return _WORDS[text]
    if not text[0].isdigit() and text[0] not in "+-.":
        return text
    if _INTEGER.fullmatch(text):
        bare = text.replace("_", "")
        return int(bare, 0) if bare.lstrip("+-")[1:2].isalpha() else int(bare)
    if _FLOAT.fullmatch(text):
        return exact(text.replace("_", ""))
    return float(text.replace(".", "")) if _NOT_FINITE.fullmatch(text) else text


def exact(text: str) -> float | Decimal:
    """The number: a float where it is the very number of the text, a decimal else."""
    number, short = Decimal(text), float(text)
    return short if number == 0 or Decimal(repr(short)) == number else number


@contextmanager
def uncollected() -> Iterator[None]:
    """Without garbage collection: where thousands of small objects all stay, it takes most of the time."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _written_out(node: Any, known: dict[int, int]) -> int:
    """How many values a document has without aliases."""
    if not isinstance(node, dict | list):
        return 1
    if id(node) not in known:
        inner = node.values() if isinstance(node, dict) else node
        known[id(node)] = 1 + sum(_written_out(child, known) for child in inner)
    return known[id(node)]


def line_of(node: Any, key: str | int | None = None) -> int | None:
    """1-based line of `node`, or of `key` inside it; None where the place is not known."""
    if not isinstance(node, PlacedDict | PlacedList):
        return None
    lines: dict[Any, int] = node.lines
    return lines.get(key, node.line)


def plain(node: Any) -> Any:
    """`node` as ordinary dicts and lists."""
    if isinstance(node, dict):
        return {key: plain(value) for key, value in node.items()}
    return [plain(value) for value in node] if isinstance(node, list) else node


def read_otherwise(text: str) -> Iterator[tuple[int, str, Any]]:
    """(1-based line, plain scalar, its value in YAML 1.1) of each that readers of YAML 1.1 take for another value.

    The types of YAML 1.1 have more words than those of YAML 1.2: `no`, `on`, 010 (octal), 12:30 (sexagesimal).
    Text that is no YAML has none.
    """
    older = yaml.SafeLoader("")
    try:
        for event in yaml.parse(text, PARSER):
            if not isinstance(event, yaml.ScalarEvent) or event.style or event.tag:
                continue
            tag = older.resolve(yaml.ScalarNode, event.value, (True, False))
            if tag.removeprefix(TAGS) in ("bool", "int", "float", "str"):
                value = older.construct_object(yaml.ScalarNode(tag, event.value))
                if not _same(value, _plain(event.value)):
                    yield event.start_mark.line + 1, event.value, value
    except (yaml.YAMLError, ValueError, ArithmeticError):
        return


def _same(older: Any, ours: Any) -> bool:
    if type(older) is type(ours):
        return bool(older == ours) or older != older  # noqa: PLR0124 (not a number)
    numbers = (int, float, Decimal)
    if isinstance(older, bool) or isinstance(ours, bool):
        return False
    return isinstance(older, numbers) and isinstance(ours, numbers) and float(older) == float(ours)
