"""SARIF 2.1.0: what code scanning reads to show findings beside the lines of a change."""

from __future__ import annotations

import hashlib
import json
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import quote

from mbp.core.reporting.findings import CodeMeaning, Finding, Suite

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
# The scanner puts its own checkout in its place; paths stay those of the repository.
BASE = "%SRCROOT%"


def sarif(suite: Suite) -> str:
    """The suite as a SARIF log with one run. It lists all rules, also those without a finding."""
    codes = sorted({*suite.rules, *(finding.code for finding in suite.findings)})
    rules = {code: suite.rules.get(code, CodeMeaning(code, code, "", "")) for code in codes}
    places = {code: index for index, code in enumerate(codes)}
    driver = {
        "name": suite.name,
        "semanticVersion": metadata.version("mbp-data-contracts"),
        "rules": [_rule(rule) for rule in rules.values()],
    }
    run = {
        "tool": {"driver": driver},
        "invocations": [{"executionSuccessful": bool(suite.checked)}],
        "artifacts": [
            {"location": _location(path)} for path in suite.checked if suite.unit == "file"
        ],
        "results": [_result(finding, places[finding.code]) for finding in suite.findings],
        "columnKind": "unicodeCodePoints",
    }
    document = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _rule(rule: CodeMeaning) -> dict[str, Any]:
    what = rule.what or rule.title
    parts = [part for part in (what, rule.why, f"Fix: {rule.fix}" if rule.fix else "") if part]
    return {
        "id": rule.code,
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": what},
        "help": {"text": "\n".join(parts), "markdown": "\n\n".join(parts)},
        "defaultConfiguration": {"level": rule.severity},
    }


def _result(finding: Finding, rule_index: int) -> dict[str, Any]:
    fix = f"\nFix: {finding.fix}" if finding.fix else ""
    # Without the line: a finding that only moved is the same finding.
    identity = "\n".join((finding.code, finding.path, finding.subject, finding.message))
    return {
        "ruleId": finding.code,
        "ruleIndex": rule_index,
        "level": finding.severity,
        "message": {"text": finding.sentence + fix},
        "locations": [_place(finding)],
        "partialFingerprints": {
            "finding/v1": hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()
        },
    }


def _place(finding: Finding) -> dict[str, Any]:
    if not finding.path:
        name = finding.subject or finding.code
        return {"logicalLocations": [{"fullyQualifiedName": name}]}
    region = {"startLine": finding.line or 1}
    artifact = _location(finding.path)
    return {"physicalLocation": {"artifactLocation": artifact, "region": region}}


def _location(path: str) -> dict[str, str]:
    if Path(path).is_absolute():
        return {"uri": Path(path).as_uri()}
    return {"uri": quote(path, errors="surrogatepass"), "uriBaseId": BASE}
