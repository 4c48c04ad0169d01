"""What each section comes to, in one line: the index of the page, and the line under each heading."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mbp.release.report.report_facts import Absence, Facts, MeasurementFacts

GOOD, OPEN, ABSENT = "good", "open", "absent"


@dataclass(frozen=True)
class Section:
    """One section.

    Attributes:
        id: its anchor.
        state: good, open (needs action), or absent (not measured, or not measurable).
        told: what it comes to.
    """

    id: str
    title: str
    state: str
    told: str


def sections(facts: Facts) -> list[Section]:
    """All sections, in the order in which they are read."""
    return [
        _no_gos(facts),
        _checklist(facts),
        _kpis(facts),
        _watchers(facts),
        _packs(facts),
        _registry(facts),
        _rules(facts),
        _coverage(facts),
        _exercises(facts),
        _waivers(facts),
        _sign_offs(facts),
        _measured("privacy", "Privacy", facts.privacy),
        _measured("security", "Security", facts.security),
        _lag(facts),
        _measurements(facts),
    ]


def _of(name: str, title: str, wrong: int, told: str) -> Section:
    return Section(name, title, OPEN if wrong else GOOD, told)


def _absent(name: str, title: str, absence: Absence) -> Section:
    return Section(name, title, ABSENT, absence.word)


def _no_gos(facts: Facts) -> Section:
    name, title = "no-gos", "No-gos"
    if isinstance(facts.gate, Absence):
        return _absent(name, title, facts.gate)
    count = len(facts.gate.no_gos)
    message = f"{count} that no waiver can lift" if count else "none"
    return _of(name, title, count, message)


def _checklist(facts: Facts) -> Section:
    name, title = "checklist", "Checklist"
    if isinstance(facts.gate, Absence):
        return _absent(name, title, facts.gate)
    counts = facts.gate.counts()
    wrong = counts["fail"] + counts["not_measured"]
    total = len(facts.gate.results)
    if not total:
        return Section(name, title, ABSENT, "nothing was checked")
    return _of(name, title, wrong, f"{wrong} of {total} checks open")


def _kpis(facts: Facts) -> Section:
    name, title = "kpis", "KPI trends"
    if isinstance(facts.watch, Absence):
        return _absent(name, title, facts.watch)
    red = sum(kpi.counts_as_red for kpi in facts.watch.kpis)
    return _of(name, title, red, f"{red} of {len(facts.watch.kpis)} count as red")


def _watchers(facts: Facts) -> Section:
    name, title = "watchers", "Watchers and open decisions"
    if isinstance(facts.watch, Absence):
        return _absent(name, title, facts.watch)
    watch = facts.watch
    red = sum(watcher.counts_as_red for watcher in watch.watchers)
    message = f"{red} of {len(watch.watchers)} states count as red, {_many(len(watch.open), 'open decision')}"
    if watch.alarms:
        message += f", {_many(len(watch.alarms), 'alarm')}"
    if watch.findings:
        message += f", {_many(len(watch.findings), 'finding')}"
    wrong = red + len(watch.open) + len(watch.alarms) + len(watch.findings)
    return _of(name, title, wrong or not watch.watchers, message)


def _packs(facts: Facts) -> Section:
    name, title = "contracts", "Contracts and packs"
    if isinstance(facts.packs, Absence):
        return _absent(name, title, facts.packs)
    wrong = sum(bool(pack.missing) for pack in facts.packs)
    return _of(name, title, wrong, f"{len(facts.packs) - wrong} of {len(facts.packs)} complete")


def _registry(facts: Facts) -> Section:
    name, title = "registry", "Registry and last diffs"
    if isinstance(facts.registry, Absence):
        return _absent(name, title, facts.registry)
    ahead = sum(not version_facts.published_on for version_facts in facts.registry)
    message = _many(len(facts.registry) - ahead, "published version")
    if ahead:
        message += f", {_many(ahead, 'contract')} changed since"
    return _of(name, title, ahead, message)


def _rules(facts: Facts) -> Section:
    name, title = "rules", "Rule pass rates"
    if isinstance(facts.rules, Absence):
        return _absent(name, title, facts.rules)
    wrong = sum(rule.verdict != "pass" for rule in facts.rules)
    message = f"{len(facts.rules) - wrong} of {len(facts.rules)} last verdicts are pass"
    return _of(name, title, wrong or not facts.rules, message)


def _coverage(facts: Facts) -> Section:
    name, title = "documentation", "Documentation coverage"
    if isinstance(facts.coverage, Absence):
        return _absent(name, title, facts.coverage)
    coverage_facts = facts.coverage
    message = f"{coverage_facts.total.percent} % described, demanded {coverage_facts.demanded} %"
    return _of(name, title, len(coverage_facts.objections), message)


def _exercises(facts: Facts) -> Section:
    name, title = "exercises", "Exercises"
    if isinstance(facts.exercises, Absence):
        return _absent(name, title, facts.exercises)
    good = sum(exercise.passed is True and exercise.current for exercise in facts.exercises)
    total = len(facts.exercises)
    message = f"{good} of {total} passed on this source"
    return _of(name, title, total - good or not total, message)


def _waivers(facts: Facts) -> Section:
    name, title = "waivers", "Waivers"
    if isinstance(facts.waivers, Absence):
        return _absent(name, title, facts.waivers)
    void = sum(bool(waiver.problems) for waiver in facts.waivers.waivers)
    message = f"{len(facts.waivers.waivers) - void} in force"
    if void:
        message += f", {void} void"
    if facts.waivers.problems:
        message += f", {_many(len(facts.waivers.problems), 'problem')}"
    return _of(name, title, void + len(facts.waivers.problems), message)


def _sign_offs(facts: Facts) -> Section:
    name, title = "sign-offs", "Sign-offs"
    if isinstance(facts.gate, Absence):
        return _absent(name, title, facts.gate)
    if not facts.sign_offs:
        return Section(name, title, ABSENT, "the gate asks for none")
    wrong = sum(sign_off.open for sign_off in facts.sign_offs)
    total = len(facts.sign_offs)
    return _of(name, title, wrong, f"{total - wrong} of {total} signed")


def _measured(name: str, title: str, measurement_factses: Sequence[MeasurementFacts]) -> Section:
    good = sum(
        measurement_facts.verdict == "pass" and measurement_facts.current
        for measurement_facts in measurement_factses
    )
    if all(measurement_facts.measured_at is None for measurement_facts in measurement_factses):
        return Section(name, title, ABSENT, "not measured")
    return _of(
        name,
        title,
        len(measurement_factses) - good,
        f"{good} of {len(measurement_factses)} passed on this source",
    )


def _lag(facts: Facts) -> Section:
    name, title = "lag", "Change data capture lag"
    if isinstance(facts.watch, Absence):
        return _absent(name, title, facts.watch)
    if not facts.watch.lag:
        return Section(name, title, ABSENT, "not measured")
    wrong = sum(lag_facts.missed for lag_facts in facts.watch.lag)
    total = len(facts.watch.lag)
    return _of(name, title, wrong, f"{total - wrong} of {total} tables within target")


def _measurements(facts: Facts) -> Section:
    name, title = "measurements", "Measurements on file"
    if isinstance(facts.measurements, Absence):
        return _absent(name, title, facts.measurements)
    wrong = sum(
        measurement.verdict in ("fail", "cannot be read") for measurement in facts.measurements
    )
    message = f"{_many(len(facts.measurements), 'file')} in the evidence folder"
    return _of(name, title, wrong, f"{message}, {wrong} not passed" if wrong else message)


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
