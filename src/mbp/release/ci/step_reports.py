"""The steps of a pull request, and what a run left. It may come from a fork: every file is data, none is trusted.

A file that is missing, too large, of another form or of another commit is not read; the reason is reported instead.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mbp.core.errors import MbpError
from mbp.core.schema_check import violations
from mbp.runs.artifacts import wrong_shape

FOLDER = "target/ci"


@dataclass(frozen=True)
class CiStep:
    """One step.

    Attributes:
        name: `scripts/ci/step.sh <name>` records it as `step-<name>.json`.
        title: for people.
    """

    name: str
    title: str

    @property
    def record(self) -> str:
        """The file that says how the step ended."""
        return f"step-{self.name}.json"

    @property
    def report(self) -> str:
        """The file that says what it found."""
        return f"{self.name}.json"


CONTRACTS = CiStep("contracts", "Contract changes")
BUILD = CiStep("build", "Build and tests")
RULES = CiStep("rules", "Rules of the contracts")
COVERAGE = CiStep("coverage", "Documentation coverage")
STEPS = (
    CONTRACTS,
    RULES,
    BUILD,
    COVERAGE,
    CiStep("proof", "Rules catch their faults"),
    CiStep("privacy", "Personal data and secrets"),
    CiStep("security", "Components, advisories, licences, grants"),
    CiStep("lint", "Lint, types, conventions"),
    CiStep("postgres", "Build and tests on PostgreSQL"),
    CiStep("exercises", "Every hook acts on its fault"),
    CiStep("gate", "Checks of the gate that a machine can make at a merge"),
    CiStep("tests", "Python tests"),
)

OF_ANY_PROJECT = (CONTRACTS, RULES, BUILD, COVERAGE)

# Written by the build beside its report, and by the build of main.
MANIFEST = "manifest.json"
RUN_RESULTS = "run_results.json"
# dbt copies DBT_ENV_CUSTOM_ENV_<name> into the metadata of its artifacts: so they say of which commit they are.
COMMIT_VARIABLE = "MBP_CI_COMMIT"
FOLDER_VARIABLE = "MBP_CI_FOLDER"
# Of the stored build of main: a file that holds the commit and nothing else.
BASE_COMMIT = "commit.txt"


LARGEST_BYTES = 64 * 1024 * 1024
COMMIT = re.compile(r"[0-9a-f]{40}")
# What a record keeps of the output of a step that failed.
OUTPUT_LINES, OUTPUT_WIDTH = 12, 300
OBJECT = {"type": "object"}
TEXT = {"type": "string"}
COUNT = {"type": "integer", "minimum": 0}
TEXTS = {"type": "array", "items": TEXT}


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    """An object that has at least these keys: what a later version adds is accepted."""
    return {"type": "object", "properties": dict(properties), "required": list(properties)}


def _list(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": _object(properties)}


RECORD = _object(
    {
        "step": TEXT,
        "commit": {"type": "string", "pattern": f"^{COMMIT.pattern}$"},
        "base": {"type": "string", "pattern": f"^({COMMIT.pattern})?$"},
        "exit_code": COUNT,
        "milliseconds": COUNT,
        "report_sha256": {"type": "string", "pattern": "^([0-9a-f]{64})?$"},
    }
)
# Of a step that failed; records of before have none.
RECORD["properties"]["output"] = TEXTS
CHANGE = {
    "code": TEXT,
    "path": TEXT,
    "backward": {"enum": ["ok", "break", "unknown"]},
    "forward": {"enum": ["ok", "break", "unknown"]},
    "bump": TEXT,
    "blocks": {"type": "boolean"},
    "readers": {"type": ["array", "null"], "items": TEXT},
    "notes": TEXTS,
    "row": {"type": "object"},
    "witness": {"type": "object", "additionalProperties": _object({"row": {}})},
}
REPORTS: Mapping[str, Any] = {
    "contracts": _object(
        {
            "checked": TEXTS,
            "passed": {"type": "boolean"},
            "findings": _list({"code": TEXT, "severity": TEXT, "subject": TEXT, "message": TEXT}),
            "datasets": _list(
                {
                    "dataset": TEXT,
                    "version": TEXT,
                    "least_version": TEXT,
                    "bump": TEXT,
                    "compared_with": TEXTS,
                    "changes": _list(CHANGE),
                }
            ),
        }
    ),
    "rules": _object(
        {
            "passed": COUNT,
            "carried_over": TEXTS,
            "stale": TEXTS,
            "findings": _list(
                {
                    "rule_id": TEXT,
                    "dataset": TEXT,
                    "owner": TEXT,
                    "severity": {"enum": ["error", "warning"]},
                    "verdict": {"enum": ["fail", "warn", "error", "not_measured"]},
                    "failing_rows": {"type": ["integer", "null"]},
                    "message": TEXT,
                    "sample": _object({"rows": {"type": "array", "items": {"type": "object"}}}),
                }
            ),
        }
    ),
    "coverage": _object(
        {
            "percent": {"type": "number", "minimum": 0, "maximum": 100},
            "described": COUNT,
            "total": COUNT,
            "items": _list(
                {"unique_id": TEXT, "column": {"type": ["string", "null"]}, "state": TEXT}
            ),
        }
    ),
    "build": _object(
        {
            "mode": {"enum": ["slim", "full"]},
            "reason": TEXT,
            "modified": {"type": ["array", "null"], "items": TEXT},
        }
    ),
}


class UnseenError(Exception):
    """Why there is nothing to tell: it is shown in these words, after "not measured"."""


@dataclass(frozen=True)
class Record:
    """How a step ended.

    Attributes:
        output: the last lines that it printed, when it failed.
    """

    exit_code: int
    seconds: float
    base: str
    report_sha256: str
    output: tuple[str, ...] = ()


def read_object(path: Path, schema: Any = OBJECT, name: str = "") -> dict[str, Any]:
    """A JSON object in a plain file of sensible size.

    Args:
        name: as the reason calls it; else the name of the file.

    Raises:
        UnseenError: there is none, or it does not follow the schema.
    """
    try:
        document: dict[str, Any] = json.loads(_bytes(path), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise UnseenError(f"{path.name} is not JSON") from error
    if violations(document, schema):
        raise UnseenError(f"{name or path.name} is not of the expected form")
    return document


def _bytes(path: Path) -> bytes:
    if path.is_symlink():
        raise UnseenError(f"{path.name} is a link, not a file")
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise UnseenError(f"{path.name} is larger than {LARGEST_BYTES // 1024**2} MiB")
        return path.read_bytes()
    except FileNotFoundError as error:
        raise UnseenError(f"{path.name} is missing") from error
    except OSError as error:
        raise UnseenError(f"{path.name} cannot be read") from error


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number of JSON")


def read_record(folder: Path, step: CiStep, commit: str) -> Record:
    """The record of a step.

    Raises:
        UnseenError: there is none of this commit.
    """
    if not (folder / step.record).exists():
        raise UnseenError("the step did not run: it left no record")
    document = read_object(folder / step.record, RECORD)
    if document["step"] != step.name or document["commit"] != commit:
        raise UnseenError(f"{step.record} is stale: it is of another step or commit")
    return Record(
        document["exit_code"],
        document["milliseconds"] / 1000,
        document["base"],
        document["report_sha256"],
        tuple(line[:OUTPUT_WIDTH] for line in document.get("output", [])[-OUTPUT_LINES:]),
    )


def read_report(folder: Path, step: CiStep, record: Record) -> dict[str, Any]:
    """What a step found.

    Raises:
        UnseenError: there is no report, or it is not the very file that the step left.
    """
    if not record.report_sha256:
        raise UnseenError(f"the step left no report (exit code {record.exit_code})")
    if hashlib.sha256(_bytes(folder / step.report)).hexdigest() != record.report_sha256:
        raise UnseenError(f"{step.report} is stale: it is not the file that the step left")
    return read_object(folder / step.report, REPORTS[step.name])


def read_manifest(folder: Path, commit: str, name: str) -> dict[str, Any]:
    """A dbt artifact.

    Raises:
        UnseenError: there is none that says that it is of this commit.
    """
    document = read_object(folder / name)
    metadata = document.get("metadata")
    environment = metadata.get("env") if isinstance(metadata, dict) else None
    if not isinstance(environment, dict) or wrong_shape(name, document):
        raise UnseenError(f"{name} is not of the expected form")
    if environment.get(COMMIT_VARIABLE) != commit:
        raise UnseenError(f"{name} is stale: it is of another commit")
    return document


def base_problem(folder: Path | None, commit: str) -> str | None:
    """Why the stored build of main cannot be compared with; None when it can."""
    if folder is None or not (folder / BASE_COMMIT).is_file():
        return "there is no stored build of the base"
    stored = (folder / BASE_COMMIT).read_text(encoding="utf-8", errors="replace").strip()
    if not COMMIT.fullmatch(commit) or stored != commit:
        return "the stored build of the base is of another commit"
    return None


def demand_commit(text: str) -> str:
    """A full commit hash.

    Raises:
        MbpError: it is not one.
    """
    if not COMMIT.fullmatch(text):
        raise MbpError(f"{text!r} is not a commit", fix="give the full hash: 40 hexadecimal digits")
    return text
