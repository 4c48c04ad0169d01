"""One model of findings, written as text, JSON, JUnit XML or SARIF 2.1.0."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal
from xml.etree import ElementTree

Level = Literal["error", "warning", "note"]
FORMATS = ("text", "json", "junit", "sarif")
SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


@dataclass(frozen=True)
class Rule:
    """What a code means: told once in SARIF, and by `explain`."""

    code: str
    title: str
    why: str
    cure: str


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        code: stable name of the rule that found it.
        level: errors fail the check; warnings and notes only tell.
        path: file, relative to the project.
        line: 1-based; None where the whole file is meant.
        subject: what it is about, like `mbp_quotes.price`.
    """

    code: str
    level: Level
    path: str
    line: int | None
    subject: str
    message: str
    cure: str = ""

    @property
    def place(self) -> str:
        """`path:line`."""
        return f"{self.path}:{self.line}" if self.line else self.path


@dataclass(frozen=True)
class Suite:
    """One run of one check.

    Attributes:
        name: of the check, e.g. `mbp contracts lint`.
        checked: what was looked at; empty is never a pass.
        rules: code -> meaning, for every code that may occur.
        extra: what else the JSON form carries.
    """

    name: str
    checked: Sequence[str]
    findings: Sequence[Finding]
    rules: Mapping[str, Rule] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def failed(self) -> bool:
        """An error was found."""
        return any(finding.level == "error" for finding in self.findings)


def written(suite: Suite, form: str) -> str:
    """The suite in one of `FORMATS`, ending in a newline."""
    return {"text": _text, "json": _json, "junit": _junit, "sarif": _sarif}[form](suite)


def _text(suite: Suite) -> str:
    lines = []
    for finding in suite.findings:
        cure = f". Cure: {finding.cure}" if finding.cure else ""
        about = f"{finding.subject}: " if finding.subject else ""
        lines.append(
            f"{finding.place}: {finding.level} {finding.code}: {about}{finding.message}{cure}"
        )
    counts = dict.fromkeys(("error", "warning", "note"), 0)
    for finding in suite.findings:
        counts[finding.level] += 1
    told = ", ".join(f"{count} {level}s" for level, count in counts.items())
    lines.append(f"{suite.name}: {len(suite.checked)} checked, {told}")
    return "\n".join(lines) + "\n"


def _json(suite: Suite) -> str:
    document = {
        "name": suite.name,
        "passed": not suite.failed,
        "checked": list(suite.checked),
        "findings": [asdict(finding) for finding in suite.findings],
        **suite.extra,
    }
    return json.dumps(document, indent=2, ensure_ascii=False, default=str) + "\n"


def _junit(suite: Suite) -> str:
    """A case for everything that was checked, so that a pass shows what was looked at."""
    errors = [finding for finding in suite.findings if finding.level == "error"]
    root = ElementTree.Element("testsuites")
    element = ElementTree.SubElement(
        root,
        "testsuite",
        name=suite.name,
        errors="0",
        failures=str(len(errors)),
        tests=str(len(errors) + len(suite.checked)),
    )
    for name in suite.checked:
        case = ElementTree.SubElement(element, "testcase", classname=suite.name, name=name)
        told = [one for one in suite.findings if one.path == name and one.level != "error"]
        if told:
            output = ElementTree.SubElement(case, "system-out")
            output.text = _clean("\n".join(f"{one.code}: {one.message}" for one in told))
    for finding in errors:
        case = ElementTree.SubElement(
            element,
            "testcase",
            classname=finding.path,
            name=_clean(f"{finding.code} {finding.subject}"),
            file=finding.path,
            line=str(finding.line or 1),
        )
        failure = ElementTree.SubElement(
            case, "failure", type=finding.code, message=_clean(finding.message)
        )
        failure.text = _clean(f"{finding.place}: {finding.message}\nCure: {finding.cure}")
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _clean(text: str) -> str:
    """Without characters that XML 1.0 cannot hold."""
    return "".join(one for one in text if one in "\t\n\r" or ord(one) >= ord(" "))


def _sarif(suite: Suite) -> str:
    used = sorted({finding.code for finding in suite.findings} | set(suite.rules))
    rules = []
    for code in used:
        rule = suite.rules.get(code, Rule(code, code, "", ""))
        rules.append(
            {
                "id": code,
                "shortDescription": {"text": rule.title},
                "fullDescription": {"text": rule.why or rule.title},
                "help": {"text": rule.cure or rule.why or rule.title},
            }
        )
    results = [
        {
            "ruleId": finding.code,
            "ruleIndex": used.index(finding.code),
            "level": finding.level,
            "message": {
                "text": f"{finding.subject}: {finding.message}"
                + (f" Cure: {finding.cure}" if finding.cure else "")
            },
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": finding.path, "uriBaseId": "%SRCROOT%"},
                        "region": {"startLine": finding.line or 1},
                    }
                }
            ],
        }
        for finding in suite.findings
    ]
    driver = {"name": suite.name.replace(" ", "-"), "rules": rules}
    document = {
        "$schema": SARIF_SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": driver},
                "artifacts": [{"location": {"uri": name}} for name in suite.checked],
                "results": results,
                "columnKind": "unicodeCodePoints",
            }
        ],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
