"""YAML that every reader takes the same way: block style, quotes wherever a plain word could be more.

dbt reads YAML 1.1, where a bare `no` or `1.0` is not text; so text is only left bare when it is a
name or a sentence that no version of YAML can take for anything else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

BARE = re.compile(r"[A-Za-z_][A-Za-z0-9_./()+-]*( [A-Za-z0-9_./()+-]+)*[.]?")
RESERVED = {"y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"}


def yaml_text(value: Mapping[str, Any]) -> str:
    """`value` as block YAML. Keys keep their order; lists of plain values stand in one line."""
    return "".join(f"{line}\n" for line in _lines(value, 0))


def _lines(value: Any, indent: int) -> list[str]:
    pad = " " * indent
    lines: list[str] = []
    if isinstance(value, Mapping):
        for key, item in value.items():
            if _inline(item):
                lines.append(f"{pad}{scalar(key)}: {_flow(item)}")
            else:
                lines += [f"{pad}{scalar(key)}:", *_lines(item, indent + 2)]
        return lines
    for item in value:
        if _inline(item):
            lines.append(f"{pad}- {_flow(item)}")
        else:
            first, *rest = _lines(item, indent + 2)
            lines += [f"{pad}- {first.lstrip()}", *rest]
    return lines


def _inline(value: Any) -> bool:
    if isinstance(value, Mapping):
        return not value
    if isinstance(value, list | tuple):
        return not any(isinstance(item, Mapping | list | tuple) for item in value)
    return True


def _flow(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(scalar(item) for item in value)}]"
    return scalar(value)


def scalar(value: Any) -> str:
    """One value; JSON's quoted strings, numbers and words are YAML too."""
    if (
        isinstance(value, str)
        and BARE.fullmatch(value)
        and value.rstrip(".").lower() not in RESERVED
    ):
        return value
    if value is None or isinstance(value, str | bool | int | float):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, Decimal):
        # As text: a reader of YAML would make a float of it, and lose digits.
        return json.dumps(format(value, "f"))
    return json.dumps(str(value), ensure_ascii=False)
