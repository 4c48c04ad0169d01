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
        state: good, open (somebody has to act), or absent (it says nothing: nobody looked, or nobody could).
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
    found = len(facts.gate.no_gos)
    told = f"{found} that no waiver can lift" if found else "none"
    return _of(name, title, found, told)


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
    red = sum(one.counts_as_red for one in facts.watch.kpis)
    return _of(name, title, red, f"{red} of {len(facts.watch.kpis)} count as red")


def _watchers(facts: Facts) -> Section:
    name, title = "watchers", "Watchers and open decisions"
    if isinstance(facts.watch, Absence):
        return _absent(name, title, facts.watch)
    watch = facts.watch
    red = sum(one.counts_as_red for one in watch.watchers)
    told = f"{red} of {len(watch.watchers)} states count as red, {_many(len(watch.open), 'open decision')}"
    if watch.alarms:
        told += f", {_many(len(watch.alarms), 'alarm')}"
    if watch.findings:
        told += f", {_many(len(watch.findings), 'finding')}"
    wrong = red + len(watch.open) + len(watch.alarms) + len(watch.findings)
    return _of(name, title, wrong or not watch.watchers, told)


def _packs(facts: Facts) -> Section:
    name, title = "contracts", "Contracts and packs"
    if isinstance(facts.packs, Absence):
        return _absent(name, title, facts.packs)
    wrong = sum(bool(one.missing) for one in facts.packs)
    return _of(name, title, wrong, f"{len(facts.packs) - wrong} of {len(facts.packs)} complete")


def _registry(facts: Facts) -> Section:
    name, title = "registry", "Registry and last diffs"
    if isinstance(facts.registry, Absence):
        return _absent(name, title, facts.registry)
    ahead = sum(not one.published_on for one in facts.registry)
    told = _many(len(facts.registry) - ahead, "published version")
    if ahead:
        told += f", {_many(ahead, 'contract')} changed since"
    return _of(name, title, ahead, told)


def _rules(facts: Facts) -> Section:
    name, title = "rules", "Rule pass rates"
    if isinstance(facts.rules, Absence):
        return _absent(name, title, facts.rules)
    wrong = sum(one.verdict != "pass" for one in facts.rules)
    told = f"{len(facts.rules) - wrong} of {len(facts.rules)} last verdicts are pass"
    return _of(name, title, wrong or not facts.rules, told)


def _coverage(facts: Facts) -> Section:
    name, title = "documentation", "Documentation coverage"
    if isinstance(facts.coverage, Absence):
        return _absent(name, title, facts.coverage)
    found = facts.coverage
    told = f"{found.total.percent} % described, demanded {found.demanded} %"
    return _of(name, title, len(found.objections), told)


def _exercises(facts: Facts) -> Section:
    name, title = "exercises", "Exercises"
    if isinstance(facts.exercises, Absence):
        return _absent(name, title, facts.exercises)
    good = sum(one.passed is True and one.current for one in facts.exercises)
    total = len(facts.exercises)
    told = f"{good} of {total} passed on this source"
    return _of(name, title, total - good or not total, told)


def _waivers(facts: Facts) -> Section:
    name, title = "waivers", "Waivers"
    if isinstance(facts.waivers, Absence):
        return _absent(name, title, facts.waivers)
    void = sum(bool(one.problems) for one in facts.waivers.waivers)
    told = f"{len(facts.waivers.waivers) - void} in force"
    if void:
        told += f", {void} void"
    if facts.waivers.problems:
        told += f", {_many(len(facts.waivers.problems), 'problem')}"
    return _of(name, title, void + len(facts.waivers.problems), told)


def _sign_offs(facts: Facts) -> Section:
    name, title = "sign-offs", "Sign-offs"
    if isinstance(facts.gate, Absence):
        return _absent(name, title, facts.gate)
    if not facts.sign_offs:
        return Section(name, title, ABSENT, "the gate asks for none")
    wrong = sum(one.open for one in facts.sign_offs)
    total = len(facts.sign_offs)
    return _of(name, title, wrong, f"{total - wrong} of {total} signed")


def _measured(name: str, title: str, found: Sequence[MeasurementFacts]) -> Section:
    good = sum(one.verdict == "pass" and one.current for one in found)
    if all(one.measured_at is None for one in found):
        return Section(name, title, ABSENT, "not measured")
    return _of(name, title, len(found) - good, f"{good} of {len(found)} passed on this source")


def _lag(facts: Facts) -> Section:
    name, title = "lag", "Change data capture lag"
    if isinstance(facts.watch, Absence):
        return _absent(name, title, facts.watch)
    if not facts.watch.lag:
        return Section(name, title, ABSENT, "not measured")
    wrong = sum(one.missed for one in facts.watch.lag)
    total = len(facts.watch.lag)
    return _of(name, title, wrong, f"{total - wrong} of {total} tables within target")


def _measurements(facts: Facts) -> Section:
    name, title = "measurements", "Measurements on file"
    if isinstance(facts.measurements, Absence):
        return _absent(name, title, facts.measurements)
    wrong = sum(one.verdict in ("fail", "cannot be read") for one in facts.measurements)
    told = f"{_many(len(facts.measurements), 'file')} in the evidence folder"
    return _of(name, title, wrong, f"{told}, {wrong} not passed" if wrong else told)


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
