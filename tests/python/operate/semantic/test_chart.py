"""An answer as a chart: in a terminal of 80 columns, and in a file that needs no network."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from mbp.core.errors import MbpError
from mbp.operate.semantic.calibration import Bin
from mbp.operate.semantic.metric_forms import in_terminal, save
from mbp.operate.semantic.query import Answer

OVER_TIME = Answer(
    columns=("metric_time__day", "market", "price"),
    metrics=("price",),
    rows=[
        (datetime(2026, 1, 5), "m1", 0.25),
        (datetime(2026, 1, 6), "m1", 0.5),
        (datetime(2026, 1, 5), "m2", 0.75),
        (datetime(2026, 1, 6), "m2", None),
    ],
    units={"price": "probability"},
)
BY_HORIZON = Answer(
    columns=("horizon_hours", "brier_score"),
    metrics=("brier_score",),
    rows=[(1, 0.05), (24, 0.2)],
    units={},
)


CALIBRATION = replace(
    BY_HORIZON, bins=(Bin(1, 0.25, 0.2, 40), Bin(1, 0.75, 0.8, 1), Bin(24, 0.5, 1.0, 3))
)


def test_forecasts_are_a_reliability_diagram_with_their_numbers(tmp_path: Path) -> None:
    text = in_terminal(CALIBRATION)
    assert "share that came true" in text
    assert "1 h, 41 forecasts" in text
    assert "    1 h: forecast 0.750, 80% came true, 1 forecast\n" in text
    assert all(len(line) <= 80 for line in text.splitlines())
    save(CALIBRATION, tmp_path / "chart.svg")
    drawn = (tmp_path / "chart.svg").read_text()
    assert drawn.count("<circle") == 3
    assert "24 h before the end, 3 forecasts" in drawn


def test_lines_over_time_fit_a_terminal() -> None:
    text = in_terminal(OVER_TIME)
    lines = text.splitlines()
    assert "price (probability)" in lines[0]
    assert all(len(line) <= 80 for line in lines)
    assert "2026-01-05" in text
    assert " m1" in text and " m2" in text
    assert "\x1b" not in text
    assert in_terminal(OVER_TIME) == text


def test_anything_else_is_bars() -> None:
    text = in_terminal(BY_HORIZON)
    assert "horizon_hours" in text
    heights = [line.count("█") for line in text.splitlines()]
    assert sum(heights) > 20


@pytest.mark.parametrize("answer", [OVER_TIME, BY_HORIZON, CALIBRATION])
def test_a_file_holds_all_that_it_needs(answer: Answer, tmp_path: Path) -> None:
    page, picture, drawing = (tmp_path / f"chart.{end}" for end in ("html", "png", "svg"))
    for path in (page, picture, drawing):
        save(answer, path)
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert drawing.read_text().startswith("<svg")
    assert not re.search(r"<(script|link)[^>]+(src|href)=", page.read_text())
    assert len(list(tmp_path.iterdir())) == 3


def test_a_gap_is_no_zero(tmp_path: Path) -> None:
    save(OVER_TIME, tmp_path / "chart.html")
    assert '"y": 0.0' not in (tmp_path / "chart.html").read_text()


@pytest.mark.parametrize(
    ("answer", "name", "told"),
    [
        (OVER_TIME, "chart.gif", "none of the endings"),
        (OVER_TIME, "/proc/chart.svg", "cannot be written"),
        (replace(BY_HORIZON, columns=("brier_score",), rows=[(0.1,)]), "c.svg", "no chart"),
        (replace(BY_HORIZON, rows=[(1, None)]), "c.svg", "nothing was measured"),
    ],
)
def test_what_cannot_be_drawn_is_said(answer: Answer, name: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(MbpError, match=told):
        save(answer, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_without_the_extra_its_name_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    with pytest.raises(MbpError, match=r"mbp-data-contracts\[charts\]"):
        save(OVER_TIME, tmp_path / "chart.svg")
