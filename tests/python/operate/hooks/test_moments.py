"""What lies in the future is not measured, whoever reads its time; and nobody compares times but `mbp.core.moments`."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mbp.contracts.alarm_limits import load_limits
from mbp.contracts.hook_policy import HookPolicy, load_hooks
from mbp.contracts.sheet import WHOLE
from mbp.core import moments
from mbp.core.canonical_json import Subject, canonical
from mbp.core.errors import MbpError
from mbp.core.paths import StateFolder, project_root
from mbp.ingest.cdc.capture_status import heartbeat
from mbp.ingest.cdc.watched import SeenReader, WatchedCapture, alarms
from mbp.operate.degrade import switch
from mbp.operate.hooks import hook_coverage as coverage
from mbp.operate.hooks.alarming import _since
from mbp.operate.hooks.decide import decide
from mbp.operate.hooks.exposition import exposition
from mbp.operate.hooks.hook_state import LOCK_VERSION, LockOf, read_lock
from mbp.operate.hooks.measurements import KpiWindow, WarehouseFacts, picture_of
from mbp.quality.monitor.record import Run, record
from mbp.release.evidence.agreement import evidence_counts
from mbp.release.gate import rules_warehouse
from mbp.release.report import report_project
from mbp.release.signing.signatures import AllowedSigners
from mbp.release.signing.statements import read_statements
from mbp.runs import envelope
from mbp.runs import exercise_report as exercises
from mbp.runs.claims import Asked, Claim, Objection, objections
from tests.python.measured import passed
from tests.python.sources import python_files

ROOT = project_root(Path(__file__).parent)
HOUR = timedelta(hours=1)
SHA = "0" * 64


@cache
def policy() -> HookPolicy:
    return load_hooks(ROOT)


class Rows:
    """A warehouse that answers each query by the first words that it finds in it."""

    engine, mark = "duckdb", "?"

    def __init__(self, **answers: Sequence[Any]) -> None:
        self.answers = answers

    def query(self, sql: str, *_: Any) -> tuple[list[str], list[Any]]:
        return [], next((list(rows) for name, rows in self.answers.items() if name in sql), [])


def claimed(began_at: datetime, ended_at: datetime, now: datetime) -> bool:
    claim = Claim(began_at, ended_at, source="s", source_after="s")
    return not objections(claim, Asked(now, "duckdb", source="s", max_age=HOUR))


def beginning_of_a_measurement(moment: datetime, now: datetime) -> bool:
    return claimed(moment, max(moment, now), now)


def end_of_a_measurement(moment: datetime, now: datetime) -> bool:
    return claimed(min(moment, now), moment, now)


def evidence_of_a_pack(moment: datetime, now: datetime) -> bool:
    report = {"decided_at": now.isoformat(), "target": "duckdb", "source": "s"}
    check = {"source": {"evidence": "build"}, "rule": "passed_evidence"}
    measured = {
        "name": "build",
        "verdict": "pass",
        "target": "duckdb",
        "content": {},
        "began_at": moment.isoformat(),
        "ended_at": moment.isoformat(),
    }
    definition = {"evidence_max_age_hours": 1}
    result = {"id": "x", "verdict": "pass"}
    return not list(evidence_counts(report, result, check, definition, "build.json", measured))


def statement(moment: datetime, now: datetime) -> bool:
    """Without a signature it is never valid; one that is young enough is asked for its signature."""
    signed_at = moment.replace(microsecond=0)
    subject = Subject("x", SHA, {})
    content = {
        "version": 1,
        "kind": "sign-off",
        "subject": subject.document(),
        "role": "SRE",
        "signed_at": signed_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    with TemporaryDirectory() as name:
        (Path(name) / "SRE.json").write_bytes(canonical(content))
        signers = AllowedSigners.load(ROOT)
        one = read_statements(Path(name), "sign-off", subject, ["SRE"], signers, now, max_age=HOUR)
    return "signature is missing" in one["SRE"].reason


def release_lock(moment: datetime, now: datetime) -> bool:
    origin = LockOf("duckdb", "w", "s")
    document = {
        "version": LOCK_VERSION,
        "written_at": moment.isoformat(),
        "blocks": [],
        **vars(origin),
    }
    with TemporaryDirectory() as name:
        folder = StateFolder(Path(name))
        folder.lock.write_text(json.dumps(document))
        return accepted(lambda: read_lock(Path(name), folder, 1, now, of=origin))


def accepted(read: Callable[[], object]) -> bool:
    try:
        read()
    except MbpError:
        return False
    return True


def window(kpi_id: str, entity: str, end: datetime, *, of_a_run: bool = False) -> KpiWindow:
    start = end if of_a_run else end - timedelta(minutes=5)
    return KpiWindow(kpi_id, entity, start, end, Decimal(0), 10, "ok")


def hook_state(kpi_id: str, entity: str, *, of_a_run: bool) -> Callable[[datetime, datetime], bool]:
    def reader(moment: datetime, now: datetime) -> bool:
        windows = {(kpi_id, entity): [window(kpi_id, entity, moment, of_a_run=of_a_run)]}
        states = decide(policy(), WarehouseFacts(now, windows, (), frozenset())).states
        return all(one.colour == "green" for one in states if one.kpi_id == kpi_id)

    return reader


def project_clock(moment: datetime, _: datetime) -> bool:
    tables = ("kpi_windows", "kpi_clock", "kpi_runs", "hook_decisions", "hook_evaluations")
    rows = Rows(information_schema=[[name] for name in tables], now_at=[[moment]])
    rows.answers["evaluated_at"] = [[None]]
    picture = picture_of(rows)  # type: ignore[arg-type]
    windows = {("dec_p95", WHOLE): [window("dec_p95", WHOLE, moment)]}
    states = decide(policy(), replace(picture, windows=windows)).states
    return all(one.colour == "green" for one in states if one.kpi_id == "dec_p95")


def exported(moment: datetime, now: datetime) -> bool:
    windows = {("dec_p95", WHOLE): [window("dec_p95", WHOLE, moment)]}
    picture = WarehouseFacts(now, windows, (), frozenset())
    text = exposition(policy(), picture, decide(policy(), picture), WatchedCapture(now))
    return 'mbp_kpi_value{kpi="dec_p95"' in text


def window_of_the_gate(moment: datetime, now: datetime) -> bool:
    return rules_warehouse._objection(moment, now, 60) is None


def evaluation_of_a_hook(moment: datetime, now: datetime) -> bool:
    tables = ("kpi_windows", "kpi_clock", "kpi_runs", "hook_decisions", "hook_evaluations")
    hooks = policy().hooks.values()
    rows = Rows(
        information_schema=[[name] for name in tables],
        now_at=[[now]],
        evaluated_at=[[one.id, one.definition_hash, moment] for one in hooks],
    )
    with TemporaryDirectory() as name:
        found = coverage.hook_coverage(Path(name), policy(), rows)  # type: ignore[arg-type]
    return not any(gap.startswith("last evaluated") for one in found for gap in one.gaps)


def exercise(moment: datetime, now: datetime) -> bool:
    return exercises.time_problem({"ran_at": moment.isoformat()}, now) is None


def exercise_of_a_hook(moment: datetime, _: datetime) -> bool:
    run = {"id": "a", "passed": True, "hooks": {"h": "1"}, "ran_at": moment.isoformat()}
    with TemporaryDirectory() as name:
        content = exercises.content([run], ["a"])
        envelope.write(envelope.begin(Path(name)), exercises.NAME, summary="", content=content)
        return bool(coverage.exercised_hooks(Path(name)))


def measurement_on_the_page(moment: datetime, now: datetime) -> bool:
    with TemporaryDirectory() as name:
        begun = envelope.begin(Path(name))
        path = envelope.write(begun, "documents", summary="", content=passed("documents"))
        document = json.loads(path.read_text())
        path.write_text(json.dumps({**document, "ended_at": moment.isoformat()}))

        def judge(found: envelope.Evidence) -> list[Objection]:
            return objections(found.claim, Asked(now, "duckdb"))

        return report_project.measurement(Path(name), "documents", judge, "").verdict == "pass"


def heartbeats(moment: datetime, now: datetime) -> bool:
    return heartbeat(moment, now, moments.CLOCK_SKEW)[0] is not None


def reader_of_changes(moment: datetime, now: datetime) -> bool:
    seen = SeenReader("mbp_cdc", 0, 0.001, 0, 1000, moment)
    limits = load_limits(ROOT)
    silence = replace(limits.alarms.cdc_reader_silent, above_seconds=3600)
    limits = replace(limits, alarms=replace(limits.alarms, cdc_reader_silent=silence))
    return not alarms(WatchedCapture(now, ["mbp_cdc"], [seen]), limits, now)


def snapshot(moment: datetime, now: datetime) -> bool:
    rows = Rows(builds=[["mbp_quotes", moment]], now_at=[[now]])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(switch, "demand_built", lambda _: None)
        patch.setattr(switch.reader_views, "pointed_at", lambda *_: (switch.LIVE, "mbp_quotes"))
        return not switch.status(rows).problems  # type: ignore[arg-type]


def recorded_run(moment: datetime, _: datetime) -> bool:
    with pytest.raises(MbpError) as caught:
        record(ROOT, Run("r", "no_such_target", moment, None, []))
    return "executed" not in caught.value.what


def open_alarm(moment: datetime, now: datetime) -> bool:
    """After a clock was set back an alarm begins anew, or it would not be repeated."""
    alarm = SimpleNamespace(id="a", subject="s", severity="page")
    told = {("a", "s", "page"): SimpleNamespace(since=moment)}
    return _since(told, alarm, now) == moment  # type: ignore[arg-type]


# Reader of times -> whether what is of that instant counts now.
READERS: dict[str, Callable[[datetime, datetime], bool]] = {
    "beginning of a measurement": beginning_of_a_measurement,
    "end of a measurement": end_of_a_measurement,
    "evidence in a pack": evidence_of_a_pack,
    "evidence on the page": measurement_on_the_page,
    "sign-offs and approvals": statement,
    "release lock": release_lock,
    "KPI window": hook_state("dec_p95", WHOLE, of_a_run=False),
    "KPI window of an entity": hook_state("twap_divergence", "market-1", of_a_run=False),
    "KPI of a run": hook_state("dbt_tests", WHOLE, of_a_run=True),
    "KPI window at the gate": window_of_the_gate,
    "KPI window in the metrics": exported,
    "now of the project": project_clock,
    "evaluation of a hook": evaluation_of_a_hook,
    "run of an exercise": exercise,
    "exercise of a hook": exercise_of_a_hook,
    "heartbeat of a table": heartbeats,
    "reader of changes": reader_of_changes,
    "snapshot": snapshot,
    "recorded run of the rules": recorded_run,
    "open alarm": open_alarm,
}
# The tightest skew is that of `mbp_clock_skew_seconds`; the widest `CLOCK_SKEW`.
AHEAD = st.timedeltas(
    min_value=moments.CLOCK_SKEW + timedelta(seconds=2), max_value=timedelta(days=40_000)
)


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=8, deadline=None)
@given(ahead=AHEAD)
def test_the_future_is_never_good(name: str, ahead: timedelta) -> None:
    now = datetime.now(UTC)
    assert not READERS[name](now + ahead, now)


@pytest.mark.parametrize("name", READERS)
def test_a_moment_ago_is_good(name: str) -> None:
    """Otherwise the test before would show nothing."""
    now = datetime.now(UTC)
    assert READERS[name](now - timedelta(seconds=2), now)


@given(
    ago=st.timedeltas(min_value=timedelta(days=-9999), max_value=timedelta(days=9999)),
    limit=st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=9999)),
)
def test_ages(ago: timedelta, limit: timedelta) -> None:
    now = datetime(2026, 3, 2, tzinfo=UTC)
    good = -moments.CLOCK_SKEW <= ago <= limit
    assert (moments.objection(now - ago, now, limit) is None) is good
    if ago < -moments.CLOCK_SKEW:
        with pytest.raises(moments.FutureError, match="in the future"):
            moments.age(now - ago, now)
    else:
        assert moments.age(now - ago, now) == max(ago, timedelta(0))


def test_a_clock_that_was_set_back_is_reported() -> None:
    now = datetime.now(UTC)
    tables = ("kpi_windows", "kpi_clock", "kpi_runs", "hook_decisions", "hook_evaluations")
    rows = Rows(
        information_schema=[[name] for name in tables],
        now_at=[[now - 2 * HOUR]],
        evaluated_at=[[now]],
    )
    found = picture_of(rows)  # type: ignore[arg-type]
    assert not found.clock_problem
    assert "set back" in found.went_back


# Differences with a clock that are no age of something that is believed, with the reason.
ALLOWED = {
    "mbp/operate/hooks/actions.py": "how long a decision was open, for its message",
    "mbp/operate/hooks/alarming.py": "how often an open alarm was repeated; its begin is never in the future",
    "lab/exercises/judge.py": "durations inside of an exercise, whose clock is set",
    "mbp/ingest/cdc/watched.py": "a signed age; both signs raise an alarm",
    "lab/simulate/faults/log.py": "makes the faults that the readers must find",
    "lab/drill/scenario_runs.py": "durations of a drill, whose clock is set",
    "mbp/release/gate/rules_warehouse.py": "begin of a period, counted from now",
}
CLOCKS = {"now", "read_at", "decided_at", "now_at"}


def is_clock(node: ast.expr) -> bool:
    """`now`, `x.now`, or a call of `datetime.now`."""
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Attribute) and node.func.attr in ("now", "utcnow")
    name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
    return name in CLOCKS


def test_nobody_else_subtracts_from_a_clock() -> None:
    found: set[str] = set()
    for name, path in python_files(ROOT).items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            subtracts = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub)
            if subtracts and (is_clock(node.left) or is_clock(node.right)):
                found.add(name)
    found -= {"mbp/core/moments.py"}
    assert found == set(ALLOWED), "use mbp.core.moments, or say here why it is no age"
