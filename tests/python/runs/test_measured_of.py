"""Every reader of a measurement x every way of being of something else: none of them believes it, and each says why."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from mbp.cli import main as cli
from mbp.contracts.gates import CheckDefinition
from mbp.contracts.hook_policy import load_hooks
from mbp.core.errors import MbpError
from mbp.core.paths import state_folder
from mbp.operate.degrade.reader_snapshot import green_build
from mbp.operate.hooks.hook_state import LockOf, OpenBlock, write_lock
from mbp.operate.hooks.kpi_collect import data_contract_break, dbt_tests
from mbp.quality.failures import findings_of_last_run
from mbp.quality.monitor.record import last_dbt_run
from mbp.release.ci.ci_steps import look
from mbp.release.gate.all_rules import RULES
from mbp.release.gate.context import Context, NotMeasuredError
from mbp.release.report.report_collect import _judge
from mbp.release.report.report_project import measurement
from mbp.runs import envelope
from mbp.runs.run_control import data_state, read_control
from mbp.runs.working_copy import source_of
from mbp.warehouse import connect
from tests.python.measured import passed
from tests.python.runs.project import (
    INVOCATION,
    MODEL,
    MODEL_FILE,
    SEED,
    TARGET,
    UNIT_TEST,
    WAREHOUSE,
    YAML_FILE,
    Project,
    age,
    git,
    node,
)

# Of a measurement: any that the gate takes as it is.
NAME = "documents"

HOUR = timedelta(hours=1)
NOW = lambda: datetime.now(UTC)  # noqa: E731
Spoil = Callable[[Project], object]


# --- readers of the artifacts of a run of dbt -----------------------------------------------------------------------


def refused(ask: Callable[[], object]) -> str:
    """Why it was refused; empty when it was not."""
    try:
        ask()
    except MbpError as error:
        return str(error)
    return ""


def command(*words: str) -> tuple[int, str]:
    """(exit code, everything that was printed)."""
    cli.register()
    done = CliRunner().invoke(cli.app, list(words))
    told = str(done.exception) if isinstance(done.exception, MbpError) else ""
    code = 2 if told else done.exit_code
    return code, done.output + told


def failures(_: Project) -> str:
    code, told = command("quality", "failures", "--limit", "0")
    assert code in (0, 2), told
    return told if code else ""


def ci_rules(project: Project) -> str:
    found = look(project.root, None, "", 0)
    return "" if not found.blind else "; ".join(found.document()["stale"])


RUN_READERS: Mapping[str, Callable[[Project], str]] = {
    "failures": failures,
    "dbt_tests": lambda project: refused(lambda: dbt_tests(project.root, TARGET)),
    "contract_break": lambda project: refused(lambda: data_contract_break(project.root, TARGET)),
    "snapshot": lambda project: refused(lambda: green_build(project.root, TARGET)),
    "record": lambda project: refused(lambda: last_dbt_run(project.root, TARGET)),
    "ci": ci_rules,
}
# Each rule that ran is recorded by itself, and a failure of long ago is one to show.
SPEAK_OF_A_PART = ("record",)
OF_ANY_AGE = ("failures", "snapshot", "record", "ci")


def other_identity(project: Project) -> None:
    project.execute("update verification.warehouse set warehouse_id = 'warehouse-two'")


def unknown_run(project: Project) -> None:
    """The target's name leads to another file, with other runs in it."""
    other_identity(project)
    project.execute(f"delete from verification.runs where invocation_id = '{INVOCATION}'")


def other_target(project: Project) -> None:
    project.run_results["args"]["target"] = "postgres"


def edited_keeping_its_time(project: Project) -> None:
    path = project.root / MODEL_FILE
    path.write_text("select 2 as quote_id\n")
    age(path, project.began - HOUR)


def new_model_with_an_old_time(project: Project) -> None:
    path = project.root / "models" / "new.sql"
    path.write_text("select 1 as one\n")
    age(path, project.began - HOUR)


def removed_model(project: Project) -> None:
    (project.root / MODEL_FILE).unlink()


def edited_during_the_run(project: Project) -> None:
    age(project.root / YAML_FILE, project.began + timedelta(minutes=1))


def other_manifest(project: Project) -> None:
    project.manifest["metadata"]["invocation_id"] = "another"


def node_that_is_gone(project: Project) -> None:
    del project.manifest["nodes"][SEED]


