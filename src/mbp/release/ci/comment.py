"""The comment: verdict first, then the parts. Green only when everything was checked and everything holds."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from mbp.contracts import load_contracts
from mbp.core.errors import MbpError
from mbp.core.settings import load_settings
from mbp.core.verdict import Verdict
from mbp.core.wording import many
from mbp.quality.classes import classified_names
from mbp.quality.privacy.privacy_policy import load_policy
from mbp.release.ci.comment_parts import (
    CommentPart,
    Veil,
    contracts_part,
    coverage_part,
    failed_nodes,
    lineage_part,
    literal,
    rules_part,
    unseen,
)
from mbp.release.ci.step_reports import (
    BUILD,
    CONTRACTS,
    COVERAGE,
    MANIFEST,
    OF_ANY_PROJECT,
    REPORTS,
    RULES,
    RUN_RESULTS,
    STEPS,
    CiStep,
    Record,
    UnseenError,
    base_problem,
    read_manifest,
    read_object,
    read_record,
    read_report,
)

MARKER = "<!-- mbp-ci-comment -->"
# Of GitHub, in characters. Bytes are counted, which are never fewer.
LARGEST_BYTES = 65_536
VERDICTS: dict[Verdict, str] = {
    Verdict.PASS: "may be merged",
    Verdict.FAIL: "may NOT be merged",
    Verdict.NOT_MEASURED: "not everything was measured, so it may not be merged yet",
}
SIGNS: dict[Verdict, str] = {
    Verdict.PASS: "pass",
    Verdict.FAIL: "**fail**",
    Verdict.NOT_MEASURED: "**not measured**",
}
ADDRESS = re.compile(r"https://[A-Za-z0-9.:-]+(/[A-Za-z0-9._~-]+)*/?")
LINEAGE = "Lineage"
CONCLUSION = "The run as a whole"


@dataclass(frozen=True)
class Comment:
    """What is to be said about one commit.

    Attributes:
        base: the commit that it was compared with; '' where no step says so.
        run_url: page of the run at the forge; '' where it is not known.
    """

    commit: str
    base: str
    parts: tuple[CommentPart, ...]
    run_url: str = ""

    @property
    def verdict(self) -> Verdict:
        """The worst of the parts; of nothing at all nothing was seen."""
        verdicts = {part.verdict for part in self.parts}
        if Verdict.FAIL in verdicts:
            return Verdict.FAIL
        return Verdict.PASS if verdicts == {Verdict.PASS} else Verdict.NOT_MEASURED


def base_of(folder: Path, steps: Sequence[CiStep], commit: str) -> str:
    """The one base that all steps name; '' when they name none, or several."""
    bases = set()
    for step in steps:
        with suppress(UnseenError):
            bases.add(read_record(folder, step, commit).base)
    return bases.pop() if len(bases) == 1 else ""


def read_comment(
    root: Path,
    folder: Path,
    commit: str,
    base_folder: Path | None,
    conclusion: str | None,
    run_url: str = "",
) -> Comment:
    """Reads the reports of a run. Whatever is wrong with them is said in the comment.

    Args:
        root: a project that is trusted: its contracts and its policy say what is masked.
        folder: what the steps left.
        commit: that the reports must be of.
        base_folder: the stored build of main.
        conclusion: of the run as the forge reports it, where it is known.
        run_url: page of the run at the forge, where it is known.

    Raises:
        MbpError: the contracts or the policy of the trusted project cannot be read.
    """
    steps = OF_ANY_PROJECT if load_settings(root).hosted else STEPS
    base = base_of(folder, steps, commit)

    def of_main() -> Path:
        if problem := base_problem(base_folder, base):
            raise UnseenError(problem)
        return base_folder or folder

    def main_coverage() -> dict[str, Any]:
        path = of_main() / COVERAGE.report
        return read_object(path, REPORTS[COVERAGE.name], f"{COVERAGE.report} of main")

    def lineage() -> CommentPart:
        report = read_report(folder, BUILD, read_record(folder, BUILD, commit))
        manifest = read_manifest(folder, commit, MANIFEST)
        old = read_manifest(of_main(), base, MANIFEST)
        if report["modified"] is None:
            raise UnseenError("it is not known what is modified")
        return lineage_part(LINEAGE, manifest, old, report["modified"])

    try:
        manifest = read_manifest(folder, commit, MANIFEST)
    except UnseenError:
        manifest = {"nodes": {}}
    veil = Veil(classified_names(load_contracts(root), manifest), load_policy(root))
    results = partial(read_manifest, folder, commit, RUN_RESULTS)
    makers: dict[CiStep, Callable[[dict[str, Any], Record], CommentPart]] = {
        CONTRACTS: lambda report, record: contracts_part(CONTRACTS.title, report, record, veil),
        RULES: lambda report, record: rules_part(RULES.title, report, record, veil),
        COVERAGE: lambda report, record: coverage_part(
            COVERAGE.title, report, main_coverage, record
        ),
        BUILD: lambda report, record: _build_part(
            report, results()["results"], manifest["nodes"], record, veil
        ),
    }
    parts = [_step_part(folder, step, commit, makers.get(step), veil) for step in steps]
    try:
        parts.insert(2, lineage())
    except UnseenError as reason:
        parts.insert(2, unseen(LINEAGE, reason))
    if conclusion is not None and conclusion != "success":
        parts.append(
            CommentPart(
                CONCLUSION, Verdict.NOT_MEASURED, "a job of it failed, was cancelled or did not run"
            )
        )
    return Comment(commit, base, tuple(parts), run_url)


def _step_part(
    folder: Path,
    step: CiStep,
    commit: str,
    maker: Callable[[dict[str, Any], Record], CommentPart] | None,
    veil: Veil,
) -> CommentPart:
    """What a step left, as far as it came: a step that failed hides nothing that it found before."""
    try:
        record = read_record(folder, step, commit)
    except UnseenError as reason:
        return unseen(step.title, reason)
    if maker is None:
        state = Verdict.FAIL if record.exit_code else Verdict.PASS
        part = CommentPart(step.title, state, "see the log of its job", (), record.seconds)
    else:
        try:
            part = maker(read_report(folder, step, record), record)
        except UnseenError as reason:
            part = unseen(step.title, reason, record.seconds)
    if record.exit_code > 1:
        why = f"the step could not run (exit code {record.exit_code})"
        shown = why if maker is None or not part.items else f"{part.headline}; {why}"
        worst = Verdict.FAIL if part.verdict == Verdict.FAIL and maker else Verdict.NOT_MEASURED
        part = replace(part, verdict=worst, headline=shown)
    elif record.exit_code and part.verdict == Verdict.PASS:
        part = replace(part, verdict=Verdict.FAIL, headline=f"{part.headline}; the step failed")
    if record.exit_code and record.output and not part.items:
        last = "\n".join(f"  - {literal(veil.over('', line), 300)}" for line in record.output)
        part = replace(part, items=(f"- the last lines of its log:\n{last}",))
    return part


def _build_part(
    report: dict[str, Any],
    results: Sequence[dict[str, Any]],
    nodes: dict[str, Any],
    record: Record,
    veil: Veil,
) -> CommentPart:
    if not results:
        raise UnseenError("nothing was built")
    count = many(len(results), "result")
    items = tuple(failed_nodes(results, nodes, veil))
    # The reasons are those of mbp.release.ci.ci_steps: our words, but the file may come from another author.
    mode = "only what is modified and what comes after it" if report["mode"] == "slim" else "all"
    state = Verdict.FAIL if record.exit_code else Verdict.PASS
    failed = f", {many(len(items), 'node')} failed" if items else ""
    return CommentPart(BUILD.title, state, f"built {mode}: {count}{failed}", items, record.seconds)


def demand_address(text: str) -> str:
    """An https address that can be a link of Markdown, or nothing.

    Raises:
        MbpError: it is neither.
    """
    if text and not ADDRESS.fullmatch(text):
        raise MbpError(f"{text!r} is no address of a run", fix="give an https address")
    return text


def render(comment: Comment, largest_bytes: int = LARGEST_BYTES) -> str:
    """The Markdown, not longer than `largest_bytes`: items are cut, longest part first, and it is said."""
    shown = {part.title: len(part.items) for part in comment.parts}
    text = _markdown(comment, shown)
    while len(text.encode()) > largest_bytes and any(shown.values()):
        longest = max(
            comment.parts, key=lambda part: sum(map(len, part.items[: shown[part.title]]))
        )
        shown[longest.title] //= 2
        text = _markdown(comment, shown)
    return text


def _markdown(comment: Comment, shown: dict[str, int]) -> str:
    compared = f"compared with `{comment.base[:12]}`" if comment.base else "compared with nothing"
    lines = [
        MARKER,
        f"## Data contracts: {VERDICTS[comment.verdict]}",
        "",
        f"Commit `{comment.commit[:12]}`, {compared}."
        + (f" [The run]({comment.run_url})." if comment.run_url else ""),
        "",
        *_blockers(comment),
        "| check | verdict | result | seconds |",
        "| --- | --- | --- | ---: |",
    ]
    lines += [
        f"| {part.title} | {SIGNS[part.verdict]} | {part.headline} |"
        f" {'' if part.seconds is None else f'{part.seconds:.1f}'} |"
        for part in comment.parts
    ]
    total = sum(part.seconds or 0 for part in comment.parts)
    lines.append(f"| all steps, one after the other | | | {total:.1f} |")
    for part in comment.parts:
        if not part.items:
            continue
        lines += ["", f"### {part.title}", "", *part.items[: shown[part.title]]]
        left_out = len(part.items) - shown[part.title]
        if left_out:
            lines.append(
                f"- **cut**: {left_out} of {len(part.items)} entries are left out, because a comment may hold"
                f" {LARGEST_BYTES:,} characters; all of them are in the reports of the run"
            )
    return "\n".join(lines) + "\n"


def _blockers(comment: Comment) -> list[str]:
    """A line for each part that blocks: its first finding, and how many more there are."""
    lines = []
    for part in comment.parts:
        if part.verdict != Verdict.FAIL:
            continue
        first = part.items[0].splitlines()[0].removeprefix("- ") if part.items else part.headline
        more = f" (and {len(part.items) - 1} more)" if len(part.items) > 1 else ""
        lines.append(f"- {part.title}: {first}{more}")
    return [*lines, ""] if lines else []


def as_json(comment: Comment) -> dict[str, Any]:
    """The verdicts without the details."""
    return {
        "verdict": comment.verdict,
        "commit": comment.commit,
        "base": comment.base,
        "parts": [
            {
                "title": part.title,
                "verdict": part.verdict,
                "seen": part.headline,
                "seconds": part.seconds,
            }
            for part in comment.parts
        ],
    }
