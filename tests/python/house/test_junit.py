"""JUnit files have the structure of Jenkins' junit-10.xsd: elements, their order-free children, their attributes."""

from __future__ import annotations

import re
from itertools import product
from typing import get_args
from xml.etree import ElementTree as Xml

import pytest

from mbp.core.reporting import CodeMeaning, Finding, Severity, Suite
from mbp.core.reporting.output_forms import written

# Element -> (children, attributes that it must have, attributes that it may have), as the schema states them.
OUTCOME = (set[str](), set[str](), {"type", "message"})
TEXT = (set[str](), set[str](), set[str]())
STRUCTURE = {
    "testsuites": (
        {"testsuite"},
        set[str](),
        {"name", "time", "tests", "failures", "errors"},
    ),
    "testsuite": (
        {"testsuite", "properties", "testcase", "system-out", "system-err"},
        {"name", "tests", "failures", "errors"},
        {
            "group",
            "time",
            "skipped",
            "timestamp",
            "hostname",
            "id",
            "package",
            "file",
            "log",
            "url",
        },
    ),
    "testcase": (
        {"skipped", "error", "failure", "system-out", "system-err"},
        {"name"},
        {"time", "classname", "group"},
    ),
    "failure": OUTCOME,
    "error": OUTCOME,
    "skipped": OUTCOME,
    "system-out": TEXT,
    "system-err": TEXT,
}
TIME = re.compile(r"(([0-9]{0,3},)*[0-9]{3}|[0-9]{0,3})*(\.[0-9]*)?")


def assert_valid(element: Xml.Element) -> None:
    children, needed, allowed = STRUCTURE[element.tag]
    attributes = set(element.attrib)
    assert needed <= attributes <= needed | allowed, (element.tag, attributes)
    assert TIME.fullmatch(element.get("time", ""))
    if children:
        assert not (element.text or "").strip(), f"text in {element.tag}"
    for child in element:
        assert child.tag in children, f"{child.tag} in {element.tag}"
        assert_valid(child)


def finding(severity: Severity, path: str, not_measured: bool, message: str) -> Finding:
    line = 7 if path else None
    return Finding(
        "X-001", message, path, line, "a.b", severity=severity, not_measured=not_measured
    )


FINDINGS = [
    finding(severity, path, not_measured, message)
    for severity, path, not_measured, message in product(
        get_args(Severity), ("contracts/a.odcs.yaml", ""), (False, True), ("it broke", "\x00<&>\n")
    )
]


@pytest.mark.parametrize("count", range(len(FINDINGS) + 1))
@pytest.mark.parametrize("checked", [[], ["contracts/a.odcs.yaml", "b"]])
def test_every_suite_is_valid(count: int, checked: list[str]) -> None:
    rules = {"X-001": CodeMeaning("X-001", "It is broken.", "", "")}
    root = Xml.fromstring(written(Suite("s", checked, FINDINGS[:count], rules), "junit"))  # noqa: S314
    assert root.tag == "testsuites"
    assert_valid(root)


def test_file_and_line_are_those_of_the_finding() -> None:
    found = Suite("s", ["contracts/a.odcs.yaml"], FINDINGS[:1])
    root = Xml.fromstring(written(found, "junit"))  # noqa: S314
    (suite,) = root
    assert suite.get("file") == "contracts/a.odcs.yaml"
    (failure,) = suite.iter("failure")
    assert "contracts/a.odcs.yaml:7: error X-001" in str(failure.text)
