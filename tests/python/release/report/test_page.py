"""Facts to HTML: the verdict, absences that are told, links, and pictures."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from xml.etree import ElementTree

import pytest

from mbp.core.errors import MbpError
from mbp.core.reporting.chart import Point, line_chart
from mbp.release.gate.gate_report import GateReport
from mbp.release.report import report_page as rendering
from mbp.release.report.report_facts import Absence, Facts
from mbp.release.report.report_page import marked, page, sections
from tests.python.release.report.sample import NOW, check, everywhere, facts, gate, measured

ABSENT = ("gate", "watch", "packs", "registry", "rules", "coverage", "exercises", "waivers")
HOSTILE = "</style><script>alert(1)</script><img src=x onerror=alert(2)>'\"`<b>`{{ 7 * 7 }}"


def text(found: Facts) -> str:
    """The page as it is read: without tags, white space made one."""
    return " ".join(re.sub(r"<[^>]*>", " ", page(found)).split())


def states(found: Facts) -> dict[str, str]:
    return {one.id: one.state for one in sections(found)}


def test_the_verdict_comes_first_with_what_it_is_of() -> None:
    told = text(facts())
    assert "NO-GO On the committed sample as of 2026-03-04 11:00 UTC; DuckDB;" in told
    assert "Pre-GA (M2): 2 checks of 5 block the release; 1 signature waits;" in told
    assert "no waiver and no signature lifts logs." in told
    assert "Commit aaaaaaaaaaaa Source clean" in told
    assert told.index("NO-GO On") < told.index("Blocks the release") < told.index("Checklist")


@pytest.mark.parametrize(
    ("report", "word"),
    [
        (gate(check("built", "pass")), "Pre-GA (M2): 1 of 1 checks hold."),
        (gate(check("built", "waived")), "1 of 1 checks hold, 1 of them by a waiver."),
        (gate(), "Pre-GA (M2): Nothing was checked."),
        (gate(check("built", "not_measured")), "Pre-GA (M2): 1 check of 1 blocks the release."),
        (
            gate(check("built", "pass"), check("production_data", "fail", rehearsal=True)),
            "GO FOR A REHEARSAL On the committed sample",
        ),
    ],
)
def test_only_a_whole_checklist_is_a_go(report: GateReport, word: str) -> None:
    assert word in text(replace(facts(), gate=report))


def test_a_gate_that_could_not_run_is_no_go() -> None:
    told = text(
        replace(facts(), gate=Absence("cannot be read", "it is broken", "run `mbp gate M2`"))
    )
    assert "NO-GO Do not release: the gate M2 cannot be read. it is broken." in told


@pytest.mark.parametrize("name", ABSENT)
def test_a_section_without_source_says_so_and_how_to_fix_it(name: str) -> None:
    absence = Absence("not_measured", "why it is not there", "run `mbp that`")
    whole, without = facts(), replace(facts(), **{name: absence})
    told = page(without)
    assert "why it is not there" in told
    assert "<code>mbp that</code>" in told
    assert "absent" not in states(whole).values()
    assert "absent" in states(without).values()


def test_nothing_measured_is_never_in_order() -> None:
    unseen = (measured("sbom", "not_measured"),)
    empty = replace(facts(), rules=(), exercises=(), gate=gate(), measurements=unseen)
    found = states(empty)
    for name in ("rules", "exercises", "checklist", "measurements"):
        assert found[name] != "good", name


def test_evidence_is_a_link_only_where_there_is_a_file() -> None:
    told = page(facts())
    assert 'href="../target/evidence/build.json"' in told
    assert 'href="../docs/runbooks/cdc_lag.md"' in told
    assert "gone.md" in re.sub("<wbr>", "", told)
    assert 'gone.md"' not in told
    assert 'href="../reliability' not in told


def test_equal_facts_are_equal_bytes() -> None:
    assert page(facts()) == page(facts())


def test_every_text_is_escaped_wherever_it_stands() -> None:
    told = page(everywhere(facts(), HOSTILE))
    assert "<script" not in told
    assert "<img" not in told
    assert "<b>`" not in told
    assert "{{ 7 * 7 }}" in told
    assert told.count("</style>") == 1


def test_half_of_a_surrogate_pair_does_not_break_the_page() -> None:
    told = page(replace(facts(), target="x", gate=Absence("a", "half \ud800", "b")))
    assert r"half \ud800" in told


def test_code_is_marked_and_an_open_backtick_is_left_alone() -> None:
    assert marked("run `mbp <x>` now") == "run <code>mbp &lt;x&gt;</code> now"
    assert marked("a ` alone & <b>") == "a ` alone &amp; &lt;b&gt;"


def test_many_entities_are_counted_and_not_dropped() -> None:
    found = facts()
    assert not isinstance(found.watch, Absence)
    green = [replace(found.watch.watchers[1], entity=f"m-{place}") for place in range(5000)]
    many = replace(found.watch, watchers=(*green, found.watch.watchers[0]))
    told = text(replace(found, watch=many))
    assert "And 4801 more: mbp status --format json shows all." in told
    assert "cdc_delay must have" in told  # red comes first, so it is not among those left out


def test_a_page_that_nobody_could_open_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "LIMIT_BYTES", 1000)
    with pytest.raises(MbpError, match="at most 1,000 are readable"):
        page(facts())


def chart(points: list[Point], target: float | None = 5.0, title: str = "t") -> ElementTree.Element:
    return ElementTree.fromstring(  # noqa: S314 (of our own making)
        line_chart(points, target, name="c", title=title, description="d", target_text="target 5")
    )


def points(*values: float | None) -> list[Point]:
    return [
        Point(NOW + timedelta(minutes=place), value, value is not None and value > 5)
        for place, value in enumerate(values)
    ]


def kinds(found: ElementTree.Element) -> list[str]:
    return [str(one.get("class")) for one in found]


def test_a_chart_is_a_picture_of_its_own_that_tells_what_it_shows() -> None:
    found = chart(points(1, 2, 9), title=HOSTILE)
    assert found.tag == "{http://www.w3.org/2000/svg}svg"
    assert found[0].text == HOSTILE
    assert found.get("aria-labelledby") == "c-title c-text"
    assert kinds(found).count("chart-target") == 1
    assert kinds(found).count("chart-missed") == 1


def test_a_gap_breaks_the_line_and_a_lone_value_is_a_dot() -> None:
    found = kinds(chart(points(1, 2, None, 3, None, 4, 4)))
    assert found.count("chart-line") == 2
    assert found.count("chart-dot") == 2  # the lone one, and the newest


@pytest.mark.parametrize("values", [(), (None,), (0,), (7, 7), (-3, -3), (1e12, 1), (1e-9, 0)])
def test_a_chart_of_odd_values_stays_inside_its_frame(values: tuple[float | None, ...]) -> None:
    for one in chart(points(*values)).iter():
        for key in ("x1", "x2", "cx"):
            assert 0 <= float(one.get(key, "0")) <= 360
        for key in ("y1", "y2", "cy"):
            assert 0 <= float(one.get(key, "0")) <= 132


def test_without_a_browser_no_picture_is_taken_and_one_line_says_why(
    project_root: Path, tmp_path: Path
) -> None:
    page = tmp_path / "report.html"
    page.write_text("<p>page</p>")
    done = subprocess.run(
        [sys.executable, "scripts/screenshots.py", str(page), str(tmp_path / "images")],
        cwd=project_root,
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "screenshots: chromium is not installed: apt-get install chromium\n"
