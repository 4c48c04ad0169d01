"""Rules that do not hold: whose they are, and rows that show it, personal values masked once more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mbp.core.errors import MbpError
from mbp.core.masking import MASKED, mask
from mbp.core.verdict import Verdict, spelled
from mbp.core.wording import many
from mbp.quality.privacy.privacy_policy import PrivacyPolicy
from mbp.quality.privacy.scan import hits
from mbp.quality.privacy.text_around import Table
from mbp.release.ci.comment_parts import CommentPart, literal
from mbp.release.ci.step_reports import Record

MOST_ROWS = 5
UNMEASURED = (Verdict.ERROR, Verdict.NOT_MEASURED)
Document = Mapping[str, Any]


@dataclass(frozen=True)
class Veil:
    """What may not be shown: columns of a classified name, values by the policy of A108.

    What is shown here may come from a fork: nothing of it can be followed, so the name alone decides.
    """

    classified: frozenset[str]
    policy: PrivacyPolicy

    def over(self, column: str, value: Any) -> Any:
        """The value, or its mask. What a fork sends may hold what its own masking let through."""
        if value is None or (isinstance(value, str) and MASKED.fullmatch(value)):
            return value
        if column.lower() in self.classified or self._tells(column, str(value)):
            return mask(value)
        return value

    def _tells(self, column: str, text: str) -> bool:
        try:
            return bool(hits(text, "sample", self.policy, table=Table(column)))
        except MbpError:  # a value that a detector cannot read is not shown
            return True


def rules_part(title: str, document: Document, record: Record, veil: Veil) -> CommentPart:
    """The part, from what `mbp ci rules` wrote."""
    findings = document["findings"]
    errors = [finding for finding in findings if finding["verdict"] == Verdict.FAIL]
    warnings = sum(finding["verdict"] == Verdict.WARN for finding in findings)
    blind = [finding for finding in findings if finding["verdict"] in UNMEASURED]
    passed, carried = document["passed"], len(document["carried_over"])
    verdict = Verdict.NOT_MEASURED if blind or document["stale"] else Verdict.PASS
    if errors:
        verdict = Verdict.FAIL
    words = [f"{many(passed, 'check')} held"]
    if carried:
        words.append(f"{carried} hold on main and nothing under them changed")
    if errors:
        words.append(f"{many(len(errors), 'rule')} broken")
    if warnings:
        words.append(f"{many(warnings, 'warning')}")
    if blind:
        words.append(f"{many(len(blind), 'rule')} not measured")
    if document["stale"]:
        words.append("the results may be stale")
    if not passed and not carried and not findings:
        verdict, words = Verdict.NOT_MEASURED, ["no rule was checked"]
    items = [f"- stale: {literal(note)}" for note in document["stale"]]
    items += [_finding(finding, veil) for finding in findings]
    return CommentPart(title, verdict, ", ".join(words), tuple(items), record.seconds)


def _finding(results: Document, veil: Veil) -> str:
    kind = "**broken**" if results["verdict"] == Verdict.FAIL else "warning"
    if results["verdict"] in UNMEASURED:
        kind = f"**{spelled(results['verdict'])}**"
    known = results["failing_rows"] and "failing row" not in results["message"]
    rows = f", {many(results['failing_rows'], 'failing row')}" if known else ""
    lines = [
        f"- {kind}: {literal(results['rule_id'])} of {literal(results['dataset'])}, owner"
        f" {literal(results['owner'])}{rows}: {literal(results['message'])}"
    ]
    lines += [f"  - {row_text(row, veil)}" for row in results["sample"]["rows"][:MOST_ROWS]]
    return "\n".join(lines)


def row_text(row: Mapping[str, Any], veil: Veil) -> str:
    """A row as name=value, its values veiled."""
    cells = []
    for name, value in row.items():
        shown = veil.over(name, value)
        cells.append(f"{name}={'null' if shown is None else shown}")
    return literal(", ".join(cells), 400)
