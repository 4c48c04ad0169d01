"""What lint lets pass means the same on DuckDB, PostgreSQL and in Python; tried on the engines themselves."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator

import duckdb
import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab.postgres_server import PostgresServer
from mbp.contracts.lint.check_traps import differences, refusal

Judges = Callable[[str, str], list[bool | str]]
TEXTS = (
    "",
    "a",
    "A",
    "ab",
    "aab",
    "b",
    "1",
    "12",
    "_",
    "-",
    ".",
    "a.b",
    "a{,3}",
    "x" * 280,
    "{",
    "}",
    "\\b",
)
BEYOND_ASCII = ("é", "ação", "١٢", "\u00a0", "ß")

REFUSED = (
    r"^(?i:yes|no)$", r"^(?P<kind>x)$", r"^\bfoo\b$", r"^a\B$", r"^a{1,300}$", r"^a{300}$", r"^a{300,}$", r"^a{,3}$",
    r"^(?s:.)$", r"^(?-s:.)$", r"^ab\Z$", r"^(?=a)a$", r"^(a)\1$", r"^a++$", r"^[[:alpha:]]+$", r"^[[.a.]]$",
    r"^[[=a=]]$", r"^\0$", r"^\x4$", r"^\x414$", r"^a{$",
)  # fmt: skip
ACCEPTED = (
    r"^[A-Za-z0-9_]{1,255}$", r"^(yes|no|void)$", r"^(?:ab)+$", r"^a*?$", r"^[\]]$", r"^[]a]$", r"^[^]a]$", r"^\.$",
    r"^[a-z-]+$", r"^a\/b$", r"^\{\}$", r"^[{}]$", r"^(a|ab)(c|bcd)$", r"^[^\n]+$", r"^a{2}b{0,3}$", r"^\x41$",
)  # fmt: skip
OTHER_CHARACTERS = (
    r"^\w+$",
    r"^\d+$",
    r"^\s$",
    r"^\W$",
    r"^[\w-]+$",
    r"^(a|\d)$",
    r"^.$",
    r"^(a.)+$",
)


@pytest.fixture(scope="module")
def judges(postgres_server: PostgresServer) -> Iterator[Judges]:
    """What DuckDB, PostgreSQL and Python say of a text."""
    duck, postgres = duckdb.connect(), postgres_server.connect()
    postgres.autocommit = True
    cursor = postgres.cursor()

    def judge(pattern: str, text: str) -> list[bool | str]:
        verdicts: list[bool | str] = []
        try:
            row = duck.execute("select regexp_matches(?, ?)", [text, pattern]).fetchone()
            verdicts.append(bool(row and row[0]))
        except duckdb.Error as error:
            verdicts.append(f"refused: {error}")
        try:
            cursor.execute("select %s ~ %s", [text, pattern])
            verdicts.append(cursor.fetchone()[0])
        except (psycopg2.Error, ValueError) as error:
            verdicts.append(f"refused: {error}")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                verdicts.append(re.search(pattern, text) is not None)
            except re.error as error:
                verdicts.append(f"refused: {error}")
        return verdicts

    yield judge
    postgres.close()
    duck.close()


def agree(judges: Judges, pattern: str, texts: tuple[str, ...] = TEXTS) -> bool:
    return all(
        verdicts[0] == verdicts[1] == verdicts[2] and not isinstance(verdicts[0], str)
        for verdicts in (judges(pattern, text) for text in texts)
    )


@pytest.mark.parametrize("pattern", REFUSED)
def test_what_an_engine_refuses_or_reads_otherwise_is_refused(pattern: str) -> None:
    assert refusal(pattern)


@pytest.mark.parametrize("pattern", ACCEPTED)
def test_what_all_engines_share_is_accepted(judges: Judges, pattern: str) -> None:
    assert refusal(pattern) == ""
    assert differences(pattern) == ()
    assert agree(judges, pattern, (*TEXTS, *BEYOND_ASCII))


@pytest.mark.parametrize("pattern", OTHER_CHARACTERS)
def test_classes_that_differ_beyond_ascii_are_noted_with_another_spelling(
    judges: Judges, pattern: str
) -> None:
    assert refusal(pattern) == ""
    assert all("; write [" in difference for difference in differences(pattern))
    assert differences(pattern)
    assert agree(judges, pattern)
    assert not agree(judges, pattern, (*BEYOND_ASCII, "\n", "a\n", "\x0b"))


PIECES = st.sampled_from(
    [
        *(
            "a",
            "b",
            "A",
            "1",
            "_",
            "-",
            r"\.",
            r"\-",
            r"\/",
            "[a-z]",
            "[^a]",
            "[]a]",
            r"[\]a]",
            r"[a\-z]",
            "[0-9_]",
        ),
        *(
            r"\w",
            r"\d",
            r"\b",
            r"\B",
            r"\A",
            r"\Z",
            r"\x41",
            r"\x4",
            r"\0",
            r"\1",
            "(?i:a)",
            "(?P<n>a)",
            "(?:a|b)",
        ),
        *(
            "(a)",
            "(a|)",
            "()",
            "{",
            "}",
            "{,2}",
            "]",
            "[[:alpha:]]",
            "[a&&b]",
            "[a-]",
            "[-a]",
            "(?=a)",
            "é",
            " ",
            "#",
        ),
        *(
            r"\n",
            r"\t",
            r"\v",
            r"\f",
            r"\a",
            r"\e",
            r"\y",
            r"\m",
            r"\_",
            r"\#",
            r"\ ",
            r"\{",
            r"\}",
            r"\u0041",
            r"\cA",
        ),
    ]
)
COUNTS = st.sampled_from(
    [
        "",
        "",
        "",
        "*",
        "+",
        "?",
        "*?",
        "++",
        "{2}",
        "{0,3}",
        "{,3}",
        "{2,}",
        "{256}",
        "{1,300}",
        "**",
    ]
)


@given(
    st.lists(st.tuples(PIECES, COUNTS), min_size=1, max_size=4),
    st.lists(st.sampled_from("abA1_-.{}]#& \\"), max_size=4).map("".join),
)
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_whatever_lint_accepts_the_engines_read_alike(
    judges: Judges, pieces: list[tuple[str, str]], text: str
) -> None:
    pattern = f"^(?:{''.join(piece + count for piece, count in pieces)})$"
    if not refusal(pattern):
        assert agree(judges, pattern, (text, *TEXTS)), pattern
