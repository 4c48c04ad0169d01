"""What each section comes to, in one line: the index of the page, and the line under each heading."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from mbp.core.wording import many
from mbp.quality.coverage.documentation_coverage import CoverageJudgement
from mbp.release.gate.gate_report import GateReport
from mbp.release.report.report_facts import (
    Absence,
    Facts,
    MeasurementFacts,
    VersionFacts,
    WaiversFacts,
    WatchFacts,
)

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
        _section("sign-offs", "Sign-offs", gate, lambda _: _sign_offs(facts)),
        _section("privacy", "Privacy", facts.privacy, _measured),
        _section("security", "Security", facts.security, _measured),
        _section("lag", "Change data capture lag", watch, _lag),
        _section("measurements", "Measurements on file", facts.measurements, _measurements),
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


def _sign_offs(facts: Facts) -> Result:
    if not facts.sign_offs:
        return None, "the gate asks for none"
    wrong, total = sum(sign_off.open for sign_off in facts.sign_offs), len(facts.sign_offs)
    return wrong, f"{total - wrong} of {total} signed"


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


def _measurements(measurements: Sequence[MeasurementFacts]) -> Result:
    wrong = sum(measured.verdict in ("fail", "cannot be read") for measured in measurements)
    message = f"{many(len(measurements), 'file')} in the evidence folder"
    return wrong, f"{message}, {wrong} not passed" if wrong else message
