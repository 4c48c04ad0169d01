"""The parts of the comment: contracts, rules, build, coverage and lineage, and how text of others is shown in them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mbp.core.errors import MbpError
from mbp.core.masking import MASKED, mask
from mbp.core.verdict import Verdict, spelled
from mbp.core.wording import many, one_line
from mbp.quality.coverage.coverage_measure import DESCRIBED, MISSING
from mbp.quality.privacy.privacy_policy import PrivacyPolicy
from mbp.quality.privacy.scan import hits
from mbp.quality.privacy.text_around import Table
from mbp.release.ci.step_reports import Record, UnseenError

LONGEST = 160


@dataclass(frozen=True)
class CommentPart:
    """One part.

    Attributes:
        headline: our own words and numbers only; goes into the table on top.
        items: bullets, each with its own lines; cut from the end when the comment is too long.
        seconds: how long its step took; None where it has none.
    """

    title: str
    verdict: Verdict
    headline: str
    items: tuple[str, ...] = ()
    seconds: float | None = None


def literal(value: Any, longest: int = LONGEST) -> str:
    """A code span on one line: in it no mention, link, tag, reference or markup comes to life.

    It is used in bullets only, never in a table: a table would read a backslash and a bar in it.
    """
    text = one_line(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
    text = text.replace("`", "'")
    if len(text) > longest:
        text = f"{text[: longest - 1]}…"
    return f"`{text}`" if text else "(empty)"


def named(values: Any, most: int) -> str:
    """Several names, the first `most` of them."""
    shown = ", ".join(literal(value) for value in values[:most])
    return shown + (f" and {len(values) - most} more" if len(values) > most else "")


def unseen(title: str, reason: UnseenError, seconds: float | None = None) -> CommentPart:
    """A part that says why it is empty. The reasons are our own words."""
    return CommentPart(title, Verdict.NOT_MEASURED, str(reason), (), seconds)


# Of dbt; what failed because of them is `skipped`.
FAILED = ("error", "fail", "runtime error")
# Lines of an error that a reader needs; dbt's first one only names the node again.
MOST_LINES = 4


def failed_nodes(
    results: Sequence[Mapping[str, Any]], nodes: Mapping[str, Any], veil: Veil
) -> Iterator[str]:
    """A bullet per failed node, in the order in which they ran.

    Args:
        results: of run_results.json.
        nodes: of the manifest; a node that is not there is named by its id.
    """
    for result in results:
        if result.get("status") not in FAILED:
            continue
        name = str(result.get("unique_id", ""))
        node = _mapping(nodes.get(name))
        owner = _mapping(_mapping(node.get("config")).get("meta")).get("owner")
        file = node.get("original_file_path")
        place = f" in {literal(file)}" if file else ""
        whose = f", owner {literal(owner)}" if owner else ""
        lines = [line.strip() for line in str(result.get("message") or "").splitlines()]
        shown = [f"  - {literal(veil.over('', line))}" for line in lines if line][:MOST_LINES]
        yield "\n".join([f"- **{result['status']}**: {literal(name)}{place}{whose}", *shown])


def _mapping(value: Any) -> Mapping[str, Any]:
    """What another author wrote may be anything."""
    return value if isinstance(value, Mapping) else {}


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
        words.append(many(warnings, "warning"))
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


MOST_NAMES = 12


def contracts_part(title: str, document: Document, record: Record, veil: Veil) -> CommentPart:
    """The part, from what `mbp contracts check --format json` wrote: each change once, what blocks first."""
    changed = [dataset for dataset in document["datasets"] if dataset["changes"]]
    blocking = [finding for finding in document["findings"] if finding["severity"] == "error"]
    verdict = Verdict.FAIL if blocking or not document["passed"] else Verdict.PASS
    if not document["checked"]:
        raise UnseenError("no contract was checked")
    bumps = sorted({result["bump"] for result in changed} & {"major", "minor", "patch"})
    headline = f"{many(len(document['checked']), 'contract')} checked, "
    headline += f"{many(len(changed), 'dataset')} changed"
    headline += f" (demands {', '.join(bumps)})" if bumps else ""
    headline += f", {many(len(blocking), 'blocking finding')}" if blocking else ""
    fixes = {(finding["code"], finding["subject"]): finding for finding in blocking}
    of_changes = {
        (change["code"], change["path"]) for result in changed for change in result["changes"]
    }
    items = [_blocker(finding) for key, finding in fixes.items() if key not in of_changes]
    items += [item for result in changed for item in _dataset(result, fixes, veil)]
    return CommentPart(title, verdict, headline, tuple(items), record.seconds)


def _blocker(results: Document) -> str:
    fix = f" Fix: {literal(results['fix'])}" if results.get("fix") else ""
    return (
        f"- **blocks**: {literal(results['code'])} at {literal(results['subject'])}:"
        f" {literal(results['message'], 400)}.{fix}"
    )


def _dataset(
    results: Document, fixes: Mapping[tuple[str, str], Document], veil: Veil
) -> Iterator[str]:
    yield (
        f"- {literal(results['dataset'])} {literal(results['version'])}, compared with"
        f" {named(results['compared_with'], MOST_NAMES)}: demands {literal(results['bump'])},"
        f" at least {literal(results['least_version'])}"
    )
    changes: dict[str, Document] = {}
    for change in results["changes"]:
        # Against several versions it is shown once, as against the newest.
        changes.setdefault(str(change.get("fingerprint")), change)
    for change in sorted(changes.values(), key=lambda change: not change["blocks"]):
        yield _change(change, fixes.get((change["code"], change["path"])), veil)


def _change(change: Document, finding: Document | None, veil: Veil) -> str:
    blocks = ""
    if finding is not None:
        fix = f" Fix: {literal(finding['fix'])}" if finding.get("fix") else ""
        blocks = f"; **blocks**: {literal(finding['message'], 400)}.{fix}"
    lines = [
        f"  - {literal(change['code'])} {literal(change['path'])}:"
        f" {_value(change.get('old'))} → {_value(change.get('new'))};"
        f" BACKWARD {change['backward']}, FORWARD {change['forward']}, bump {literal(change['bump'])}"
        f"{blocks}"
    ]
    for direction, witness in change["witness"].items():
        valid, invalid = ("new", "old") if direction == "forward" else ("old", "new")
        lines.append(
            f"counterexample: valid under the {valid} contract, not under the {invalid}:"
            f" {literal(witness['row'], 400)}"
        )
    if change["readers"] is None:
        lines.append("read by: not known, the check had no manifest of dbt")
    elif change["readers"]:
        lines.append(f"read by {named(change['readers'], MOST_NAMES)}")
    lines += [literal(note, 400) for note in change["notes"]]
    if change["row"]:
        lines.append(f"such as {row_text(change['row'], veil)}")
    return "\n    - ".join(lines)


def _value(value: Any) -> str:
    return "nothing" if value is None else literal(value)


def coverage_part(
    title: str, document: Document, read_base: Callable[[], Document], record: Record
) -> CommentPart:
    """The part, from two reports of `mbp docs coverage --format json`.

    Args:
        read_base: gives that of main, or raises UnseenError.
    """
    now = f"{document['percent']:.2f} % ({document['described']} of {document['total']})"
    missing = [item for item in document["items"] if item["state"] == MISSING]
    state = Verdict.FAIL if record.exit_code else Verdict.PASS
    if not document["total"]:
        raise UnseenError("nothing is there to describe")
    try:
        base = read_base()
    except UnseenError as reason:
        message = f"{now}; could not compare with main: {reason}"
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


def _items(results: list[Any], gap: str = "not described") -> tuple[str, ...]:
    return tuple(
        f"- {gap}: {literal('.'.join(part for part in _key(result) if part))}" for result in results
    )


MOST_NODES = 20
BUILT = ("model", "seed", "snapshot")


def reached(manifest: Document, start: Iterable[str]) -> list[str]:
    """Everything that comes after `start`, itself left out, sorted.

    Raises:
        UnseenError: the manifest has no child_map, or one of another form.
    """
    children = manifest.get("child_map")
    if not isinstance(children, dict):
        raise UnseenError("the manifest has no child_map")
    first = set(start)
    seen: set[str] = set()
    waiting = sorted(first)
    while waiting:
        below = children.get(waiting.pop(), [])
        if not isinstance(below, list) or not all(isinstance(name, str) for name in below):
            raise UnseenError("the child_map of the manifest is not of the expected form")
        waiting += [name for name in below if name not in seen]
        seen.update(below)
    return sorted(seen - first)


def lineage_part(
    title: str, manifest: Document, base: Document, modified: list[str]
) -> CommentPart:
    """The part.

    Args:
        manifest: of this commit.
        base: that of main; it shows what was removed.
        modified: unique ids, as `dbt ls --select state:modified` lists them.
    """
    gone = sorted(set(base["nodes"]) - set(manifest["nodes"]))
    gone = [unique_id for unique_id in gone if unique_id.partition(".")[0] in BUILT]
    changed = sorted(node for node in set(modified) if node.partition(".")[0] in BUILT)
    readers = reached(manifest, changed)
    lost = reached(base, gone)
    models = [reader for reader in readers if reader.startswith("model.")]
    exposures = sorted({reader for reader in (*readers, *lost) if reader.startswith("exposure.")})
    headline = f"{many(len(changed), 'node')} changed, {len(gone)} gone;"
    headline += f" reaches {many(len(models), 'model')} and {many(len(exposures), 'exposure')}"
    items = []
    if changed:
        items.append(f"- changed: {named([_name(node_id) for node_id in changed], MOST_NODES)}")
    if gone:
        items.append(f"- **gone**: {named([_name(unique_id) for unique_id in gone], MOST_NODES)}")
    if models:
        items.append(f"- reaches: {named([_name(model) for model in models], MOST_NODES)}")
    items += [_exposure(exposure, manifest, base) for exposure in exposures]
    return CommentPart(title, Verdict.PASS, headline, tuple(items))


def _name(unique_id: str) -> str:
    """`model orders`"""
    kind, _, rest = unique_id.partition(".")
    return f"{kind} {rest.partition('.')[2]}"


def _exposure(unique_id: str, *manifests: Document) -> str:
    for manifest in manifests:
        exposures = manifest.get("exposures")
        exposure = exposures.get(unique_id) if isinstance(exposures, dict) else None
        owner = exposure.get("owner") if isinstance(exposure, dict) else None
        if isinstance(owner, dict):
            return f"- {literal(_name(unique_id))}, owner {literal(owner.get('name') or 'unknown')}"
    return f"- {literal(_name(unique_id))}, owner unknown"