def edited_results(project: Project) -> None:
    """Results were taken out of the file; what is left looks whole for the manifest beside it."""
    del project.manifest["unit_tests"][UNIT_TEST]
    kept = [one for one in project.run_results["results"] if one["unique_id"] != UNIT_TEST]
    project.run_results["results"] = kept


def built_again(project: Project) -> None:
    project.record("run-two", "build", NOW() - timedelta(minutes=1), [MODEL])


def shifted(by: timedelta) -> Spoil:
    def spoil(project: Project) -> None:
        project.began += by
        metadata = project.run_results["metadata"]
        metadata["invocation_started_at"] = project.began.isoformat()
        metadata["generated_at"] = project.ended.isoformat()
        project.manifest["metadata"]["generated_at"] = project.began.isoformat()
        for path in project.root.rglob("*.*"):
            age(path, project.began - HOUR)
        project.record_again()

    return spoil


def clock_set_back(project: Project) -> None:
    project.run_results["metadata"]["generated_at"] = (project.began - HOUR).isoformat()


def not_ended(project: Project) -> None:
    project.execute("delete from verification.runs where event = 'ended'")


def with_arguments(**arguments: Any) -> Spoil:
    return lambda project: project.run_results["args"].update(arguments)


def without(*ids: str, **arguments: Any) -> Spoil:
    return lambda project: project.leave_out(*ids, **arguments)


def disabled(project: Project) -> None:
    hidden = "test.mbp.extra.0a1b2c3d4e"
    project.manifest["disabled"][hidden] = [node(hidden, "test")]


def only_tests(project: Project) -> None:
    project.leave_out(MODEL, SEED, which="test")


WAYS: Mapping[str, tuple[Spoil, str]] = {
    "another warehouse under the same target": (other_identity, "of another warehouse"),
    "a run that this warehouse never had": (unknown_run, "not made in this warehouse"),
    "another target": (other_target, "of the target postgres"),
    "a file edited, its time kept": (edited_keeping_its_time, "of another source"),
    "a new file with an old time": (new_model_with_an_old_time, "of another source"),
    "a file removed": (removed_model, "of another source"),
    "a file edited during the run": (edited_during_the_run, "of another source"),
    "a manifest of another command": (other_manifest, "of another dbt command"),
    "a node that the manifest has not": (node_that_is_gone, "nodes that the manifest does not"),
    "results that were edited": (edited_results, "not those of the run"),
    "tables that were built again": (built_again, "built again by the run run-two"),
    "the future": (shifted(timedelta(hours=3)), "in the future"),
    "a clock that was set back": (clock_set_back, "before it began"),
    "--empty": (with_arguments(empty=True), "--empty"),
    "--sample": (with_arguments(sample={"start": "2026-01-01"}), "--sample"),
    "--vars": (with_arguments(vars={"mbp_clock_skew_seconds": 10**9}), "--vars"),
    "--event-time-start": (with_arguments(event_time_start="2026-01-01"), "--event-time-start"),
    "--defer": (with_arguments(defer=True), "--defer"),
}
PARTS: Mapping[str, tuple[Spoil, str]] = {
    "--select": (without(UNIT_TEST, select=["mbp_quotes"]), "--select mbp_quotes"),
    "--exclude": (without(UNIT_TEST, exclude=["logic"]), "--exclude logic"),
    "--selector": (without(SEED, UNIT_TEST, selector="daily"), "--selector daily"),
    "DBT_RESOURCE_TYPES": (
        without(SEED, UNIT_TEST, resource_types=["model", "test"]),
        "--resource-types model test",
    ),
    "DBT_EXCLUDE_RESOURCE_TYPES": (
        without(UNIT_TEST, exclude_resource_types=["unit_test"]),
        "--exclude-resource-types unit_test",
    ),
    "dbt test": (only_tests, "1 model, 1 seed without a result"),
    "a disabled node": (disabled, "1 disabled"),
    "a run that did not end": (not_ended, "did not end"),
}


@pytest.mark.parametrize("reader", RUN_READERS)
def test_a_whole_run_of_this_project_counts(project: Project, reader: str) -> None:
    assert RUN_READERS[reader](project) == ""


@pytest.mark.parametrize("way", WAYS)
def test_a_run_of_something_else_does_not(project: Project, way: str) -> None:
    spoil, reason = WAYS[way]
    spoil(project)
    project.save()
    for reader, ask in RUN_READERS.items():
        assert reason in ask(project), reader


