"""Verdicts of what runs measured: the build, the KPIs of a run, exercises, and the gate itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mbp.core.verdict import COMPARISONS, RELEASING, Verdict, gate_verdict
from mbp.runs.derivation import Content, ReadFile, consistent, count, demand, derivation

# Lists of a proof of the rules that have to be empty.
PROOF_GAPS = ("clean_sample", "without_fault", "without_rule", "untested", "overridden")


@derivation("build")
def of_build(content: Content, _: ReadFile) -> list[str]:
    """Every model built, every error rule that was measured holds, no public dataset empty or unreadable."""
    tests = content["tests"].values()
    listed = [finding for finding in content["findings"] if not _is_build(finding)]
    for column, verdicts in (
        ("fail", (Verdict.FAIL, Verdict.ERROR)),
        ("not_run", (Verdict.NOT_MEASURED,)),
    ):
        counted = sum(count(by_column[column]) for by_column in tests)
        results = [
            result
            for result in listed
            if result["verdict"] in verdicts and not lacks_source(result)
        ]
        consistent(
            counted == len(results), f"{counted} tests are `{column}`, {len(results)} are listed"
        )
    problems = []
    if failed := count(content["models_failed"]):
        problems.append(f"{failed} models failed")
    problems += [f"{name} cannot be read" for name, rows in content["rows"].items() if rows is None]
    problems += [f"{name} is empty" for name in content["empty"]]
    problems += [
        f"{finding['rule_id']}: {finding['verdict']}"
        for finding in content["findings"]
        if finding["severity"] == "error"
        and finding["verdict"] != Verdict.PASS
        and not lacks_source(finding)
    ]
    consistent(content["passed"] is (not problems), f"`passed` is {content['passed']!r}")
    if not problems:
        demand(content["selected"] is False, "only a part of the project was built")
        demand(not content["partial"], "; ".join(content["partial"]))
        demand(count(content["models_built"]) > 0, "no model was built")
        demand(bool(content["rows"]), "no public dataset was built")
        demand(sum(count(test["pass"]) for test in tests) > 0, "no test passed: nothing was tested")
    return problems


def lacks_source(finding: Mapping[str, Any]) -> bool:
    """The rule was not measured because the loaded source lacks what it reads."""
    if finding["verdict"] != Verdict.NOT_MEASURED:
        return False
    return str(finding["reason_unmeasured"]) == "source"


def _is_build(finding: Mapping[str, Any]) -> bool:
    """A model that did not build is counted with the models."""
    return finding["node"] is not None and finding["rule_id"] == f"{finding['dataset']}_builds"


def _judged(content: Content, value: float, sentences: list[str]) -> list[str]:
    """Against the target that the measurement states, when the recorded value is the one that follows."""
    consistent(
        type(content["value"]) in (int, float) and content["value"] == value,
        f"the value is {content['value']!r}, the entries give {value:g}",
    )
    samples, least = count(content["samples"]), count(content["minimum_samples"])
    demand(samples >= max(least, 1), f"{samples} samples, at least {max(least, 1)} are needed")
    target = content["target"]
    if COMPARISONS[target["operator"]](value, float(target["bound"])):
        return []
    return sentences or [f"{value:g}, target {target['operator']} {target['bound']:g}"]


def _demand_value(content: Content) -> None:
    demand(content["value"] is not None, str(content["detail"]))


@derivation("dbt_tests")
def of_dbt_tests(content: Content, _: ReadFile) -> list[str]:
    """No node of the run is listed as failed."""
    _demand_value(content)
    failed = [f"{node['node']}: {node['status']}" for node in content["evidence"]]
    return _judged(content, len(failed), failed)


@derivation("schema_drift")
def of_schema_drift(content: Content, _: ReadFile) -> list[str]:
    """No difference and no forbidden change is listed."""
    _demand_value(content)
    drift, changes = content["evidence"]["drift"], content["evidence"]["changes"]
    return _judged(
        content,
        len(drift) + len(changes),
        [f"{len(drift)} differences, {len(changes)} forbidden changes"],
    )


@derivation("data_contract_break")
def of_contract_break(content: Content, _: ReadFile) -> list[str]:
    """Every listed rule passed. One that could not be measured is no pass, whatever waiver it carries."""
    rules = content["evidence"]
    demand(bool(rules), str(content["detail"]))
    unmeasured = [str(rule["rule_id"]) for rule in rules if lacks_source(rule)]
    broken = [
        f"{rule['rule_id']}: {rule['verdict']}"
        for rule in rules
        if rule["verdict"] != Verdict.PASS and not lacks_source(rule)
    ]
    measured = len(rules) - len(unmeasured)
    message = f"{len(unmeasured)} of {len(rules)} error rules were not measured"
    if not broken:
        demand(not unmeasured, message)
        _demand_value(content)
    consistent(count(content["samples"]) == measured, f"{measured} rules gave a verdict")
    return _judged(content, len(broken), broken)


@derivation("hook_coverage")
def of_hook_coverage(content: Content, _: ReadFile) -> list[str]:
    """The share of KPIs without a gap is on the target."""
    _demand_value(content)
    covered = content["evidence"]
    demand(bool(covered), "no KPI was examined")
    consistent(count(content["samples"]) == len(covered), f"{len(covered)} KPIs are listed")
    gaps = [f"{kpi['kpi_id']}: {', '.join(kpi['gaps'])}" for kpi in covered if kpi["gaps"]]
    return _judged(content, 100.0 * (len(covered) - len(gaps)) / len(covered), gaps)


def has_passed(run: Mapping[str, Any]) -> bool:
    """Whether an exercise passed: it says so, and lists no problem."""
    return run.get("passed") is True and not run.get("problems")


def actions_done(runs: Iterable[Mapping[str, Any]], source: str) -> dict[str, list[str]]:
    """Action -> the exercises that carried it out and passed on this source, sorted."""
    done: dict[str, list[str]] = {}
    for run in sorted(runs, key=lambda run: str(run["id"])):
        if has_passed(run) and run.get("source") == source:
            actions = {
                name for decision in run["decisions"] for name in str(decision["action"]).split("+")
            }
            for name in sorted(actions):
                done.setdefault(name, []).append(str(run["id"]))
    return done


@derivation("exercises")
def of_exercises(content: Content, _: ReadFile) -> list[str]:
    """Every exercise of the file ran and passed."""
    runs = {str(exercise["id"]): exercise for exercise in content["exercises"]}
    wanted = [str(identifier) for identifier in content["defined"]]
    demand(bool(wanted), "no exercise is defined")
    demand(bool(runs), "no exercise ran")
    problems = [f"{name}: never run" for name in wanted if name not in runs]
    for name, run in runs.items():
        passed, wrong = run["passed"], list(run.get("problems") or ())
        consistent(type(passed) is bool, f"{name}: `passed` is {passed!r}")
        consistent(not (passed and wrong), f"{name} passed, with {len(wrong)} problems")
        if not passed:
            problems.append(f"{name}: {wrong[0] if wrong else 'failed'}")
    return problems


@derivation("gate_")
def of_gate(content: Content, _: ReadFile) -> list[str]:
    """Every check passed or is waived, and the counts are those of the checks."""
    verdicts = [result["verdict"] for result in content["results"]]
    demand(bool(verdicts), "no check was judged")
    results = {name: verdicts.count(name) for name in ("pass", "waived", "fail", "not_measured")}
    consistent(content["counts"] == results, "the counts are not those of its checks")
    consistent(sum(results.values()) == len(verdicts), "a check has an unknown verdict")
    problems = [
        f"{result['id']}: {result['verdict']}"
        for result in content["results"]
        if result["verdict"] not in RELEASING
    ]
    wanted = gate_verdict(content["results"])
    consistent(content["verdict"] == wanted, f"it says {content['verdict']!r}, not {wanted!r}")
    return problems


@derivation("proof")
def of_proof(content: Content, _: ReadFile) -> list[str]:
    """Every rule caught the fault that was planted for it, and nothing was left out."""
    demand(content["complete"] is True, "only a part of the rules was tried")
    demand(bool(content["rules"]), "no rule was tried")
    problems = [
        f"{rule['rule_id']}: {'; '.join(rule['problems']) or 'not proved'}"
        for rule in content["rules"]
        if rule["proved"] is not True or rule["problems"]
    ]
    return problems + [
        f"{name}: {', '.join(content[name])}" for name in PROOF_GAPS if content[name]
    ]
