"""What the steps of a run leave, written by hand, to be spoiled one place at a time."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mbp.release.ci.step_reports import BASE_COMMIT, STEPS

HEAD = "a" * 40
BASE = "b" * 40

CHANGE: dict[str, Any] = {
    "code": "scale_changed",
    "path": "mbp_quotes.price",
    "backward": "break",
    "forward": "ok",
    "old": "decimal(18,8)",
    "new": "decimal(18,4)",
    "bump": "major",
    "blocks": True,
    "readers": ["metric price", "exposure market_dashboard"],
    "notes": ["2 rows of the duckdb warehouse would be invalid"],
    "row": {"quote_id": "q-1", "user_id_hash": "0123456789"},
    "fingerprint": "0123456789abcdef",
    "witness": {"backward": {"row": {"price": "0.12345678"}}},
}
FINDING: dict[str, Any] = {
    "rule_id": "mbp_quotes_fk",
    "dataset": "mbp_quotes",
    "owner": "DATA",
    "severity": "error",
    "verdict": "fail",
    "failing_rows": 7,
    "message": "Got 7 results",
    "sample": {"rows": [{"quote_id": "q-1", "user_id_hash": "0123456789"}]},
}


def contracts(changes: list[dict[str, Any]], blocking: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "checked": ["contracts/a106/mbp_quotes.odcs.yaml"],
        "passed": not blocking,
        "findings": blocking,
        "datasets": [
            {
                "dataset": "mbp_quotes",
                "version": "1.0.0",
                "least_version": "2.0.0",
                "bump": "major",
                "compared_with": ["1.0.0"],
                "changes": changes,
            }
        ],
    }


def rules(findings: list[dict[str, Any]]) -> dict[str, Any]:
    return {"passed": 20, "carried_over": ["price_range"], "stale": [], "findings": findings}


def coverage(percent: float, *missing: str) -> dict[str, Any]:
    items = [{"unique_id": "model.mbp.mbp_quotes", "column": "price", "state": "described"}]
    items += [
        {"unique_id": "model.mbp.mbp_quotes", "column": one, "state": "missing"} for one in missing
    ]
    return {"percent": percent, "described": 1, "total": len(items), "items": items}


def manifest(commit: str) -> dict[str, Any]:
    return {
        "metadata": {"env": {"MBP_CI_COMMIT": commit}},
        "nodes": {
            "model.mbp.mbp_quotes": {"name": "mbp_quotes", "resource_type": "model"},
            "model.mbp.kpi_windows": {"name": "kpi_windows", "resource_type": "model"},
        },
        "exposures": {
            "exposure.mbp.market_dashboard": {"name": "market_dashboard", "owner": {"name": "PM"}}
        },
        "child_map": {
            "model.mbp.mbp_quotes": ["model.mbp.kpi_windows"],
            "model.mbp.kpi_windows": ["exposure.mbp.market_dashboard"],
        },
    }


@dataclass(frozen=True)
class Run:
    """A run in which everything was looked at and holds."""

    folder: Path
    base: Path

    def write(self, name: str, document: Any) -> None:
        (self.folder / name).write_text(json.dumps(document), encoding="utf-8")

    def record(self, step: str, /, **changes: Any) -> None:
        """The record of a step; its digest is that of the report that is there."""
        report = self.folder / f"{step}.json"
        there = report.is_file()
        entry = {
            "step": step,
            "commit": HEAD,
            "base": BASE,
            "exit_code": 0,
            "milliseconds": 1500,
            "output": [],
            "report_sha256": hashlib.sha256(report.read_bytes()).hexdigest() if there else "",
        }
        self.write(f"step-{step}.json", {**entry, **changes})

    def report(self, step: str, document: Any, /, **changes: Any) -> None:
        self.write(f"{step}.json", document)
        self.record(step, **changes)


def good_run(folder: Path) -> Run:
    run = Run(folder / "reports", folder / "base")
    run.folder.mkdir()
    run.base.mkdir()
    modified = ["model.mbp.mbp_quotes"]
    documents = {
        "contracts": contracts([], []),
        "rules": rules([]),
        "coverage": coverage(100.0),
        "build": {"mode": "slim", "reason": "1 nodes are modified", "modified": modified},
    }
    for name, document in documents.items():
        run.write(f"{name}.json", document)
    for step in STEPS:
        run.record(step.name)
    results = {
        "metadata": {"env": {"MBP_CI_COMMIT": HEAD}},
        "results": [{"unique_id": "model.mbp.mbp_quotes", "status": "success"}],
    }
    run.write("manifest.json", manifest(HEAD))
    run.write("run_results.json", results)
    (run.base / "manifest.json").write_text(json.dumps(manifest(BASE)))
    (run.base / "coverage.json").write_text(json.dumps(coverage(100.0)))
    (run.base / BASE_COMMIT).write_text(f"{BASE}\n")
    return run
