"""JUnit XML: one suite per file, one failed case per code, one passed case for each file checked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree import ElementTree as Xml

from mbp.core.reporting.findings import Finding, Suite

# What XML 1.0 cannot hold, not even escaped.
UNPRINTABLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(suite: Suite) -> str:
    """The suite as JUnit XML. Warnings and notes are in the output of the passed case."""
    by_path: dict[str, list[Finding]] = {path: [] for path in suite.checked}
    for finding in suite.findings:
        by_path.setdefault(finding.path or finding.subject, []).append(finding)
    root = Xml.Element("testsuites", name=suite.name)
    for path, findings in by_path.items():
        _file(root, suite, path, findings)
    _count(root)
    Xml.indent(root)
    return Xml.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _file(root: Xml.Element, suite: Suite, path: str, findings: Sequence[Finding]) -> None:
    element = Xml.SubElement(root, "testsuite", name=_clean(path))
    told = [finding for finding in findings if finding.severity != "error"]
    if path in suite.checked or told:
        case = Xml.SubElement(element, "testcase", classname=_clean(path), name=suite.name)
        if told:
            Xml.SubElement(case, "system-out").text = _lines(told)
    by_code: dict[str, list[Finding]] = {}
    for finding in findings:
        if finding.severity == "error":
            by_code.setdefault(finding.code, []).append(finding)
    for code, found in by_code.items():
        title = suite.rules[code].title if code in suite.rules else ""
        case = Xml.SubElement(
            element,
            "testcase",
            classname=_clean(path),
            name=_clean(f"{code} {title}".strip()),
        )
        if found[0].path:
            case.set("file", _clean(path))
            case.set("line", str(found[0].line or 1))
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        failure = Xml.SubElement(
            case, "failure", type=code, message=_clean(found[0].sentence + more)
        )
        failure.text = _lines(found)
    _count(element)


def _count(element: Xml.Element) -> None:
    results = list(element.iter("testcase"))
    element.set("tests", str(len(results)))
    element.set("failures", str(sum(case.find("failure") is not None for case in results)))
    element.set("errors", "0")
    element.set("skipped", "0")


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