@pytest.mark.parametrize("way", PARTS)
def test_a_part_is_not_the_whole(project: Project, way: str) -> None:
    spoil, reason = PARTS[way]
    spoil(project)
    project.save()
    for reader, ask in RUN_READERS.items():
        assert reader in SPEAK_OF_A_PART or reason in ask(project), reader


@pytest.mark.parametrize("reader", [one for one in RUN_READERS if one not in OF_ANY_AGE])
def test_a_run_of_days_ago_measures_nothing_of_today(project: Project, reader: str) -> None:
    shifted(-timedelta(days=2))(project)
    project.save()
    assert "ago, at most 24 h count" in RUN_READERS[reader](project)


def test_results_of_the_sample_are_not_of_loaded_rows(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.manifest["nodes"][SEED]["fqn"] = ["mbp", "sample", "sheet"]
    project.save()
    monkeypatch.setattr("mbp.quality.failures.source_facts", lambda *_: NOTHING)
    monkeypatch.setenv("MBP_RAW", "loaded")
    assert "of the sample" in refused(lambda: dbt_tests(project.root, TARGET))


NOTHING = SimpleNamespace(columns={}, datasets={}, rules={})


def test_the_sample_is_off_where_rows_are_loaded(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed = project.manifest["nodes"].pop(SEED)
    seed["fqn"] = ["mbp", "sample", "sheet"]
    attached = node("test.mbp.of_seed.0a", "test", depends_on={"nodes": [SEED]})
    project.manifest["disabled"] = {SEED: [seed], attached["unique_id"]: [attached]}
    project.leave_out(SEED)
    project.save()
    monkeypatch.setattr("mbp.quality.failures.source_facts", lambda *_: NOTHING)
    assert "1 disabled" not in RUN_READERS["dbt_tests"](project)
    assert "2 disabled" in RUN_READERS["dbt_tests"](project)
    monkeypatch.setenv("MBP_RAW", "loaded")
    assert RUN_READERS["dbt_tests"](project) == ""


POLICY = "contracts/a89/policy.yaml"


def leave_undemanded(
    project: Project, node: str, *, owner: str = "DATA", until: str = "2099-12-31"
) -> None:
    entry = f"{{code: not_demanded, object: {node}, owner: {owner}, reason: slow, until: {until}}}"
    path = project.root / POLICY
    path.write_text(path.read_text().replace("exceptions:\n", f"exceptions:\n  - {entry}\n", 1))


def test_an_exception_for_a_node_that_is_not_there_is_a_failure(project: Project) -> None:
    leave_undemanded(project, "test.mbp.gone.0a")
    assert "there is no 'test.mbp.gone.0a'" in RUN_READERS["dbt_tests"](project)


@pytest.mark.parametrize(("days", "counts"), [(1, True), (-1, False)])
def test_only_what_the_policy_names_may_be_left_out(
    project: Project, days: int, counts: bool
) -> None:
    project.leave_out(UNIT_TEST)
    project.save()
    leave_undemanded(project, UNIT_TEST, until=(NOW() + timedelta(days=days)).date().isoformat())
    assert (RUN_READERS["dbt_tests"](project) == "") is counts


def test_an_exception_of_nobody_is_refused(project: Project) -> None:
    leave_undemanded(project, UNIT_TEST, owner="NOBODY")
    assert "unknown owner 'NOBODY'" in RUN_READERS["dbt_tests"](project)


@pytest.mark.parametrize(("failing", "code"), [(True, 1), (False, 2)])
def test_failures_after_a_part_speak_of_that_part(
    project: Project, failing: bool, code: int
) -> None:
    tests = [one for one in project.run_results["results"] if one["unique_id"].startswith("test.")]
    if failing:
        tests[0].update(status="fail", failures=3)
    project.leave_out(*(one["unique_id"] for one in tests[1:]), select=["one"])
    project.save()
    found, told = command("quality", "failures", "--limit", "0")
    assert found == code, told
    assert "partial: a part of the project" in told
    assert f"this run did not check {len(tests) - 1} rules" in told
    document = command("quality", "failures", "--limit", "0", "--format", "json")[1]
    assert '"partial": [\n    "a part of the project' in document


# --- readers of evidence --------------------------------------------------------------------------------------------

CHECK = CheckDefinition(
    "dbt_tests",
    "Data",
    "every node succeeded",
    {"evidence": NAME, "of": ["source", "data"]},
    "passed_evidence",
    "mbp kpi collect",
    (),
    "DATA",
    False,
)


def measured(project: Project) -> dict[str, Any]:
    """What a command wrote of this project, as the document in the file."""
    begun = envelope.begin(project.root)
    claim = findings_of_last_run(project.root, TARGET).claim
    with connect(project.root, TARGET, read_only=True) as warehouse:
        data = data_state(project.root, warehouse)
    path = envelope.write(
        begun,
        NAME,
        summary="all is well",
        content=passed(NAME),
        target=TARGET,
        warehouse=WAREHOUSE,
        data=data,
        run=claim,
    )
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def by_the_gate(rule: str) -> Callable[[Project], str]:
    def ask(project: Project) -> str:
        context = Context(project.root, TARGET, NOW(), 24, {})
        try:
            judged = RULES[rule].judge(context, CHECK)
        except NotMeasuredError as error:
            return error.what
        assert judged.verdict == "pass"
        return ""

    return ask


def on_the_page(project: Project) -> str:
    judge = _judge(project.root, TARGET, NOW())
    found = measurement(project.root, NAME, judge, "")
    assert found.current is (found.verdict == "pass")
    return "" if found.verdict == "pass" else found.summary


EVIDENCE_READERS: Mapping[str, Callable[[Project], str]] = {
    **{
        rule: by_the_gate(rule)
        for rule in ("passed_evidence", "live_grants", "no_drift", "no_broken_rule")
    },
    "page": on_the_page,
}


def rewritten(**changes: Any) -> Spoil:
    def spoil(project: Project) -> None:
        path = envelope.evidence_path(project.root, NAME)
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return spoil


def after(seconds: float) -> str:
    return (NOW() + timedelta(seconds=seconds)).isoformat()


def changed_source(project: Project) -> None:
    (project.root / YAML_FILE).write_text("models: [1]\n")
    git(project.root, "commit", "-qam", "second")


def changed_while_measuring(project: Project) -> None:
    """The command itself sees it."""
    begun = envelope.begin(project.root)
    (project.root / YAML_FILE).write_text("models: [2]\n")
    envelope.write(begun, NAME, summary="all is well", content=passed(NAME))


def nodes(**changes: Any) -> Spoil:
    def spoil(project: Project) -> None:
        path = envelope.evidence_path(project.root, NAME)
        found = json.loads(path.read_text())
        rewritten(nodes={**found["nodes"], **changes})(project)

    return spoil


EVIDENCE_WAYS: Mapping[str, tuple[Spoil, str]] = {
    "another source": (changed_source, "of another source"),
    "a source that changed meanwhile": (changed_while_measuring, "the source changed while"),
    "a source that changed, in the file": (rewritten(source="0" * 64), "the source changed while"),
    "an unknown source": (rewritten(source=None, source_after=None), "of an unknown source"),
    "another target": (rewritten(target="postgres"), "of the target postgres"),
    "another warehouse": (rewritten(warehouse="warehouse-two"), "of another warehouse"),
    "no warehouse": (rewritten(warehouse=None), "does not say of which warehouse"),
    "this warehouse is another now": (other_identity, "of another warehouse"),
    "another run": (rewritten(invocation="run-three"), "not made in this warehouse"),
    "a run of other nodes": (nodes(digest="0"), "not those of the run"),
    "a part of the nodes": (nodes(covered=1), "a part of the project: 1 of"),
    "no nodes": (rewritten(nodes=None), "which nodes it covered"),
    "tables that were built again": (built_again, "built again by the run run-two"),
    "other data": (
        lambda project: project.execute("insert into marts.mbp_quotes values (2)"),
        "of other data",
    ),
    "the future": (rewritten(ended_at=after(3600)), "in the future"),
    "a clock that was set back": (
        rewritten(began_at=after(0), ended_at=after(-3600)),
        "before it began",
    ),
}


@pytest.mark.parametrize("reader", EVIDENCE_READERS)
def test_evidence_of_this_project_counts(project: Project, reader: str) -> None:
    measured(project)
    assert EVIDENCE_READERS[reader](project) == ""


@pytest.mark.parametrize("way", EVIDENCE_WAYS)
def test_evidence_of_something_else_does_not(project: Project, way: str) -> None:
    measured(project)
    spoil, reason = EVIDENCE_WAYS[way]
    spoil(project)
    for reader, ask in EVIDENCE_READERS.items():
        assert reason in ask(project), reader


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"began_at": "2026-01-01T00:00:00+00:00"}, "at most 24 h count"),
        ({"data": None}, "does not say of which data"),
    ],
)
def test_the_gate_asks_for_age_and_data(
    project: Project, changes: dict[str, Any], reason: str
) -> None:
    measured(project)
    rewritten(**changes)(project)
    assert reason in EVIDENCE_READERS["passed_evidence"](project)


