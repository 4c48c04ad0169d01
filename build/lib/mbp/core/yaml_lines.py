"""YAML with places, read by libyaml: what `mbp.core.yaml_io` reads, many times faster.

Only plain documents are read here: without anchors, tags or directives, and without an error. Everything else
is left to `mbp.core.yaml_io`, whose values and messages count.
"""

from __future__ import annotations

import gc
import re
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from functools import lru_cache
from typing import Any

import yaml
from ruamel.yaml import YAML

from mbp.core import yaml_io

MOST_NESTED = 200
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,17}", re.ASCII)
_FLOAT = re.compile(r"-?(0|[1-9][0-9]*)\.[0-9]+", re.ASCII)
# A word that no reader of YAML takes for anything but text.
_WORD = re.compile(r"[A-Za-z_/^][^\n]*")
_SPECIAL = frozenset(["null", "true", "false", "yes", "no", "on", "off", "y", "n"])
# What only the other reader understands: anchors, tags, directives, many documents, merged keys.
_OTHER = re.compile(
    r"(?m)(?:^|[:\-?,\[{])[ ]*[&*!]|^%|^---.|^\.\.\.|<<|\t|(?:- ){50}|^ {600}", re.ASCII
)


class NodeLines:
    """Lines of a mapping or a list and of what is in it, counted from zero, as ruamel keeps them."""

    __slots__ = ("data", "line")

    def __init__(self, line: int) -> None:
        self.line = line
        self.data: dict[Any, tuple[int]] = {}


class PlacedDict(dict[Any, Any]):
    """A mapping with its lines."""

    __slots__ = ("lc",)
    lc: NodeLines


class PlacedList(list[Any]):
    """A list with its lines."""

    __slots__ = ("lc",)
    lc: NodeLines


class NotPlainError(Exception):
    """The other reader has to read it."""


def loads(text: str, *, shown_as: str) -> Any:
    """The document with line numbers; numbers keep every digit.

    A number with a fraction is a float where that is exactly what the text says, and a `Decimal` else.

    Raises:
        MbpError: as `mbp.core.yaml_io.loads`.
    """
    document = plain_document(text)
    return yaml_io.loads(text, shown_as=shown_as, exact=True) if document is None else document


def plain_document(text: str) -> Any:
    """The document when it is one that is read here, without a repeated key; None otherwise."""
    if not yaml.__with_libyaml__ or _OTHER.search(text) or _nesting(text) > MOST_NESTED:
        return None
    try:
        with uncollected():
            node = _composer()(text).get_single_node()
            return None if node is None else _value(node, 0)
    except (yaml.YAMLError, NotPlainError, RecursionError, ValueError):
        return None


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


def _nesting(text: str) -> int:
    """How deep brackets nest at most, those in quotes too."""
    depth = deepest = 0
    for mark in re.findall(r"[\[\]{}]", text):
        depth += 1 if mark in "[{" else -1
        deepest = max(deepest, depth)
    return deepest


@lru_cache(maxsize=1)
def _composer() -> Any:
    class Composer(yaml.cyaml.CParser):  # type: ignore[misc]
        """Leaves the kinds of scalars to `_scalar`."""

        def resolve(self, _kind: Any, _value: Any, _implicit: Any) -> str:
            return ""

        def descend_resolver(self, _node: Any, _index: Any) -> None:
            """Nothing depends on the place."""

        def ascend_resolver(self) -> None:
            """Nothing depends on the place."""

    return Composer


def _value(node: Any, depth: int) -> Any:
    if depth > MOST_NESTED or node.tag:
        raise NotPlainError
    if isinstance(node, yaml.ScalarNode):
        return _scalar(node)
    place = NodeLines(node.start_mark.line)
    if isinstance(node, yaml.SequenceNode):
        values = PlacedList()
        for index, item in enumerate(node.value):
            values.append(_value(item, depth + 1))
            place.data[index] = (item.start_mark.line,)
        values.lc = place
        return values
    placed_dict = PlacedDict()
    for name, item in node.value:
        if not isinstance(name, yaml.ScalarNode) or name.tag:
            raise NotPlainError
        key = _scalar(name)
        if key in placed_dict:
            raise NotPlainError
        placed_dict[key] = _value(item, depth + 1)
        place.data[key] = (name.start_mark.line,)
    placed_dict.lc = place
    return placed_dict


def _scalar(node: Any) -> Any:
    text: str = node.value
    if node.style:
        return text
    if _WORD.fullmatch(text) and text.lower() not in _SPECIAL:
        return text
    return _plain(text)


@lru_cache(maxsize=65536)
def _plain(text: str) -> Any:
    """A scalar without quotes."""
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return exact(text)
    if text in ("true", "false"):
        return text == "true"
    if not text or text in ("null", "~"):
        return None
    if "\n" in text:
        return text
    try:
        return yaml_io.plain(YAML(typ="rt").load(text))
    except Exception as error:
        raise NotPlainError from error


def exact(text: str) -> float | Decimal:
    """The number: a float where it is the very number of the text, a decimal else."""
    number, short = Decimal(text), float(text)
    return short if Decimal(repr(short)) == number else number


def read_otherwise(text: str) -> Iterator[tuple[int, str, Any]]:
    """(1-based line, plain scalar, its value in YAML 1.1) of each that readers of YAML 1.1 take for another value.

    The types of YAML 1.1 have more words than those of YAML 1.2: `no`, `on`, 010 (octal), 12:30 (sexagesimal),
    1_000. Text that is no YAML has none.
    """
    loader = yaml.SafeLoader("")
    try:
        with uncollected():
            root = yaml.compose(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
            for node in _scalars(root) if root is not None else ():
                kind = str(node.tag).rpartition(":")[2]
                if kind not in ("bool", "int", "float", "str"):
                    continue
                older = loader.construct_object(node)
                ours = _scalar(node)
                same = type(older) is type(ours) and older == ours
                if not same and not _same_number(older, ours):
                    yield node.start_mark.line + 1, node.value, older
    except (yaml.YAMLError, NotPlainError, RecursionError, ValueError):
        return


def _same_number(older: Any, ours: Any) -> bool:
    numbers = (int, float, Decimal)
    if isinstance(older, bool) or isinstance(ours, bool):
        return False
    return isinstance(older, numbers) and isinstance(ours, numbers) and float(older) == float(ours)


def _scalars(node: Any) -> Iterator[Any]:
    """Every scalar without quotes, keys too."""
    if isinstance(node, yaml.ScalarNode):
        if not node.style:
            yield node
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _scalars(item)
    else:
        for name, item in node.value:
            yield from _scalars(name)
            yield from _scalars(item)
