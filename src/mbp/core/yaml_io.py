"""YAML with places: every error names the file and the line; a duplicate key is an error."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import TaggedScalar
from ruamel.yaml.constructor import DuplicateKeyError, RoundTripConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from mbp.core.errors import MbpError

# Of one document with its aliases written out; a few lines of them can expand to billions.
MOST_VALUES = 1_000_000
# `!!str`: the only tag of a scalar that ruamel leaves unresolved although it is of the standard.
TEXT_TAG = "tag:yaml.org,2002:str"


class NotYamlError(MbpError):
    """The text is not YAML."""


class _ExactConstructor(RoundTripConstructor):
    """Numbers keep every digit."""

    def construct_yaml_float(self, node: Any) -> Any:
        value = super().construct_yaml_float(node)
        try:
            number = Decimal(str(node.value).replace("_", ""))
        except InvalidOperation:
            return value
        same = not number.is_finite() or Decimal(repr(float(value))) == number
        return value if same else number


_ExactConstructor.add_constructor("tag:yaml.org,2002:float", _ExactConstructor.construct_yaml_float)


class RepeatedKeyError(MbpError):
    """A key is repeated in one mapping; YAML readers would silently take the one or the other."""


def load(path: Path, *, shown_as: str | None = None) -> Any:
    """The document in `path` as ruamel's commented maps and lists (they carry line numbers).

    Raises:
        MbpError: missing, empty or unreadable file, wrong YAML, or a duplicate key.
    """
    name = shown_as or str(path)
    return pickle.loads(_parsed(read(path, shown_as=name), name))  # noqa: S301 - of this process


@lru_cache(maxsize=256)
def _parsed(text: str, shown_as: str) -> bytes:
    """A document to copy from: a copy takes a fortieth of the time of parsing, and its reader may change it."""
    return pickle.dumps(loads(text, shown_as=shown_as))


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


def loads(text: str, *, shown_as: str, allow_duplicates: bool = False, exact: bool = False) -> Any:
    """Like `load`, for text that is already in memory.

    Args:
        allow_duplicates: take one of two equal keys, for a caller that reports them with `duplicates`.
        exact: a number of more digits than a float holds becomes a `Decimal`.
    """
    yaml = YAML(typ="rt")
    if exact:
        yaml.Constructor = _ExactConstructor
    yaml.allow_duplicate_keys = allow_duplicates
    try:
        document = yaml.load(text)
        if "&" in text and (values := _written_out(document, {})) > MOST_VALUES:
            raise ValueError(f"with its aliases written out it has {values:,} values")
    except DuplicateKeyError as error:
        mark = error.problem_mark
        what = str(error.problem).split("with value")[0].strip()
        raise RepeatedKeyError(
            f"duplicate key: {what}",
            path=shown_as,
            line=mark.line + 1 if mark else None,
            fix="keep one of the two",
        ) from error
    except MarkedYAMLError as error:
        mark = error.problem_mark
        raise NotYamlError(
            f"not valid YAML: {error.problem}",
            path=shown_as,
            line=mark.line + 1 if mark else None,
            fix="correct the syntax at or before this line",
        ) from error
    except YAMLError as error:
        raise NotYamlError(
            f"not valid YAML: {error}", path=shown_as, fix="correct the syntax"
        ) from error
    # What has the form of YAML and no value: the 30th of February, a number without end, lists in lists in lists.
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise NotYamlError(
            f"not valid YAML: a value cannot be read ({error})",
            path=shown_as,
            fix="correct the value, or quote it",
        ) from error
    if document is None:
        raise MbpError("the file is empty", path=shown_as, fix="restore its content")
    if not allow_duplicates:
        _refuse_equal_keys(document, shown_as)
    return document


def _refuse_equal_keys(document: Any, shown_as: str) -> None:
    """Refuses two keys that `plain` would take for one, like `expires` and `!!str expires`, or `1` and `"1"`.

    Raises:
        RepeatedKeyError: there are two in one mapping.
    """
    waiting = [document]
    seen: set[int] = set()
    while waiting:
        node = waiting.pop()
        if not isinstance(node, dict | list) or id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, dict):
            names: set[str] = set()
            for key in node:
                name = key_text(key)
                if name in names:
                    raise RepeatedKeyError(
                        f"duplicate key: {name!r} is in the mapping twice, written in two ways",
                        path=shown_as,
                        line=line_of(node, key) or line_of(node),
                        fix="keep one of the two, without a tag",
                    )
                names.add(name)
        waiting += node.values() if isinstance(node, dict) else node


def key_text(key: Any) -> str:
    """The name of a key, whatever its tag or its type."""
    return str(key.value) if isinstance(key, TaggedScalar) else str(key)


def _written_out(node: Any, known: dict[int, int]) -> int:
    """How many values a document has without aliases."""
    if not isinstance(node, dict | list):
        return 1
    if id(node) not in known:
        inner = node.values() if isinstance(node, dict) else node
        known[id(node)] = 1 + sum(_written_out(child, known) for child in inner)
    return known[id(node)]


def duplicates(text: str) -> Iterator[tuple[str, int, int]]:
    """Every key of valid YAML that is repeated in a mapping: (key, its line, line of the first)."""
    waiting: list[Node] = [YAML(typ="rt").compose(text)]
    seen: set[int] = set()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, SequenceNode):
            waiting += reversed(node.value)
        elif isinstance(node, MappingNode):
            lines: dict[str, int] = {}
            for key, _ in node.value:
                line = key.start_mark.line + 1
                if str(key.value) in lines:
                    yield str(key.value), line, lines[str(key.value)]
                else:
                    lines[str(key.value)] = line
            waiting += reversed([value for _, value in node.value])


def line_of(node: Any, key: str | int | None = None) -> int | None:
    """1-based line of `node`, or of `key` inside it; None where the place is not known."""
    marks = getattr(node, "lc", None)
    if marks is None:
        return None
    if key is not None and marks.data and key in marks.data:
        return int(marks.data[key][0]) + 1
    return int(marks.line) + 1 if marks.line is not None else None


def plain(node: Any) -> Any:
    """`node` as ordinary dicts, lists and scalars."""
    if isinstance(node, dict):
        return {key_text(key): plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [plain(value) for value in node]
    if isinstance(node, bool):
        return node
    if isinstance(node, TaggedScalar) and str(node.tag.value) == TEXT_TAG:
        return str(node.value)
    for scalar in (str, int, float):
        if isinstance(node, scalar):
            return scalar(node)
    return node
