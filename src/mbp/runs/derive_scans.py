"""Verdicts of what scanners and checkers found: security, privacy, documents."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from mbp.runs.derivation import (
    Content,
    ContradictionError,
    Derivation,
    ReadFile,
    UnmeasuredError,
    consistent,
    count,
    demand,
    derivation,
)

PERCENT = 100
LOGS = "log_samples"
# Percentages are recorded with three decimals.
ROUNDED = 0.0005 + 1e-9


def _part(name: str, *must: str) -> Derivation:
    """The derivation of a part of `mbp security run`.

    Args:
        must: the counts without which nothing was examined.
    """

    def of_part(content: Content, read_file: ReadFile) -> list[str]:
        consistent(content["part"] == name, f"it is of the part {content['part']!r}")
        demand(not content["reason"], str(content["reason"]))
        counts = content["looked_at"]
        for key in must:
            wanted = key.replace("_", " ")
            demand(count(counts.get(key, 0)) > 0, f"no {wanted}: nothing was examined")
        problems = [
            f"{problem['path'] or problem['subject']}: {problem['message']}"
            for problem in content["problems"]
        ]
        if name in COUNTED:
            COUNTED[name](counts, problems)
        if name == "sbom":
            _bill(content, read_file)
        verdict = "fail" if problems else "pass"
        consistent(
            content["verdict"] == verdict, f"it says {content['verdict']!r}, not {verdict!r}"
        )
        return problems

    return of_part


def _audited(counts: Mapping[str, Any], problems: list[str]) -> None:
    found_count = count(counts["found"])
    message = f"{found_count} advisories were found, and none is listed or accepted"
    consistent(not found_count or bool(problems) or count(counts["accepted"]) > 0, message)


def _searched(counts: Mapping[str, Any], problems: list[str]) -> None:
    new = count(counts["new"])
    consistent(not new or bool(problems), f"{new} secrets are new, and none is listed")


def _licensed(counts: Mapping[str, Any], problems: list[str]) -> None:
    unknown = count(counts["packages"]) - count(counts["with_a_licence"])
    message = f"{unknown} packages have no licence, and {len(problems)} are listed"
    consistent(len(problems) >= unknown, message)


COUNTED = {"audit": _audited, "secrets": _searched, "licences": _licensed}
for _name, *_must in (
    ("sbom", "components", "installed_packages"),
    ("sast", "files"),
    ("secrets", "files", "plugins"),
    ("audit", "packages"),
    ("licences", "packages"),
    ("least_privilege", "relations", "roles"),
):
    derivation(f"security_{_name}")(_part(_name, *_must))


def _bill(content: Content, read_file: ReadFile) -> None:
    """The bill of materials that the measurement names is there, is that one, and lists the components."""
    bill = read_file(str(content["file"]))
    if bill is None:
        raise UnmeasuredError(f"{content['file']} is not there")
    same = sha256(bill).hexdigest() == content["sha256"]
    demand(same, f"{content['file']} is not the one that was examined")
    components = json.loads(bill).get("components") or []
    wanted = content["looked_at"]["components"]
    if len(components) != wanted:
        raise ContradictionError(
            f"{content['file']} has {len(components)} components, not {wanted}"
        )


@derivation("privacy_scan")
def of_privacy_scan(content: Content, _: ReadFile) -> list[str]:
    """No finding and no exception that does not hold, in sources that were read to the end."""
    sources = content["sources"]
    demand(bool(sources), "no source was scanned")
    findings, by_kind = content["findings"], content["by_kind"]
    counted: dict[str, int] = {}
    for finding in findings:
        counted[finding["kind"]] = counted.get(finding["kind"], 0) + 1
    consistent(counted == dict(by_kind), "`by_kind` does not count the findings that are listed")
    found_count = sum(count(source["findings"]) for source in sources.values())
    consistent(
        found_count >= len(findings),
        f"the sources count {found_count} findings, {len(findings)} are listed",
    )
    allowed = sum(count(allowance["findings"]) for allowance in content["allowed"])
    problems = [f"{finding['place']}: {finding['kind']}" for finding in findings]
    problems += [str(problem) for problem in content["problems"]]
    if not problems:
        # Each source counts its own: what two of them share is counted twice there, and once in the exception.
        consistent(
            not found_count or allowed > 0,
            f"the sources count {found_count} findings, none is listed",
        )
        for name, finding in sources.items():
            demand(not finding["problem"], f"{name}: {finding['problem']}")
            read = count(finding["looked_at"]) > 0 or bool(finding["note"])
            demand(read, f"{name}: nothing was scanned")
        demand(any(source["looked_at"] for source in sources.values()), "nothing was scanned")
    return problems


def log_findings(content: Content) -> tuple[int, int]:
    """(log lines that were scanned, findings in them).

    Raises:
        UnmeasuredError: none was scanned, or not each of them and nothing was found in the others.
    """
    logs = [source for name, source in content["sources"].items() if LOGS in name]
    lines = sum(count(log["looked_at"]) for log in logs)
    demand(lines > 0, "the scan read no log line")
    findings = sum(count(log["findings"]) for log in logs)
    unread = [str(log["problem"]) for log in logs if log.get("problem")]
    # Findings are findings, whatever else was not read.
    demand(bool(findings) or not unread, f"not every log line was read: {unread[:1]}")
    return lines, findings


@derivation("privacy_measure")
def of_privacy_measure(content: Content, _: ReadFile) -> list[str]:
    """Recall and precision follow from the counts, and reach their targets in every kind of every corpus."""
    demand(bool(content["corpora"]), "no corpus was measured")
    missed = []
    for corpus in content["corpora"]:
        name = str(corpus["name"])
        demand(count(corpus["lines"]) > 0, f"{name}: no line")
        demand(bool(corpus["kinds"]), f"{name}: no kind was measured")
        for kind, score in corpus["kinds"].items():
            labelled, found_count = count(score["labelled"]), count(score["found"])
            alarms = count(score["false_alarms"])
            demand(labelled > 0, f"{name}: no {kind} is labelled")
            consistent(
                found_count <= labelled, f"{name}: {found_count} of {labelled} {kind} were found"
            )
            recall = PERCENT * found_count / labelled
            precision = (
                PERCENT * found_count / (found_count + alarms) if found_count + alarms else 0.0
            )
            for word, reached in (("recall", recall), ("precision", precision)):
                close = abs(reached - float(score[f"{word}_percent"])) <= ROUNDED
                consistent(close, f"{name}: the {word} of {kind} is {reached:.3f} %")
                if reached < float(score[f"target_{word}_percent"]):
                    missed.append(f"{name}: {kind}: {word} {reached:.2f} %")
    consistent(len(content["missed"]) == len(missed), f"{len(missed)} targets are missed")
    return missed


@derivation("documents")
def of_documents(content: Content, _: ReadFile) -> list[str]:
    """There are documents, and nothing is wrong with any."""
    documents = content["documents"]
    demand(bool(documents), "no document was checked")
    problems = [f"{finding['path']}: {finding['message']}" for finding in content["findings"]]
    own = [document["path"] for document in documents if document["findings"]]
    consistent(bool(problems) or not own, "a document has findings that are not listed")
    consistent(bool(problems) or not content["stale"], "a stale document is not listed")
    return problems
