"""Collects the facts of the page. Each section by itself: what one cannot tell is told, and hides no other."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import TypeVar

import duckdb
import psycopg2

from mbp.building.dbt_process import target_name
from mbp.errors import MbpError
from mbp.evidence import envelope
from mbp.gate.report import GateReport
from mbp.paths import shown
from mbp.report import project
from mbp.report.facts import (
    NOT_MEASURED,
    UNREADABLE,
    Absence,
    Facts,
    MeasurementFacts,
)
from mbp.report.trends import watch_facts

T = TypeVar("T")
PRIVACY = {"privacy_scan": "run `mbp privacy scan`", "privacy_measure": "run `mbp privacy measure`"}
SECURITY_PREFIX = "security_"
SECURITY_CURE = "run `mbp security run`"


def collect(root: Path, gate: str, target: str | None, page: Path) -> Facts:
    """All facts, with the gate run anew.

    Args:
        page: where the page will lie; links are relative to it.

    Raises:
        MbpError: unknown target.
    """
    from mbp.gate.run import run_gate

    return facts(root, gate, target, page, lambda: run_gate(root, gate, target))


def facts(
    root: Path, gate: str, target: str | None, page: Path, run: Callable[[], GateReport]
) -> Facts:
    """All facts.

    Args:
        run: runs the gate.

    Raises:
        MbpError: unknown target.
    """
    chosen = target_name(target)
    now = datetime.now(UTC).replace(microsecond=0)
    source = envelope.source_digest(root)
    report = told(run, f"run `mbp gate {gate}`")
    security = sorted({*_security_names(report), *_security_files(root)})
    found = Facts(
        gate_name=gate,
        looked_at=now,
        target=chosen,
        gate=report,
        watch=told(lambda: watch_facts(root, chosen), "run `mbp build`"),
        packs=told(lambda: project.packs(root), "see `mbp contracts status`"),
        registry=told(lambda: project.registry(root), "see `mbp registry verify`"),
        rules=told(lambda: project.rules(root, chosen), "run `mbp quality record`"),
        coverage=told(lambda: project.coverage(root), "run `mbp build`"),
        exercises=told(lambda: project.exercises(root, source), "run `mbp exercise --all`"),
        waivers=told(lambda: project.waivers(root, now), "see `mbp waiver check`"),
        privacy=tuple(
            project.measurement(root, name, source, cure) for name, cure in PRIVACY.items()
        ),
        security=tuple(project.measurement(root, name, source, SECURITY_CURE) for name in security)
        or (_nothing_secured(),),
        measurements=told(lambda: project.measurements(root, source), "run `mbp build`"),
        files=frozenset(),
        folder_to_root=_way(page.resolve().parent, root.resolve()),
    )
    return replace(found, files=frozenset(_readable(root, sorted(set(_places(found))))))


def told(look: Callable[[], T], cure: str) -> T | Absence:
    """What a section looks at, or its absence. Only what a source can do wrong is taken for that; a mistake of
    ours still ends the command.

    Args:
        cure: where the error names none.
    """
    try:
        return look()
    except envelope.NoEvidenceError as error:
        why = error.what.removeprefix(f"{NOT_MEASURED}: ")
        return Absence(NOT_MEASURED, why, error.cure or cure)
    except MbpError as error:
        place = f"{error.path}: " if error.path else ""
        return Absence(UNREADABLE, f"{place}{error.what}", error.cure or cure)
    except (duckdb.Error, psycopg2.Error) as error:
        what = f"the warehouse refused: {str(error).splitlines()[0]}"
        return Absence(UNREADABLE, what, cure)


def _nothing_secured() -> MeasurementFacts:
    return MeasurementFacts(
        "security", NOT_MEASURED, "nobody measured it", "", None, False, SECURITY_CURE
    )


def _security_names(report: GateReport | Absence) -> Iterator[str]:
    """What the gate demands, so that a measurement that nobody made is told too."""
    if isinstance(report, Absence):
        return
    for result in report.results:
        for place in result.evidence:
            path = PurePosixPath(place)
            if path.name.startswith(SECURITY_PREFIX) and path.suffix == ".json":
                yield path.stem


def _security_files(root: Path) -> Iterator[str]:
    folder = envelope.evidence_folder(root)
    return (path.stem for path in folder.glob(f"{SECURITY_PREFIX}*.json"))


def _places(found: Facts) -> Iterator[str]:
    """What the page would like to link to."""
    if not isinstance(found.gate, Absence):
        yield from (place for one in found.gate.results for place in one.evidence)
    if not isinstance(found.watch, Absence):
        yield from (one.runbook for one in found.watch.watchers)
    if not isinstance(found.waivers, Absence):
        yield from (one.path for one in found.waivers.waivers)
    lists = [found.privacy, found.security]
    if not isinstance(found.measurements, Absence):
        lists.append(found.measurements)
    yield from (one.path for several in lists for one in several if one.path)


def _readable(root: Path, places: Iterable[str]) -> Iterator[str]:
    """Those that a reader can open: in the project, and there."""
    for place in places:
        path = root / place
        # A path that leads out of the project is shown back as it is, which is not relative.
        if path.exists() and not PurePosixPath(shown(path, root)).is_absolute():
            yield place


def _way(folder: Path, root: Path) -> str:
    return PurePosixPath(Path(os.path.relpath(root, folder))).as_posix()
