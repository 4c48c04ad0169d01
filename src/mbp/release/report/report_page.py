"""Facts to HTML: pure, and the same facts are the same bytes. Every text is escaped by the templates.

Each section says in one line what it comes to: in the index of the page, and under its heading.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import quote

from markupsafe import Markup, escape

from mbp.core.errors import MbpError
from mbp.core.reporting.chart import Point, line_chart
from mbp.core.reporting.terminal import printable
from mbp.core.templates import templates
from mbp.core.verdict import NO_GO
from mbp.core.wording import many
from mbp.quality.coverage.documentation_coverage import CoverageJudgement
from mbp.release.gate.gate_forms import WORDS, counted
from mbp.release.gate.gate_report import CheckResult, GateReport
from mbp.release.report.report_facts import (
    Absence,
    Facts,
    KpiFacts,
    LagFacts,
    MeasurementFacts,
    VersionFacts,
    WaiversFacts,
    WatchFacts,
)

Rule = Mapping[str, Any]
TEMPLATES = Path(__file__).parent / "templates"
# Mail and chat refuse or clip what is much larger, and so would a reader.
LIMIT_BYTES = 2_000_000
# Entities and findings are as many as the data has; what is open comes first and the rest is counted.
ROWS = 200
# state -> (class of its colour, icon, word). The word is always shown with the colour.
STATES = {
    "pass": ("good", "check", "pass"),
    "good": ("good", "check", "in order"),
    "green": ("good", "check", "green"),
    "complete": ("good", "check", "complete"),
    "fail": ("bad", "cross", "fail"),
    "error": ("bad", "cross", "error"),
    "red": ("bad", "cross", "red"),
    "open": ("bad", "cross", "open"),
    "incomplete": ("bad", "cross", "incomplete"),
    "void": ("bad", "cross", "void"),
    "no hook": ("bad", "cross", "no hook"),
    "waived": ("wait", "clock", "waived"),
    "in force": ("wait", "clock", "in force"),
    "waiting": ("wait", "clock", "waiting"),
    "pending": ("wait", "clock", "pending"),
    "warn": ("wait", "clock", "warn"),
    "not current": ("wait", "clock", "of another source"),
    "unknown": ("blind", "question", "unknown"),
    "not_measured": ("blind", "question", "not measured"),
    "absent": ("blind", "question", "says nothing"),
    "never run": ("blind", "question", "never run"),
    "cannot be read": ("blind", "question", "cannot be read"),
}


def page(facts: Facts) -> str:
    """The whole page.

    Raises:
        MbpError: it would be larger than a page may be.
    """
    environment = templates("mbp.release.report")
    environment.filters.update(
        breakable=breakable,
        instant=instant,
        marked=marked,
        more=more_rows,
        number=number,
        seconds=seconds,
        shown=shown_rows,
    )
    environment.globals.update(
        state=state,
        absent=lambda facts: isinstance(facts, Absence),
        href=lambda place: href(facts, place),
    )
    style = (TEMPLATES / "page.css.j2").read_text(encoding="utf-8")
    text = environment.get_template("page.html.j2").render(
        facts=facts,
        style=Markup(style),  # noqa: S704 (a file of this package)
        style_hash=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
        sections={section.id: section for section in sections(facts)},
        verdict=verdict(facts),
        areas=areas(facts.gate),
        charts=charts(facts.watch),
        rule_groups=rule_groups(facts.rules),
    )
    # Another direction of writing in a value would turn the text around it.
    text = printable(text)
    if len(text.encode()) > LIMIT_BYTES:
        raise MbpError(
            f"the page would have {len(text.encode()):,} bytes, at most {LIMIT_BYTES:,} are readable",
            fix="see `mbp gate M2 --format json` and `mbp status --format json` for what is so long",
        )
    return text


def state(name: str) -> Mapping[str, str]:
    """How a state is shown; one that is not known is not taken for a good one."""
    kind, icon, word = STATES.get(name, ("blind any", "question", name))
    return {"kind": kind, "icon": icon, "word": word}


def verdict(facts: Facts) -> Mapping[str, Any]:
    """The word, the sentence, and what the band is coloured by."""
    gate = facts.gate
    if isinstance(gate, Absence):
        message = f"Do not release: the gate {facts.gate_name} {gate.word}. {gate.why}."
        shown = {"verdict": NO_GO, "sentence": message, "basis": "", "counts": {}, "fix": gate.fix}
    else:
        message = f"{gate.title} ({gate.gate}): {counted(gate)}."
        shown = {
            "verdict": gate.verdict,
            "sentence": message,
            "basis": gate.basis,
            "counts": gate.counts(),
            "fix": "",
        }
    return {**shown, "word": WORDS[str(shown["verdict"])]}


def areas(gate: GateReport | Absence) -> list[tuple[str, list[CheckResult]]]:
    """The checklist by area, both in the order of the gate."""
    results: dict[str, list[CheckResult]] = {}
    if not isinstance(gate, Absence):
        for result in gate.results:
            results.setdefault(result.area, []).append(result)
    return list(results.items())


def charts(watch: WatchFacts | Absence) -> dict[str, Markup]:
    """The pictures: of each KPI by its id, of each table's lag by `lag-` and its place."""
    if isinstance(watch, Absence):
        return {}
    results = {kpi.row.kpi: _kpi_chart(kpi) for kpi in watch.kpis}
    for place, lag_facts in enumerate(watch.lag, start=1):
        results[f"lag-{place}"] = _lag_chart(f"lag-{place}", lag_facts, watch)
    return results