def test_evidence_of_an_older_release_is_refused_by_its_version(project: Project) -> None:
    measured(project)
    rewritten(version=1)(project)
    with pytest.raises(MbpError, match="version 1, this release of mbp reads version 3"):
        envelope.read(project.root, NAME)


# --- readers of the release lock ------------------------------------------------------------------------------------


def by_deploy_check(_: Project) -> str:
    code, told = command("deploy-check")
    assert code in (0, 2), told
    return told if code else ""


def lock_by_the_gate(project: Project) -> str:
    context = Context(project.root, TARGET, NOW(), 24, {})
    context.__dict__["_look"] = SimpleNamespace(policy=load_hooks(project.root))
    try:
        judged = RULES["nothing_blocked"].judge(context, CHECK)
    except NotMeasuredError as error:
        return error.what
    assert judged.verdict == "pass"
    return ""


LOCK_READERS: Mapping[str, Callable[[Project], str]] = {
    "deploy-check": by_deploy_check,
    "nothing_blocked": lock_by_the_gate,
}


def watched(project: Project, *blocks: OpenBlock) -> None:
    of = LockOf(TARGET, WAREHOUSE, source_of(project.root).digest)
    write_lock(state_folder(project.root), blocks, "hash", of=of)


def relocked(**changes: Any) -> Spoil:
    def spoil(project: Project) -> None:
        path = state_folder(project.root).lock
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return spoil


