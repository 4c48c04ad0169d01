"""One form of exceptions: what is refused with its line, and what the checker reports."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import pytest

from mbp.contracts.exceptions import AllowedException, demand_known, exception_findings
from mbp.core.errors import MbpError
from mbp.core.forms import form_of
from mbp.core.yaml_io import loads

PATH = "contracts/some.yaml"
ENTRY = "{code: range, object: mbp_quotes, owner: DATA, reason: It has none., until: 2026-12-31}"
LAST_DAY = date(2026, 12, 31)


@dataclass(frozen=True)
class ExceptionFile:
    """A file that has nothing but exceptions."""

    exceptions: tuple[AllowedException, ...]


def read(*entries: str, codes: set[str] | None = None) -> tuple[AllowedException, ...]:
    text = "exceptions:\n" + "".join(f"  - {entry}\n" for entry in entries)
    read = form_of(ExceptionFile, loads(text, shown_as=PATH), PATH).exceptions
    demand_known(read, {"DATA"}, codes)
    return read


def test_an_entry_is_read_with_its_place() -> None:
    (entry,) = read(ENTRY)
    assert (entry.key, entry.owner, entry.until) == (("range", "mbp_quotes"), "DATA", LAST_DAY)
    assert entry.place == f"{PATH}:2"


@pytest.mark.parametrize("key", ["code", "object", "owner", "reason", "until"])
def test_every_key_is_demanded(key: str) -> None:
    left_out = ENTRY.replace(f"{key}: ", f"x{key}: ")
    with pytest.raises(MbpError, match=key) as caught:
        read(ENTRY.replace("mbp_quotes", "other"), left_out)
    assert (caught.value.path, caught.value.line) == (PATH, 3)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("owner: DATA", "owner: NOBODY", "unknown owner 'NOBODY'"),
        ("code: range", "code: rang", "unknown code 'rang'"),
        ("2026-12-31", "soon", "until"),
        ("2026-12-31", "'2026-13-31'", "is not a day"),
        ("It has none.", "''", "expected some text"),
    ],
)
def test_a_wrong_value_is_refused(old: str, new: str, message: str) -> None:
    with pytest.raises(MbpError, match=message) as caught:
        read(ENTRY.replace(old, new), codes={"range"})
    assert caught.value.line == 2
    assert caught.value.fix


def test_one_exception_twice_is_refused() -> None:
    with pytest.raises(MbpError, match="is there twice"):
        read(ENTRY, ENTRY)


@pytest.mark.parametrize(
    ("today", "used", "objects", "code"),
    [
        (LAST_DAY, None, None, None),
        (LAST_DAY, {("range", "mbp_quotes")}, {"mbp_quotes"}, None),
        (date(2027, 1, 1), None, None, "exception_expired"),
        (LAST_DAY, set(), None, "exception_unused"),
        (LAST_DAY, None, {"mbp_markets"}, "exception_object_unknown"),
    ],
)
def test_the_checker_reports_each_exception_once(
    today: date, used: set[tuple[str, str]] | None, objects: set[str] | None, code: str | None
) -> None:
    found = list(exception_findings(read(ENTRY), today, used=used, objects=objects))
    assert [one.code for one in found] == [code] * (code is not None)
    assert all(one.fix and one.place == f"{PATH}:2" for one in found)


def test_an_exception_ends_within_the_limit() -> None:
    entries = read(ENTRY)
    assert not list(exception_findings(entries, LAST_DAY, furthest=LAST_DAY))
    (found,) = exception_findings(entries, LAST_DAY, furthest=LAST_DAY - timedelta(days=1))
    assert (found.code, found.line) == ("exception_too_far", 2)
