"""What has the form of YAML and no value that could be used is refused with a word, and never a traceback."""

from __future__ import annotations

import pytest

from mbp.errors import MbpError
from mbp.yaml_io import loads, plain

LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{level + 1}: &a{level + 1} [{', '.join([f'*a{level}'] * 9)}]\n" for level in range(9)
)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("opened: 2026-02-30\n", "day is out of range"),
        ("opened: 2026-02-03T25:00:00Z\n", "hour must be in"),
        ("count: !!int many\n", "invalid literal"),
        ("deep: " + "[" * 3000, "recursion"),
        (LAUGHS, "values"),
    ],
)
def test_a_value_that_cannot_be_is_refused(text: str, told: str) -> None:
    with pytest.raises(MbpError, match=told) as caught:
        loads(text, shown_as="file.yaml")
    assert "\n" not in str(caught.value)
    assert caught.value.path == "file.yaml"


def test_aliases_that_repeat_a_little_are_read() -> None:
    found = loads("a: &a [1, 2]\nb: *a\nc: &c {d: 3}\ne: {<<: *c}\n", shown_as="file.yaml")
    assert plain(found) == {"a": [1, 2], "b": [1, 2], "c": {"d": 3}, "e": {"d": 3}}
