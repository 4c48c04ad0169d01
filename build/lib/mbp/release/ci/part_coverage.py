"""Documentation coverage against main."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mbp.core.verdict import Verdict
from mbp.quality.coverage.coverage_measure import DESCRIBED, MISSING
from mbp.release.ci.comment_parts import CommentPart, literal
from mbp.release.ci.step_reports import Record, Unseen

Document = Mapping[str, Any]


def coverage_part(
    title: str, document: Document, base: Document | Unseen, record: Record
) -> CommentPart:
    """The part, from two reports of `mbp docs coverage --format json`."""
    now = f"{document['percent']:.2f} % ({document['described']} of {document['total']})"
    missing = [item for item in document["items"] if item["state"] == MISSING]
    state = Verdict.FAIL if record.exit_code else Verdict.PASS
    if not document["total"]:
        return CommentPart(
            title, Verdict.NOT_MEASURED, "nothing is there to describe", (), record.seconds
        )
    if isinstance(base, Unseen):
        message = f"{now}; could not compare with main: {base.reason}"
        verdict = Verdict.FAIL if state == Verdict.FAIL else Verdict.NOT_MEASURED
        return CommentPart(title, verdict, message, _items(missing), record.seconds)
    change = document["percent"] - base["percent"]
    described = {_key(item) for item in base["items"] if item["state"] == DESCRIBED}
    lost = [name for name in missing if _key(name) in described]
    known = {_key(item) for item in base["items"]}
    fresh = [name for name in missing if _key(name) not in known]
    headline = f"{now}, {change:+.2f} points against main"
    items = (*_items(lost, "no longer described"), *_items(fresh, "new and not described"))
    return CommentPart(title, state, headline, items, record.seconds)


def _key(results: Document) -> tuple[str, str]:
    return str(results["unique_id"]), str(results["column"] or "")


def _items(results: list[Any], told: str = "not described") -> tuple[str, ...]:
    return tuple(
        f"- {told}: {literal('.'.join(part for part in _key(result) if part))}"
        for result in results
    )