LOCK_WAYS: Mapping[str, tuple[Spoil, str]] = {
    "no lock": (lambda project: state_folder(project.root).lock.unlink(), "not measured"),
    "another source": (changed_source, "of another source"),
    "an unknown source": (relocked(source=None), "of an unknown source"),
    "another target": (relocked(target="postgres"), "of the target postgres"),
    "another warehouse": (relocked(warehouse="warehouse-two"), "of another warehouse"),
    "this warehouse is another now": (other_identity, "of another warehouse"),
    "the future": (relocked(written_at=after(3600)), "in the future"),
    "too old": (relocked(written_at=after(-(10**6))), "at most"),
    "an older version": (relocked(version=1), "version 1, expected 2"),
}


@pytest.mark.parametrize("reader", LOCK_READERS)
def test_a_lock_of_this_project_counts(project: Project, reader: str) -> None:
    watched(project)
    assert LOCK_READERS[reader](project) == ""


@pytest.mark.parametrize("way", LOCK_WAYS)
def test_a_lock_of_something_else_does_not(project: Project, way: str) -> None:
    watched(project)
    spoil, reason = LOCK_WAYS[way]
    spoil(project)
    for reader, ask in LOCK_READERS.items():
        assert reason in ask(project), reader


def test_a_warehouse_without_an_identity_is_none(project: Project) -> None:
    project.execute("delete from verification.warehouse")
    assert "has no id" in RUN_READERS["dbt_tests"](project)
    project.execute("insert into verification.warehouse values ('a', now()), ('b', now())")
    assert "holds 2 ids" in RUN_READERS["dbt_tests"](project)


def test_the_copy_of_a_warehouse_keeps_its_id_and_its_own_runs(project: Project) -> None:
    """A copy is the same warehouse until something is built in one of the two."""
    built_again(project)
    with connect(project.root, TARGET, read_only=True) as warehouse:
        control = read_control(warehouse)
    assert control.warehouse_id == WAREHOUSE
    assert set(control.runs) == {INVOCATION, "run-two"}


@pytest.mark.parametrize(
    ("arguments", "counts"),
    [
        ({"select": ["state:modified+"]}, True),
        ({"select": ["state:modified+"], "exclude": ["logic"]}, False),
        ({"select": ["state:modified+"], "exclude_resource_types": ["unit_test"]}, False),
        ({"select": ["mbp_quotes"]}, False),
    ],
)
def test_only_a_slim_build_of_a_pull_request_may_be_a_part(
    project: Project, monkeypatch: pytest.MonkeyPatch, arguments: dict[str, Any], counts: bool
) -> None:
    project.leave_out(UNIT_TEST, **arguments)
    project.save()
    monkeypatch.setattr("mbp.release.ci.ci_steps.base_problem", lambda *_: None)
    assert look(project.root, project.root, "", 0).blind is not counts
