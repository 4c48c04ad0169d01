"""What a build came to, in a dozen lines or as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mbp.core.verdict import Verdict, spelled
from mbp.quality.coverage.coverage_measure import Count
from mbp.quality.failures import listed
from mbp.quality.rule_findings import RuleVerdict

PACKS = ("A106", "A87", "A89", "other")
COLUMNS = ("pass", "warn", "fail", "not_run", "not_measured")


@dataclass(frozen=True)
class BuildSummary:
    """One build.

    Attributes:
        target: dbt target.
        raw: 'sample' or 'loaded'.
        models_built, models_failed: models that dbt ran, by outcome (failed includes skipped).
        tests: pack -> column of `COLUMNS` -> number of tests and rules.
        rows: public dataset -> rows, None when it could not be read.
        empty: public datasets without a row although their source is not declared absent.
        coverage: None when it could not be measured (the reason is in `notes`).
        docs: where the documentation is, None when it was not written.
        findings: everything that does not hold, and what is not measurable.
        notes: remarks for the reader, one line each.
        seconds: wall clock of the whole command.
        selected: True when only a part of the project was asked for.
        snapshot: what became of the snapshot for degraded readers, '' when none was asked for.
        partial: why the run does not count for what was asked for; empty when it does.
    """

    target: str
    raw: str
    models_built: int
    models_failed: int
    tests: Mapping[str, Mapping[str, int]]
    rows: Mapping[str, int | None]
    empty: Sequence[str]
    coverage: Count | None
    docs: str | None
    findings: Sequence[RuleVerdict]
    notes: Sequence[str]
    seconds: float
    selected: bool
    snapshot: str = ""
    partial: Sequence[str] = ()

    @property
    def passed(self) -> bool:
        """False when there is an error finding, a model failed, a public dataset is empty, or nodes were left out.

        When only a part was asked for, rules outside of it do not count against the build. A rule that this source
        cannot show does not fail the build either, but it is no pass: gate, watcher and CI count it as not measured.
        """
        blocking = [
            finding
            for finding in self.findings
            if finding.blocks
            and not finding.is_unmeasured
            and not (self.selected and finding.is_not_run)
        ]
        unreadable = None in self.rows.values()
        return not (blocking or self.models_failed or self.empty or unreadable or self.partial)


def column_of(finding: RuleVerdict) -> str:
    """The column of the summary that a verdict is counted in."""
    if finding.verdict == Verdict.ERROR:
        return "fail"
    if finding.verdict == Verdict.NOT_MEASURED and not finding.is_unmeasured:
        return "not_run"
    return finding.verdict


def measured(summary: BuildSummary) -> tuple[int, int]:
    """(tests and rules that gave a verdict on the rows, those that this source cannot show)."""
    counts = Counter[str]()
    for by_column in summary.tests.values():
        counts.update(by_column)
    return counts["pass"] + counts["warn"] + counts["fail"], counts["not_measured"]


def count_by_pack(findings: Sequence[RuleVerdict]) -> dict[str, dict[str, int]]:
    """Pack -> column -> count, every pack and column present."""
    counts = {pack: dict.fromkeys(COLUMNS, 0) for pack in PACKS}
    for finding in findings:
        # A model that did not build is counted with the models, unless a rule owns the reason.
        if finding.is_build:
            continue
        pack = finding.pack if finding.pack in counts else "other"
        counts[pack][column_of(finding)] += 1
    return counts


def render(summary: BuildSummary) -> str:
    """The summary as text for a terminal, without colour, ending in a newline."""
    lines = [
        f"build {'passed' if summary.passed else 'FAILED'} on {summary.target}"
        f"{f' ({summary.raw} data)' if summary.raw else ''} in {summary.seconds:.1f} s",
        *_unmeasured(summary),
        "",
        f"models   {summary.models_built} built"
        + (f", {summary.models_failed} failed or skipped" if summary.models_failed else ""),
    ]
    used = [pack for pack in PACKS if any(summary.tests[pack].values())]
    lines.append("tests    " + "".join(f"{spelled(column):>16}" for column in COLUMNS))
    for pack in used:
        counts = summary.tests[pack]
        lines.append(f"  {pack:<7}" + "".join(f"{counts[column]:>16}" for column in COLUMNS))
    lines.append("rows")
    for dataset, count in sorted(summary.rows.items()):
        message = "cannot be read" if count is None else f"{count:,}"
        mark = "   nothing checked: the dataset is empty" if dataset in summary.empty else ""
        lines.append(f"  {dataset:<20} {message:>12}{mark}")
    if summary.coverage is not None:
        covered = summary.coverage
        lines.append(
            f"docs     {covered.shown_percent} % described ({covered.described} of {covered.total})"
            + (f", {summary.docs}" if summary.docs else "")
        )
    elif summary.docs:
        lines.append(f"docs     {summary.docs}")
    if summary.snapshot:
        lines.append(f"snapshot {summary.snapshot}")
    lines += _findings(summary)
    lines += [f"void     {reason}" for reason in summary.partial]
    lines += [f"note     {note}" for note in summary.notes]
    return "\n".join(lines) + "\n"


def _unmeasured(summary: BuildSummary) -> list[str]:
    done, absent = measured(summary)
    if not absent:
        return []
    return [
        f"{done} tests and rules measured, {absent} NOT MEASURED: the source lacks what they read."
        " Each needs a signed waiver before a release"
    ]


def _findings(summary: BuildSummary) -> list[str]:
    lines: list[str] = []
    shown = [
        finding
        for finding in summary.findings
        if finding.is_broken or finding.verdict == Verdict.ERROR
    ]
    if shown:
        lines += ["", "findings (`mbp quality failures` shows the rows)"]
    for finding in shown:
        lines.append(
            f"  {finding.severity:<8} {finding.rule_id} (owner {finding.owner}): {finding.message}"
        )
    waiting = [
        finding
        for finding in summary.findings
        if finding.verdict == Verdict.NOT_MEASURED and not finding.is_unmeasured
    ]
    left_out = [rule for rule in waiting if summary.selected and rule.is_not_run]
    waiting = [rule_verdict for rule_verdict in waiting if rule_verdict not in left_out]
    if waiting:
        lines += ["", "not run", *_grouped(waiting)]
    if left_out:
        lines += ["", f"{len(left_out)} rule(s) outside of the selection were not checked"]
    absent = [finding for finding in summary.findings if finding.is_unmeasured]
    if absent:
        lines += ["", "not measured: this source lacks what the rules read"]
        lines += _grouped(absent)
    return lines


def _grouped(findings: Sequence[RuleVerdict]) -> list[str]:
    """Each reason once, with the rules that share it."""
    by_reason: dict[str, list[str]] = {}
    for finding in findings:
        by_reason.setdefault(finding.message, []).append(finding.rule_id)
    lines: list[str] = []
    for reason, rules in by_reason.items():
        count = f"{len(rules)} rule{'' if len(rules) == 1 else 's'}"
        lines.append(f"  {count}: {reason.rstrip('.')}")
        lines += listed(rules)
    return lines


def as_json(summary: BuildSummary) -> dict[str, Any]:
    """The summary for machines; key order is fixed."""
    document = asdict(summary)
    if covered := summary.coverage:
        names = ("described", "total", "percent", "shown_percent")
        document["coverage"] = {name: getattr(covered, name) for name in names}
    return {"passed": summary.passed, **document}
