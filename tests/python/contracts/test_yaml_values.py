"""What has the form of YAML and no value that could be used is refused with a word, and never a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from mbp.core.errors import MbpError
from mbp.core.yaml_io import RepeatedKeyError, line_of, load, loads, plain

LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{level + 1}: &a{level + 1} [{', '.join([f'*a{level}'] * 9)}]\n" for level in range(9)
)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("opened: 2026-02-30\n", "day is out of range"),
        ("opened: 2026-02-03T25:00:00Z\n", "hour must be in"),
        ("count: !!int many\n", "invalid literal"),
        ("deep: " + "[" * 600, "recursion"),
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


@pytest.mark.parametrize(
    "text",
    [
        "expires: 2026-03-10\n!!str expires: 2099-01-01\n",
        "!!str expires: 2099-01-01\nexpires: 2026-03-10\n",
        "!!str expires: 1\n!!str expires: 2\n",
        "a:\n  - {expires: 1, !!str expires: 2}\n",
        "!<tag:yaml.org,2002:str> expires: 1\nexpires: 2\n",
        "b: &b {x: 1}\nc: {<<: *b, !!str x: 2}\n",
        '1: x\n"1": y\n',
        '2026-01-01: x\n"2026-01-01": y\n',
        'true: x\n"True": y\n',
    ],
)
def test_two_spellings_of_one_key_are_a_duplicate(text: str) -> None:
    with pytest.raises(RepeatedKeyError, match="duplicate key") as caught:
        loads(text, shown_as="file.yaml")
    assert caught.value.line is not None


def test_a_tag_changes_neither_a_key_nor_a_text() -> None:
    found = loads("!!str a: !!str 5\nb: {2: x, true: y}\n", shown_as="file.yaml")
    assert plain(found) == {"a": "5", "b": {"2": "x", "True": "y"}}


def test_a_reader_may_change_what_it_loaded_and_a_changed_file_is_read_again(
    tmp_path: Path,
) -> None:
    file = tmp_path / "file.yaml"
    file.write_text("a: 1\nb: {c: !!str 2}\n")
    first = load(file)
    first["a"] = 5
    second = load(file)
    assert plain(second) == {"a": 1, "b": {"c": "2"}}
    assert line_of(second, "b") == 2
    file.write_text("a: 2\n")
    assert plain(load(file)) == {"a": 2}
