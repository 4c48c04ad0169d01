"""Inclusion of patterns: decided where it can be, undecided and never guessed where it cannot."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mbp.contracts.compatibility import languages
from mbp.contracts.compatibility.change_model import Compatibility
from mbp.contracts.compatibility.languages import Language, contained, example, matches

OK, BREAK, UNKNOWN = Compatibility.OK, Compatibility.BREAK, Compatibility.UNKNOWN


@pytest.mark.parametrize(
    ("narrow", "wide", "verdict"),
    [
        ("^[a-z]{3}$", "^[a-z]+$", OK),
        ("^[a-z]+$", "^[a-z]{3}$", BREAK),
        (r"^\d+$", "^[0-9]+$", OK),
        ("^[0-9]+$", r"^\d+$", OK),
        ("^a$|^b$", "^(a|b|c)$", OK),
        ("abc", "b", OK),
        ("b", "abc", BREAK),
        ("^a", "a", OK),
        (r"^\S+$", "^[^ ]+$", OK),
        (r"^[A-Za-z0-9][A-Za-z0-9_.:-]*$", "^.+$", OK),
        (r"^(0|[1-9]\d*)\.\d+$", r"^\d+\.\d+$", OK),
        ("^a{2,4}$", "^a{1,5}$", OK),
        ("^[^a]$", "^[^ab]$", BREAK),
        (r"^\.$", "^.$", OK),
        (r"^[\w.-]+@x$", "^.*@x$", OK),
        ("^(?=a)a$", "^a$", UNKNOWN),
        (r"^(a)\1$", "^aa$", UNKNOWN),
        ("(?i)a", "^.*$", UNKNOWN),
        ("(", "^a$", UNKNOWN),
    ],
)
def test_inclusion(narrow: str, wide: str, verdict: Compatibility) -> None:
    found, text = contained(Language((narrow,)), Language((wide,)))
    assert found is verdict
    if verdict is BREAK:
        assert text is not None
        assert matches(narrow, text)
        assert not matches(wide, text)


def test_what_takes_too_long_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(languages, "TIME_LIMIT_SECONDS", 0.05)
    many = Language(("^(a|b)*a(a|b){18}$",))
    assert contained(many, Language(("^(a|b)*b(a|b){18}$",)))[0] is UNKNOWN


def test_lengths_meet_patterns() -> None:
    assert contained(Language(("^[a-z]{3}$",)), Language((), 0, 3))[0] is OK
    assert contained(Language(("^[a-z]*$",)), Language((), 0, 3)) == (BREAK, "aaaa")
    assert example(Language(("^[0-9]+$",), 4, 4)) is not None


ATOMS = st.sampled_from(["a", "b", "[ab]", "[^a]", "(a|bb)", r"\d", "."])
PARTS = st.tuples(ATOMS, st.sampled_from(["", "*", "+", "?", "{1,2}"])).map("".join)
PATTERNS = st.tuples(
    st.sampled_from(["", "^"]),
    st.lists(PARTS, min_size=1, max_size=3).map("".join),
    st.sampled_from(["", "$"]),
).map("".join)


@given(PATTERNS, PATTERNS, st.text("ab1\n", max_size=5))
def test_the_answer_agrees_with_matching(narrow: str, wide: str, text: str) -> None:
    verdict, witness = contained(Language((narrow,)), Language((wide,)))
    if verdict is OK and matches(narrow, text):
        assert matches(wide, text)
    if verdict is BREAK:
        assert witness is not None
        assert re.search(narrow, witness) and matches(narrow, witness)
        assert not matches(wide, witness)
