"""What a run of dbt says about each rule: run_results.json + manifest.json -> findings.

Fail closed: what the contracts demand and the run did not show to hold is a finding, whether its
test failed, could not be evaluated, was skipped, or is not in the results at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from mbp.contracts import Rule
from mbp.core.errors import MbpError
from mbp.core.reporting import Finding
from mbp.core.verdict import Verdict, spelled
from mbp.quality.attribution import constraint_violation, safe_message
from mbp.quality.compiled_tests import disarming, value_column

Severity = Literal["error", "warning"]

# In the order in which a reader wants them.
VERDICTS = (Verdict.FAIL, Verdict.WARN, Verdict.ERROR, Verdict.NOT_MEASURED, Verdict.PASS)
# Why a rule was not measured: dbt skipped its test, the run has no result of it, the source lacks what it reads.
Unmeasured = Literal["", "skipped", "not_run", "source"]
UNMEASURED: tuple[Unmeasured, ...] = get_args(Unmeasured)
RUN_COMMANDS = ("build", "test")


@dataclass(frozen=True)
class RuleVerdict:
    """The verdict on one rule, or on one model or seed that did not build.

    Attributes:
        rule_id: the contract rule; for a test without one its name; for a node `<name>_builds`.
        dataset: the public dataset, or the name of the model that the test is defined on.
        owner: the team that fixes it; 'unknown' when no owner is named.
        severity: what the run enforced: 'error' blocks, 'warning' only reports.
        pack: A89, A106, A87 or 'other'.
        family: rule family of the contract, '' for other tests.
        verdict: see `VERDICTS`; a rule of severity 'warning' that does not hold is a warn.
        reason_unmeasured: see `Unmeasured`; empty when it was measured.
        failing_rows: number of failing rows where it is known.
        message: one line, free of data values.
        description: what the rule means, in the contract's words.
        node: dbt's unique id, None when no node of the run carries the rule.
        columns: columns that the rule reads.
    """

    rule_id: str
    dataset: str
    owner: str
    severity: Severity
    pack: str
    family: str
    verdict: Verdict
    failing_rows: int | None
    message: str
    description: str
    node: str | None
    columns: tuple[str, ...] = ()
    reason_unmeasured: Unmeasured = ""

    @property
    def holds(self) -> bool:
        """True when it was measured and passed."""
        return self.verdict == Verdict.PASS

    @property
    def is_unmeasured(self) -> bool:
        """True when the loaded source lacks what the rule reads: neither held nor broken."""
        return self.reason_unmeasured == "source"

    @property
    def is_not_run(self) -> bool:
        """True when the run has no result of it."""
        return self.reason_unmeasured == "not_run"

    @property
    def is_broken(self) -> bool:
        """True when it was measured and does not hold, whatever its severity."""
        return self.verdict in (Verdict.FAIL, Verdict.WARN)

    @property
    def is_build(self) -> bool:
        """True for a model or seed that did not build, where no rule owns the reason."""
        return self.node is not None and self.rule_id == f"{self.dataset}_builds"

    @property
    def blocks(self) -> bool:
        """True when it must stop a release: broken, not run, or not measured."""
        return not self.holds and self.severity == "error"

    @property
    def finding(self) -> Finding:
        """What does not hold, in the form that every check has."""
        message = f"{spelled(self.verdict)}: {self.message}"
        return Finding(
            self.rule_id,
            message,
            subject=self.dataset,
            severity=self.severity,
            owner=self.owner,
            not_measured=self.verdict == Verdict.NOT_MEASURED,
        )


def order(finding: RuleVerdict) -> tuple[int, tuple[int, int], str, str]:
    """Sort key: errors before warnings, worst verdict first, then by dataset and rule."""
    return (
        0 if finding.severity == "error" else 1,
        _badness(finding),
        finding.dataset,
        finding.rule_id,
    )


def _badness(finding: RuleVerdict) -> tuple[int, int]:
    return VERDICTS.index(finding.verdict), UNMEASURED.index(finding.reason_unmeasured)


def collect(
    manifest: Mapping[str, Any],
    run_results: Mapping[str, Any],
    rules: Sequence[Rule],
    *,
    not_measurable: Mapping[str, str] | None = None,
) -> list[RuleVerdict]:
    """One finding per test of the run, per rule of the contracts, and per node that did not build.

    Args:
        manifest: dbt's manifest.json.
        run_results: dbt's run_results.json of `dbt build` or `dbt test`.
        rules: every rule that the contracts demand.
        not_measurable: rule id -> why this source cannot show it; such a rule never counts as not run.

    Raises:
        MbpError: results of another dbt command, or results without a single test.
    """
    command = str((run_results.get("args") or {}).get("which") or "")
    if command not in RUN_COMMANDS:
        raise MbpError(
            f"holds the results of `dbt {command or '?'}`, which runs no tests",
            path="run_results.json",
            fix="run `mbp build` (or `dbt build`) and ask again",
        )
    project = _Project(manifest, run_results)
    by_rule = {rule.id: rule for rule in rules}
    reasons = not_measurable or {}
    rule_verdicts: dict[str, RuleVerdict] = {}
    stopped: set[str] = set()
    tests_seen = 0
    for result in run_results["results"]:
        node = project.nodes.get(result["unique_id"])
        if node is None:
            continue
        if node["resource_type"] in ("test", "unit_test"):
            tests_seen += 1
            finding = project.test_finding(node, result, by_rule)
        else:
            built = project.build_finding(node, result, by_rule)
            if built is None:
                continue
            finding = built
            stopped.add(finding.rule_id)
        rule_verdicts[finding.rule_id] = _worse(rule_verdicts.get(finding.rule_id), finding)
    if tests_seen == 0:
        raise MbpError(
            "nothing checked: no test ran",
            path="run_results.json",
            fix="run `mbp build` without a selection that leaves out the tests",
        )
    for rule in rules:
        # A constraint that stopped a build is no matter of what can be measured: the rows are not there.
        if rule.id in reasons and rule.id not in stopped:
            rule_verdicts[rule.id] = _unmeasured(rule, "source", reasons[rule.id])
        elif rule.id not in rule_verdicts:
            message = f"the contract demands it, but it is not in the results of `dbt {command}`"
            rule_verdicts[rule.id] = _unmeasured(rule, "not_run", message)
    return sorted(rule_verdicts.values(), key=order)


def _worse(known: RuleVerdict | None, new: RuleVerdict) -> RuleVerdict:
    """A build stopped by a constraint says more than its test, which was skipped because of it."""
    if known is None or _badness(new) < _badness(known):
        return new
    return known


def _unmeasured(rule: Rule, reason: Unmeasured, message: str) -> RuleVerdict:
    return replace(_of_rule(rule, Verdict.NOT_MEASURED, message), reason_unmeasured=reason)


def _broken(rule: Rule) -> Verdict:
    return Verdict.WARN if rule.severity == "warning" else Verdict.FAIL


def _of_rule(rule: Rule, verdict: Verdict, message: str) -> RuleVerdict:
    return RuleVerdict(
        rule_id=rule.id,
        dataset=rule.dataset,
        owner=rule.owner,
        severity="warning" if rule.severity == "warning" else "error",
        pack="A89",
        family=rule.family,
        verdict=verdict,
        failing_rows=None,
        message=message,
        description=rule.description,
        node=None,
        columns=rule.columns,
    )


class _Project:
    """Look-ups over one manifest and its results."""

    def __init__(self, manifest: Mapping[str, Any], run_results: Mapping[str, Any]) -> None:
        self.nodes: dict[str, Mapping[str, Any]] = {
            **manifest["nodes"],
            **manifest.get("unit_tests", {}),
        }
        self.owners = {
            group["name"]: str((group.get("owner") or {}).get("name") or "unknown")
            for group in manifest.get("groups", {}).values()
        }
        self.status = {result["unique_id"]: result["status"] for result in run_results["results"]}

    def ancestors(self, unique_id: str) -> set[str]:
        seen: set[str] = set()
        waiting = [unique_id]
        while waiting:
            node = self.nodes.get(waiting.pop())
            for parent in (node or {}).get("depends_on", {}).get("nodes", []):
                if parent not in seen:
                    seen.add(parent)
                    waiting.append(parent)
        return seen

    def owner_of(self, node: Mapping[str, Any]) -> str:
        """The test's own owner, else that of the group of its node."""
        meta = (node.get("config") or {}).get("meta") or {}
        if meta.get("owner"):
            return str(meta["owner"])
        for unique_id in (node["unique_id"], *self.parents(node)):
            group = (self.nodes.get(unique_id, {}).get("config") or {}).get("group")
            if group:
                return self.owners.get(group, "unknown")
        return "unknown"

    def parents(self, node: Mapping[str, Any]) -> list[str]:
        attached = node.get("attached_node")
        return [*([attached] if attached else []), *node.get("depends_on", {}).get("nodes", [])]

    def dataset_of(self, node: Mapping[str, Any]) -> str:
        meta = (node.get("config") or {}).get("meta") or {}
        parents = self.parents(node)
        return str(meta.get("dataset") or (parents[0].split(".")[2] if parents else node["name"]))

    def test_finding(
        self, node: Mapping[str, Any], result: Mapping[str, Any], rules: Mapping[str, Rule]
    ) -> RuleVerdict:
        config = node.get("config") or {}
        meta = config.get("meta") or {}
        rule_id = str(meta.get("rule_id") or node["name"])
        rule = rules.get(rule_id)
        status = str(result["status"])
        failures = result.get("failures")
        code = result.get("compiled_code") or node.get("compiled_code")
        values = value_column(node, str(code or ""))
        verdict, message = self._test_verdict(node, result, "value" if values else "row")
        disarmed = disarming(config, rule) if rule else None
        if disarmed:
            verdict, message = Verdict.ERROR, disarmed
        severity: Severity = "error"
        if str(config.get("severity") or "error").lower().startswith("warn") or status == "warn":
            severity = "warning"
            verdict = Verdict.WARN if verdict == Verdict.FAIL else verdict
        stated = (rule.columns if rule else ()) or meta.get("columns")
        columns = stated or ([node["column_name"]] if node.get("column_name") else [])
        return RuleVerdict(
            rule_id=rule_id,
            dataset=self.dataset_of(node),
            owner=rule.owner if rule else self.owner_of(node),
            severity=severity,
            pack="A89" if rule else _pack(meta, node),
            family=rule.family if rule else str(meta.get("family") or ""),
            verdict=verdict,
            failing_rows=int(failures)
            if verdict in (Verdict.FAIL, Verdict.WARN) and failures is not None and not values
            else None,
            message=message,
            description=rule.description
            if rule
            else str(meta.get("description") or node.get("description") or ""),
            node=node["unique_id"],
            columns=tuple(str(column) for column in columns),
            reason_unmeasured="skipped" if verdict == Verdict.NOT_MEASURED else "",
        )

    def _test_verdict(
        self, node: Mapping[str, Any], result: Mapping[str, Any], counted: str
    ) -> tuple[Verdict, str]:
        status = str(result["status"])
        if status == "pass":
            return Verdict.PASS, ""
        if status in ("fail", "warn"):
            failures = result.get("failures")
            if failures is None:
                return Verdict.FAIL, "the test failed"
            return Verdict.FAIL, f"{failures} failing {counted}{'' if failures == 1 else 's'}"
        if status == "skipped":
            return Verdict.NOT_MEASURED, f"not checked: {self._why_skipped(node['unique_id'])}"
        # 'error', 'runtime error', 'partial success' and whatever a later dbt may add.
        return (
            Verdict.ERROR,
            f"could not be evaluated: {safe_message(str(result.get('message') or status))}",
        )

    def _why_skipped(self, unique_id: str) -> str:
        ancestors = self.ancestors(unique_id)
        broken = sorted(
            self.nodes[parent]["name"]
            for parent in ancestors
            if parent in self.nodes and self.status.get(parent) in ("error", "runtime error")
        )
        if broken:
            return f"{', '.join(broken)} did not build"
        failed = sorted(
            self.nodes[test]["name"]
            for test, status in self.status.items()
            if status in ("fail", "error")
            and test in self.nodes
            and self.nodes[test]["resource_type"] in ("test", "unit_test")
            and ancestors & set(self.parents(self.nodes[test]))
        )
        if failed:
            return f"{', '.join(failed)} failed before it"
        return "dbt skipped it"

    def build_finding(
        self, node: Mapping[str, Any], result: Mapping[str, Any], rules: Mapping[str, Rule]
    ) -> RuleVerdict | None:
        """A model or seed that did not build; None when it did."""
        status = str(result["status"])
        if status == "success":
            return None
        name = str(node["name"])
        message = str(result.get("message") or status)
        violation = constraint_violation(message) if status != "skipped" else None
        rule = rules.get(violation.rule_id(name)) if violation else None
        if violation and rule:
            column = violation.column
            return replace(
                _of_rule(
                    rule, _broken(rule), f"the constraint on {column} stopped the build of {name}"
                ),
                node=node["unique_id"],
                columns=(column,),
            )
        skipped = status == "skipped"
        why = self._why_skipped(node["unique_id"]) if skipped else safe_message(message)
        return RuleVerdict(
            rule_id=f"{name}_builds",
            dataset=name,
            owner=self.owner_of(node),
            severity="error",
            pack="other",
            family="",
            verdict=Verdict.NOT_MEASURED if skipped else Verdict.ERROR,
            failing_rows=None,
            message=f"{node['resource_type']} {name} was not built: {why}",
            description=f"{node['resource_type']} {name} can be built",
            node=node["unique_id"],
            reason_unmeasured="skipped" if skipped else "",
        )


def _pack(meta: Mapping[str, Any], node: Mapping[str, Any]) -> str:
    if meta.get("pack"):
        return str(meta["pack"])
    tags: Iterable[str] = node.get("tags") or (node.get("config") or {}).get("tags") or []
    for tag in sorted(tags):
        if tag.lower() in ("a87", "a89", "a106"):
            return tag.upper()
    return "other"
