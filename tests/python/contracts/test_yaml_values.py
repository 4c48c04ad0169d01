"""What has the form of YAML and no value that could be used is refused with a word, and never a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from mbp.core.errors import MbpError
from mbp.core.yaml_io import RepeatedKeyError, line_of, load, loads, plain, read_otherwise

LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{level + 1}: &a{level + 1} [{', '.join([f'*a{level}'] * 9)}]\n" for level in range(9)
)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("count: !!int many\n", "could not convert"),
        ("a: *b\n", "no anchor &b"),
        ("a: 1\n---\nb: 1\n", "one document"),
        ("a: &a [*a]\n", "no anchor &a"),
        ("? {a: 1}\n: 2\n", "a key is a mapping"),
        ("c: {<<: 1}\n", "merges mappings"),
        ("a: \x00\n", "not allowed"),
        ("deep: " + "[" * 600, "nested deeper"),
        ("- " * 600, "nested deeper"),
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
        '1: x\n"1": y\n',
        '2026-01-01: x\n"2026-01-01": y\n',
        'true: x\n"True": y\n',
    ],
)
def test_two_spellings_of_one_key_are_a_duplicate(text: str) -> None:
    with pytest.raises(RepeatedKeyError, match="duplicate key") as caught:
        loads(text, shown_as="file.yaml")
    assert caught.value.line is not None


def test_words_numbers_and_their_lines() -> None:
    text = (
        "a: 1.10\nb: .5\nc: 2020-01-01\nd: yes\ne: 010\nf: 0o10\ng: '1.0'\nh:\ni: ~\nj: 1e3\n"
        "k: 12:30:45\nl: True\nm: 1_000\nn: [1, {x: y}]\no: 0x1F\np: |\n  text & more\nq: on\n"
        "r: -.inf\ns: ^[0-9]{2}$\nt: 1.\nu: 'it''s'\nv: \"a\\tb\"\nw: 'null'\n"
    )
    found = loads(text, shown_as="file.yaml")
    assert plain(found) == {
        **{
            "a": 1.1,
            "b": 0.5,
            "c": "2020-01-01",
            "d": "yes",
            "e": 10,
            "f": 8,
            "g": "1.0",
            "h": None,
        },
        **{"i": None, "j": 1000.0, "k": "12:30:45", "l": True, "m": 1000, "n": [1, {"x": "y"}]},
        **{
            "o": 31,
            "p": "text & more\n",
            "q": "on",
            "r": float("-inf"),
            "s": "^[0-9]{2}$",
            "t": 1.0,
        },
        **{"u": "it's", "v": "a\tb", "w": "null"},
    }
    assert (line_of(found), line_of(found, "q"), line_of(found["n"], 1)) == (1, 18, 14)
    assert [(line, word) for line, word, _ in read_otherwise(text)] == [
        *((4, "yes"), (5, "010"), (6, "0o10"), (10, "1e3"), (11, "12:30:45"), (18, "on"))
    ]


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