def rule_groups(rules: Sequence[Rule] | Absence) -> list[tuple[str, str, list[Rule]]]:
    """(dataset, engine, its rules): what passed comes last."""
    if isinstance(rules, Absence):
        return []

    def key(rule: Rule) -> tuple[str, str]:
        return rule["dataset"], rule["engine"] or ""

    ordered = sorted(
        rules, key=lambda rule: (*key(rule), rule["verdict"] == "pass", rule["rule_id"])
    )
    return [(*place, list(group)) for place, group in groupby(ordered, key=key)]


def href(facts: Facts, place: str) -> str | None:
    """Where a reader opens a file of the project; None for what is not a file, such as a relation."""
    if place not in facts.files:
        return None
    return f"{quote(facts.folder_to_root)}/{quote(place)}"


def instant(moment: datetime | None) -> str:
    """An instant for people, in UTC."""
    return "never" if moment is None else f"{moment:%Y-%m-%d %H:%M} UTC"


def seconds(value: float | None) -> str:
    """A duration; a dash where it was not reached."""
    return "-" if value is None else f"{value:,.1f} s"


def number(value: float | None) -> str:
    """A measured value, as short as it can be said; a dash where there is none."""
    return "-" if value is None else f"{value:,.4g}" if abs(value) < 10_000 else f"{value:,.0f}"  # noqa: PLR2004


def marked(text: str) -> Markup:
    """A sentence as commands write it: text between backticks is code; all of it is escaped."""
    pieces = [escape(piece) for piece in text.split("`")]
    if len(pieces) % 2 == 0:
        return escape(text)  # a backtick that nothing closes is a backtick
    return Markup("").join(
        Markup("<code>{}</code>").format(piece) if place % 2 else piece
        for place, piece in enumerate(pieces)
    )


def breakable(name: str) -> Markup:
    """A long name that may be broken where its parts meet, and not amid a word; escaped."""
    pieces = re.split(r"(?<=[./_])", name)
    return Markup("<wbr>").join(escape(piece) for piece in pieces)


def shown_rows(rows: Iterable[Any]) -> list[Any]:
    """As many rows as a table shows."""
    return list(rows)[:ROWS]


def more_rows(rows: Iterable[Any]) -> int:
    """How many rows a table does not show."""
    return max(0, len(list(rows)) - ROWS)


def _kpi_chart(kpi: KpiFacts) -> Markup:
    # A target may be a word, or carry its unit itself.
    row, every = kpi.row, kpi.every
    target = f"target {row.target} {row.unit if row.target[-1:].isdigit() else ''}".rstrip()
    message = (
        f"{len(every)} window{'' if len(every) == 1 else 's'} of {row.window} of {row.entity};"
        f" {sum(window.missed for window in every)} off the target,"
        f" {sum(window.value is None for window in every)} without a value; newest {row.value}"
        f" {row.unit}, {target}. Neighbouring windows are shown by the worst of them."
    )
    return _chart(f"kpi-{row.kpi}", row.name, message, kpi.trend, kpi.bound, target)


def _lag_chart(name: str, lag_facts: LagFacts, watch: WatchFacts) -> Markup:
    message = f"newest {number(lag_facts.value)} s of {lag_facts.samples} samples, target {watch.lag_target}"
    title = f"CDC lag p95 of {lag_facts.table}"
    return _chart(
        name, title, message, lag_facts.trend, watch.lag_bound, f"target {watch.lag_target}"
    )


def _chart(
    name: str, title: str, label: str, trend: Sequence[Point], bound: float | None, target: str
) -> Markup:
    drawn = line_chart(trend, bound, name=name, title=title, description=label, target_text=target)
    return Markup(drawn)  # noqa: S704 (escapes its texts itself)


