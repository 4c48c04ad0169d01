"""Hostile values in data, in every form of output: shown escaped, never obeyed."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import subprocess
import sys
import unicodedata
import xml.etree.ElementTree as Xml
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from mbp.cli import main as cli
from mbp.core.errors import MbpError
from mbp.core.reporting import Finding, Suite, deliver
from mbp.core.reporting.output_forms import FORMATS, as_annotations, write_annotations
from mbp.core.reporting.progress import Lines
from mbp.core.reporting.terminal import Guarded, guard, paint, printable
from mbp.operate.semantic.metric_forms import written
from mbp.operate.semantic.query import Answer
from mbp.quality import failures as quality_report
from mbp.quality.rule_findings import RuleVerdict
from mbp.quality.samples import FailingRows

HOSTILE = {
    "colour": "\x1b[31mred\x1b[0m",
    "hidden by colour": "\x1b[8mpassword",
    "cursor": "\x1b[2J\x1b[1;1Hall green",
    "title": "\x1b]0;owned\x07",
    "link": "\x1b]8;;https://evil.example\x1b\\click\x1b]8;;\x1b\\",
    "clipboard": "\x1b]52;c;ZXZpbA==\x07",
    "CSI of one letter": "\x9b31mred",
    "OSC of one letter": "\x9d0;owned\x9c",
    "overwritten": "fail\rpass",
    "erased": "fail\b\b\b\bpass",
    "NUL": "a\x00b",
    "DEL": "a\x7fb",
    "override": "\u202egpj.exe",
    "isolate": "\u2066a\u2069\u2067b",
    "embedding": "\u202ba\u202c",
    "mark": "\u200f\u061c",
    "no width": "pass\u200bword\u200d\u2060",
    "byte order mark": "\ufeffname",
    "soft hyphen": "ad\u00admin",
    "line separator": "a\u2028b\u2029c\x85d",
    "tags": "\U000e0041\U000e0042",
    "half a pair": "a\ud800b",
}  # fmt: skip
ENGLISH = "Ação, 数据, naïve, … 1.5 €, 😀, a\tb"
INVISIBLE = {"Cc", "Cf", "Zl", "Zp", "Cs"}
hostile = pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)


def invisible(text: str) -> list[str]:
    return [
        letter
        for letter in text
        if letter not in "\n\t" and unicodedata.category(letter) in INVISIBLE
    ]


class Screen:
    """What comes out of both streams of a block, once they are guarded."""

    def __init__(self) -> None:
        self._out = io.StringIO()

    def __enter__(self) -> io.StringIO:
        self._before = sys.stdout, sys.stderr
        sys.stdout = sys.stderr = self._out
        guard()
        guard()
        assert isinstance(sys.stdout, Guarded)
        return self._out

    def __exit__(self, *error: object) -> None:
        sys.stdout, sys.stderr = self._before


@pytest.fixture
def screen() -> Screen:
    return Screen()


# Every way in which this package and its libraries print.
def by_logging(value: str) -> None:
    import logging

    logger = logging.getLogger("hostile")
    logger.propagate = False
    logger.handlers = [logging.StreamHandler()]
    logger.warning("it says %s", value)


def by_rich(value: str) -> None:
    from rich.console import Console

    Console(stderr=True).print(printable(value), markup=False)


def refused(error: MbpError) -> None:
    """What `main` says of it."""

    def fail() -> None:
        raise error

    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(cli, "register", lambda: None)
        patch.setattr(cli, "app", fail)
        cli.main()


# Inside of a command, typer leaves colours alone (`color` of the app), so that they are shown and not taken out.
def echo(value: str, **how: bool) -> None:
    with typer.Context(typer.main.get_command(cli.app), color=True).scope():
        typer.echo(value, **how)


WAYS: dict[str, Callable[[str], object]] = {
    "typer.echo": echo,
    "typer.echo to stderr": lambda value: echo(f"mbp: {value}", err=True),
    "typer.echo without a line end": lambda value: echo(value, nl=False),
    "print": print,
    "print to stderr": lambda value: print(value, file=sys.stderr),
    "write": lambda value: print(value, end=""),
    "writelines": lambda value: sys.stderr.writelines([value]),
    "progress": lambda value: Lines().say(value),
    "error": lambda value: refused(MbpError(value, path=value, fix=value)),
    "annotation": lambda value: write_annotations(as_annotations(suite(value)), err=True),
    "logging": by_logging,
    "rich": by_rich,
    "warnings": lambda value: sys.stderr.write(f"UserWarning: {value}"),
}


@hostile
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_it_is_shown_escaped_whoever_prints(
    screen: Screen, way: Callable[[str], object], value: str
) -> None:
    with screen as out:
        way(value)
        assert invisible(out.getvalue()) == []
        assert "\\u" in out.getvalue() or "%0D" in out.getvalue()


@pytest.mark.parametrize("way", [name for name in WAYS if name not in ("annotation", "rich")])
def test_what_everybody_can_read_stays(screen: Screen, way: str) -> None:
    with screen as out:
        WAYS[way](ENGLISH)
        assert ENGLISH in out.getvalue()


@hostile
def test_json_reads_back_as_it_was(screen: Screen, value: str) -> None:
    with screen as out:
        typer.echo(json.dumps({"value": value}, ensure_ascii=False))
        assert invisible(out.getvalue()) == []
        assert json.loads(out.getvalue())["value"] == value


def test_our_own_colours_come_afterwards(screen: Screen) -> None:
    with screen as out:
        typer.echo(paint("\x1b[8mred", "31"), color=True)
        assert out.getvalue() == "\x1b[31m\\u001b[8mred\x1b[0m\n"


def test_data_cannot_paint(screen: Screen) -> None:
    with screen as out:
        typer.echo("\0" + "0" * 16 + ":31\0red", color=True)
        assert "\x1b" not in out.getvalue()


COMMANDS = {
    "a value of its own": ["::error::owned\n"],
    "after a line end": ["value\n::add-mask::a\n"],
    "indented": ["value\n   ::set-output name=a::b\n"],
    "in pieces": ["a\n", ":", ":error::x\n"],
    "in pieces with blanks": ["a\n", "  ", ": :no\n", " :", ":error::x\n"],
    "the old form": ["value ##[error]owned\n"],
}


@pytest.mark.parametrize("pieces", COMMANDS.values(), ids=COMMANDS)
def test_data_gives_no_commands_to_the_runner(screen: Screen, pieces: list[str]) -> None:
    with screen as out:
        for piece in pieces:
            sys.stdout.write(piece)
        lines = out.getvalue().splitlines()
        assert not [line for line in lines if line.lstrip().startswith("::") or "##[" in line]


def test_an_annotation_is_one_and_data_cannot_end_it(screen: Screen) -> None:
    with screen as out:
        sys.stderr.write("half a line")
        finding = Finding("a,b:c", "50%\n::error::owned\r\x1b[2J")
        write_annotations(as_annotations(replace(suite("x"), findings=[finding])), err=True)
        lines = out.getvalue().splitlines()
        assert lines == [
            "half a line",
            "::error title=a%2Cb%3Ac::50%25%0A::error::owned%0D\\u001b[2J",
        ]


def test_a_library_that_asks_for_bytes_gets_none(screen: Screen) -> None:
    with screen as out:
        assert not hasattr(sys.stdout, "buffer")
        with pytest.raises(TypeError):
            sys.stdout.write(b"\x1b[2J")  # type: ignore[arg-type]
        with redirect_stdout(sys.stderr):
            print("\x1b")
        assert out.getvalue() == "\\u001b\n"


def test_letters_that_a_terminal_does_not_have_are_no_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    guard()
    print("ação \u202e")
    sys.stdout.flush()
    assert raw.getvalue() == b"a\\xe7\\xe3o \\u202e\n"


# Every form in which findings, rows and metrics are written.
def suite(value: str) -> Suite:
    finding = Finding("C1", value, f"a/{value}", 3, value, value)
    return Suite("a check", ["a file", value], [finding], {}, {"extra": value})


def rule_report(value: str) -> str:
    finding = RuleVerdict(
        *("a_rule", "mbp_quotes", "DATA", "error", "A89", "", "fail", 1, value, value, None)
    )
    found = quality_report.suite(
        quality_report.Failures([(finding, FailingRows(rows=({"name": value},)))], 1, [value])
    )
    return found.table


def answer(value: Any, metric: Any = Decimal("-1.5")) -> Answer:
    made = Answer.__new__(Answer)
    for name, content in {
        "metrics": ("m",),
        "columns": ("name", "m"),
        "rows": [(value, metric)],
        "units": {"m": str(value)},
        "notes": (),
    }.items():
        object.__setattr__(made, name, content)
    return made


@hostile
@pytest.mark.parametrize("form", FORMATS)
def test_findings_in_every_form_on_the_screen_and_in_a_file(
    screen: Screen, tmp_path: Path, form: str, value: str
) -> None:
    with screen as out:
        deliver(suite(value), form, None)
        told = out.getvalue()
        deliver(suite(value), form, tmp_path / "report")
        in_file = (tmp_path / "report").read_text(encoding="utf-8")
        assert invisible(told) == invisible(in_file) == []
        if form == "junit":
            assert Xml.fromstring(in_file.encode()).find(".//failure") is not None  # noqa: S314 (our own)
        if form == "json":
            assert json.loads(in_file)["findings"][0]["message"] == value
        if form == "sarif":
            assert value in json.loads(in_file)["runs"][0]["results"][0]["message"]["text"]


@hostile
def test_failing_rows_and_metrics(screen: Screen, value: str) -> None:
    with screen as out:
        typer.echo(rule_report(value))
        for form in ("text", "csv", "json"):
            typer.echo(written(answer(value), form), nl=False)
        assert invisible(out.getvalue()) == []


def test_a_line_end_in_a_finding_begins_no_line(screen: Screen) -> None:
    with screen as out:
        deliver(
            replace(suite("x"), findings=[replace(suite("x").findings[0], message="a\nb: pass")]),
            "text",
            None,
        )
        assert not [line for line in out.getvalue().splitlines() if line.startswith("b: pass")]


@pytest.mark.parametrize(
    "value",
    [
        "=1+1",
        "+cmd|' /C calc'!A0",
        "-cmd",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        " =1",
        "\uff1d1",
        "-1.5.2",
        "+-1",
    ],
)
def test_no_cell_of_a_csv_is_a_formula(value: str) -> None:
    cell = written(answer(value), "csv").splitlines()[1:]
    assert "".join(cell).lstrip('"').startswith("'")


@pytest.mark.parametrize("value", ["-1.5", "+3", "-1e-6", "plain", "a=b", "2026-01-01", ""])
def test_other_cells_of_a_csv_stay_as_they_are(value: str) -> None:
    assert written(answer(value), "csv").splitlines()[1] == f"{value},-1.5"
    assert written(answer(-1.5, -2), "csv").splitlines()[1] == "-1.5,-2"


def test_the_command_line_is_guarded_in_the_runner_too() -> None:
    cli.register()
    for arguments in (
        ["contracts", "explain", "\x1b[31mX\u202e"],
        ["\x1b[31mno-such-command"],
        ["quality", "failures", "--limit", "\x1b]0;owned\x07"],
        ["--\x9b31m"],
    ):
        result = CliRunner().invoke(cli.app, arguments)
        assert result.exit_code != 0
        told = result.stdout + result.stderr + str(printable(str(result.exception)))
        assert invisible(told) == [], arguments


def on_a_terminal(*arguments: str) -> Iterator[str]:
    """What `mbp` writes to a real terminal."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "mbp.cli.main", *arguments],
        stdin=follower, stdout=follower, stderr=follower,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "100"},
    )  # fmt: skip
    os.close(follower)
    while True:
        try:
            piece = os.read(leader, 65536)
        except OSError:
            break
        if not piece:
            break
        yield piece.decode("utf-8", "replace")
    os.close(leader)
    process.wait(timeout=60)


def test_help_keeps_its_colours_and_errors_show_data_escaped() -> None:
    told = "".join(on_a_terminal("--help"))
    assert "\x1b[" in told
    assert "\\u001b" not in told
    told = "".join(on_a_terminal("quality", "failures", "--limit", "\x1b]0;owned\x07\u202e"))
    assert "\x1b]0" not in told
    assert "\u202e" not in told
    assert re.search(r"\\(u00|x)1b", told)
