"""JUnit XML: one suite per file, one failed case per code, one passed case for what was checked.

What could not be measured is an error, or skipped where it does not fail the check; never a pass.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree import ElementTree as Xml

from mbp.core.reporting.findings import Finding, Suite

# What XML 1.0 cannot hold, not even escaped.
UNPRINTABLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(suite: Suite) -> str:
    """The suite as JUnit XML. Measured warnings and notes are in the output of the passed case."""
    by_path: dict[str, list[Finding]] = {path: [] for path in suite.checked}
    for finding in suite.findings:
        by_path.setdefault(finding.path or finding.subject or finding.code, []).append(finding)
    root = Xml.Element("testsuites", name=suite.name)
    for path, findings in by_path.items():
        _file(root, suite, path, findings)
    _count(root)
    Xml.indent(root)
    return Xml.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _file(root: Xml.Element, suite: Suite, path: str, findings: Sequence[Finding]) -> None:
    element = Xml.SubElement(root, "testsuite", name=_clean(path))
    remarks = [
        finding for finding in findings if finding.severity != "error" and not finding.not_measured
    ]
    if path in suite.checked or remarks:
        case = Xml.SubElement(element, "testcase", classname=_clean(path), name=suite.name)
        if remarks:
            Xml.SubElement(case, "system-out").text = _lines(remarks)
    cases: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        if finding not in remarks:
            cases.setdefault((finding.code, _outcome(finding)), []).append(finding)
    for (code, outcome), same in cases.items():
        title = suite.rules[code].title if code in suite.rules else ""
        case = Xml.SubElement(
            element,
            "testcase",
            classname=_clean(path),
            name=_clean(f"{code} {title}".strip()),
        )
        if same[0].path:
            case.set("file", _clean(path))
            case.set("line", str(same[0].line or 1))
        more = f" (and {len(same) - 1} more)" if len(same) > 1 else ""
        message = _clean(same[0].sentence + more)
        Xml.SubElement(case, outcome, type=code, message=message).text = _lines(same)
    _count(element)


def _outcome(finding: Finding) -> str:
    if finding.not_measured:
        return "error" if finding.severity == "error" else "skipped"
    return "failure"


def _count(element: Xml.Element) -> None:
    results = list(element.iter("testcase"))
    element.set("tests", str(len(results)))
    for count, outcome in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        element.set(count, str(sum(case.find(outcome) is not None for case in results)))


def _lines(findings: Sequence[Finding]) -> str:
    return _clean(
        "\n".join(
            f"{finding.place}: {finding.severity} {finding.code}: {finding.sentence}"
            + (f"\n  Fix: {finding.fix}" if finding.fix else "")
            for finding in findings
        )
    )


def _clean(text: str) -> str:
    return UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)
