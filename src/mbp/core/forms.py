"""The form of a YAML file as a dataclass: its JSON Schema, and the values of a file read into it.

A field without a default is demanded, a key without a field is refused. `Annotated[type, Narrowed(...)]` narrows
a type. `Beside[type]` is a field that the file does not have; `path`, `line` and `lines` are then the place of the
entry. A field that would be a word of Python ends in `_`, which the key does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import date
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from mbp.core.schema_check import TEXT, Schema, check, closed
from mbp.core.yaml_io import line_of, load, plain

Form = TypeVar("Form")
Value = TypeVar("Value")


class Narrowed:
    """Words of JSON Schema that narrow a type."""

    def __init__(self, **words: Any) -> None:
        self.words = words


_BESIDE = Narrowed()
Beside = Annotated[Value, _BESIDE]
NAME = {"type": "string", "pattern": "^[a-z][a-z0-9_]*$"}
Name = Annotated[str, Narrowed(**NAME)]
Count = Annotated[int, Narrowed(minimum=0)]
Positive = Annotated[int, Narrowed(minimum=1)]
Above0 = Annotated[float, Narrowed(exclusiveMinimum=0)]
Percent = Annotated[float, Narrowed(minimum=0, maximum=100)]
# A share of which neither all nor nothing makes sense.
PartPercent = Annotated[float, Narrowed(exclusiveMinimum=0, exclusiveMaximum=100)]
Version = Literal[1]
# Of a list, and of a mapping, that may not be empty.
SOME = Narrowed(minItems=1)
SOME_KEYS = Narrowed(minProperties=1)
PLAIN: dict[Any, Schema] = {
    str: TEXT,
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    date: {"type": "string", "format": "date"},
}


def read_as(kind: type[Form], root: Path, name: str) -> tuple[Any, Form]:
    """A file of the project: with line numbers, and as the form that it follows.

    Raises:
        MbpError: missing, unreadable, or the first violation by kind and line.
    """
    document = load(root / name, shown_as=name)
    return document, form_of(kind, document, name)


def form_of(kind: type[Form], document: Any, path: str) -> Form:
    """A document with line numbers, as the form that it follows.

    Raises:
        MbpError: the first violation by kind and line.
    """
    check(document, schema_of(kind), path)
    form: Form = built(kind, document, path)
    return form


def schema_of(kind: Any) -> Schema:
    """The JSON Schema (2019-09) of a type."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return {**schema_of(inner[0]), **inner[1].words}
    if is_dataclass(kind):
        has_default = {
            _key(field.name)
            for field in fields(kind)
            if (field.default, field.default_factory) != (MISSING, MISSING)
        }
        hints = get_type_hints(kind, include_extras=True)
        properties = {
            _key(name): schema_of(hint) for name, hint in hints.items() if not _beside(hint)
        }
        return closed(properties, optional=has_default)
    if origin in (tuple, frozenset):
        each_once = {"uniqueItems": True} if origin is frozenset else {}
        return {"type": "array", "items": schema_of(inner[0]), **each_once}
    if origin is Mapping and get_origin(inner[0]) is Literal:
        return closed(dict.fromkeys(get_args(inner[0]), schema_of(inner[1])))
    if origin is Mapping:
        return {"type": "object", "additionalProperties": schema_of(inner[1])}
    if origin is Literal:
        return {"enum": list(inner)} if len(inner) > 1 else {"const": inner[0]}
    return PLAIN.get(kind, {}) if origin is None else schema_of(_present(inner))


def built(kind: Any, value: Any, path: str = "") -> Any:
    """A value that follows the schema of the type, as one of the type."""
    origin, inner = get_origin(kind), get_args(kind)
    if value is None or origin is Literal:
        return value
    if is_dataclass(kind):
        place = {"path": path, "line": line_of(value), "lines": getattr(value, "lines", {})}
        return kind(  # type: ignore[operator]
            **{
                name: place[name] if _beside(hint) else built(hint, value[_key(name)], path)
                for name, hint in get_type_hints(kind, include_extras=True).items()
                if _key(name) in (place if _beside(hint) else value)
            }
        )
    if origin in (tuple, frozenset):
        return origin(built(inner[0], item, path) for item in value)
    if origin is Mapping:
        return {key: built(inner[1], item, path) for key, item in value.items()}
    if kind is date:
        return date.fromisoformat(value)
    return plain(value) if origin is None else built(_present(inner), value, path)


def _key(name: str) -> str:
    return name.removesuffix("_")


def _beside(hint: Any) -> bool:
    return _BESIDE in getattr(hint, "__metadata__", ())


def _present(alternatives: tuple[Any, ...]) -> Any:
    """Of `type | None`, and of a narrowed type, the type."""
    return next(each for each in alternatives if each is not NoneType)