GOOD, OPEN, ABSENT = "good", "open", "absent"
# How much is wrong (None: there is nothing to judge), and the line that says so.
Result = tuple[int | None, str]


@dataclass(frozen=True)
class Section:
    """One section.

    Attributes:
        id: its anchor.
        state: good, open (needs action), or absent (not measured, or not readable).
        message: what it comes to.
    """

    id: str
    title: str
    state: str
    message: str


def sections(facts: Facts) -> list[Section]:
    """All sections, in the order in which they are read."""
    gate, watch = facts.gate, facts.watch
    return [
        _section("checklist", "Checklist", gate, _checklist),
        _section("kpis", "KPI trends", watch, _kpis),
        _section("watchers", "Watchers and open decisions", watch, _watchers),
        _section("contracts", "Contracts and packs", facts.packs, _packs),
        _section("registry", "Registry and last diffs", facts.registry, _registry),
        _section("rules", "Rule pass rates", facts.rules, _rules),
        _section("documentation", "Documentation coverage", facts.coverage, _coverage),
        _section("exercises", "Exercises", facts.exercises, _exercises),
        _section("waivers", "Waivers", facts.waivers, _waivers),
        _section("lag", "Change data capture lag", watch, _lag),
        _section("measurements", "Measurements", facts.measurements, _measured),
    ]


def _section(name: str, title: str, source: Any, judge: Callable[[Any], Result]) -> Section:
    if isinstance(source, Absence):
        return Section(name, title, ABSENT, source.word)
    wrong, message = judge(source)
    state = ABSENT if wrong is None else OPEN if wrong else GOOD
    return Section(name, title, state, message)


def _checklist(gate: GateReport) -> Result:
    if not gate.results:
        return None, "nothing was checked"
    wrong = sum(gate.counts()[verdict] for verdict in ("fail", "not_measured"))
    return wrong, f"{wrong} of {len(gate.results)} checks open"


def _kpis(watch: WatchFacts) -> Result:
    red = sum(kpi.row.counts_as_red for kpi in watch.kpis)
    return red, f"{red} of {len(watch.kpis)} count as red"


def _watchers(watch: WatchFacts) -> Result:
    red = sum(watcher.counts_as_red for watcher in watch.watchers)
    parts = [f"{red} of {len(watch.watchers)} states count as red"]
    parts.append(many(len(watch.open), "open decision"))
    for items, noun in ((watch.alarms, "alarm"), (watch.findings, "finding")):
        parts += [many(len(items), noun)] if items else []
    wrong = red + len(watch.open) + len(watch.alarms) + len(watch.findings)
    return wrong or not watch.watchers, ", ".join(parts)


def _packs(packs: Sequence[Any]) -> Result:
    wrong = sum(bool(pack.missing) for pack in packs)
    return wrong, f"{len(packs) - wrong} of {len(packs)} complete"


def _registry(versions: Sequence[VersionFacts]) -> Result:
    ahead = sum(not version.published_on for version in versions)
    message = many(len(versions) - ahead, "published version")
    return ahead, message + (f", {many(ahead, 'contract')} changed since" if ahead else "")


def _rules(rules: Sequence[Any]) -> Result:
    wrong = sum(rule["verdict"] != "pass" for rule in rules)
    message = f"{len(rules) - wrong} of {len(rules)} last verdicts are pass"
    return wrong or not rules, message


def _coverage(coverage: CoverageJudgement) -> Result:
    percent = coverage.report.count.shown_percent
    message = f"{percent} % described, demanded {coverage.threshold_percent:g} %"
    return len(coverage.objections), message


def _exercises(exercises: Sequence[Any]) -> Result:
    good = sum(exercise["passed"] is True and exercise["current"] for exercise in exercises)
    total = len(exercises)
    return total - good or not total, f"{good} of {total} passed on this source"


def _waivers(facts: WaiversFacts) -> Result:
    void = sum(not waiver["valid"] for waiver in facts.waivers)
    message = f"{len(facts.waivers) - void} in force" + (f", {void} void" if void else "")
    message += f", {many(len(facts.problems), 'problem')}" if facts.problems else ""
    return void + len(facts.problems), message


def _measured(measurements: Sequence[MeasurementFacts]) -> Result:
    if all(measurement.measured_at is None for measurement in measurements):
        return None, "not measured"
    good = sum(measured.verdict == "pass" and measured.current for measured in measurements)
    total = len(measurements)
    return total - good, f"{good} of {total} passed on this source"


def _lag(watch: WatchFacts) -> Result:
    if not watch.lag:
        return None, "not measured"
    wrong, total = sum(lag.missed for lag in watch.lag), len(watch.lag)
    return wrong, f"{total - wrong} of {total} tables within target"
