"""Contents of measurements that passed, as the commands write them; tests spoil copies of them."""

from __future__ import annotations

import hashlib
import json
from copy import deepcopy
from typing import Any

from mbp.runs.derive_runs import PROOF_GAPS

BILL_PATH = "target/evidence/sbom.cdx.json"
BILL = json.dumps({"bomFormat": "CycloneDX", "components": [{"name": "a"}, {"name": "b"}]}).encode()
TARGET_ZERO = {"target": {"operator": "==", "bound": 0.0}, "minimum_samples": 1}
NO_TESTS = {"pass": 0, "warn": 0, "fail": 0, "not_run": 0, "not_measured": 0}


def part(name: str, looked_at: dict[str, Any], **more: Any) -> dict[str, Any]:
    head = {"part": name, "verdict": "pass", "looked_at": looked_at, "reason": "", "problems": []}
    return {**head, **more}


def kind(labelled: int, found: int, alarms: int) -> dict[str, Any]:
    return {
        "labelled": labelled,
        "found": found,
        "false_alarms": alarms,
        "recall_percent": round(100 * found / labelled, 3),
        "precision_percent": round(100 * found / (found + alarms), 3),
        "target_recall_percent": 95.0,
        "target_precision_percent": 98.0,
    }


def log_source(**changes: Any) -> dict[str, Any]:
    seen = {"looked_at": 100, "files": 0, "rows": 100, "bytes": 9000, "findings": 0}
    return {**seen, "problem": None, "note": None, **changes}


_PASSED: dict[str, dict[str, Any]] = {
    "proof": {
        "engine": "duckdb",
        "complete": True,
        "rules": [{"rule_id": "a", "severity": "error", "proved": True, "problems": []}],
        **{name: [] for name in PROOF_GAPS},
    },
    "build": {
        "passed": True,
        "target": "duckdb",
        "raw": "sample",
        "models_built": 40,
        "models_failed": 0,
        "tests": {"A89": {**NO_TESTS, "pass": 100, "warn": 1}, "other": {**NO_TESTS, "pass": 9}},
        "rows": {"mbp_markets": 16, "mbp_quotes": 3896},
        "empty": [],
        "findings": [
            {
                "rule_id": "liquidity_floor",
                "dataset": "mbp_quotes",
                "severity": "warning",
                "verdict": "warn",
                "node": "test.mbp.liquidity_floor",
            }
        ],
        "selected": False,
        "partial": [],
    },
    "dbt_tests": {
        "kpi_id": "dbt_tests",
        "value": 0,
        "samples": 400,
        "detail": "nothing",
        "evidence": [],
        **TARGET_ZERO,
    },
    "schema_drift": {
        "kpi_id": "schema_drift",
        "value": 0,
        "samples": 60,
        "detail": "nothing",
        "evidence": {"drift": [], "changes": []},
        **TARGET_ZERO,
    },
    "data_contract_break": {
        "kpi_id": "data_contract_break",
        "value": 0,
        "samples": 2,
        "detail": "nothing",
        "evidence": [
            {"rule_id": "closed_market_no_trades", "verdict": "pass"},
            {"rule_id": "twap_reconciles", "verdict": "pass"},
        ],
        **TARGET_ZERO,
    },
    "hook_coverage": {
        "kpi_id": "hook_coverage",
        "value": 100.0,
        "samples": 2,
        "detail": "every hook",
        "evidence": [
            {"kpi_id": "dec_p95", "hook_id": "dec", "gaps": []},
            {"kpi_id": "cdc_lag_p95", "hook_id": "lag", "gaps": []},
        ],
        "target": {"operator": ">=", "bound": 98.0},
        "minimum_samples": 1,
    },
    "exercises": {
        "exercises": [{"id": "cdc_delay", "passed": True, "problems": [], "source": "s"}],
        "defined": ["cdc_delay"],
    },
    "gate_M2": {
        "verdict": "go",
        "counts": {"pass": 1, "waived": 1, "fail": 0, "not_measured": 0},
        "results": [{"id": "a", "verdict": "pass"}, {"id": "b", "verdict": "waived"}],
    },
    "security_sbom": part(
        "sbom",
        {"components": 2, "installed_packages": 2, "hashes": 4},
        file=BILL_PATH,
        sha256=hashlib.sha256(BILL).hexdigest(),
        lock="requirements.lock",
    ),
    "security_sast": part(
        "sast", {"files": 390, "lines": 40000, "high_severity": 2, "accepted": 2}
    ),
    "security_secrets": part(
        "secrets", {"files": 900, "plugins": 20, "in_the_baseline": 5, "new": 0}
    ),
    "security_audit": part("audit", {"packages": 200, "found": 1, "accepted": 1}),
    "security_licences": part("licences", {"packages": 200, "with_a_licence": 200, "accepted": 9}),
    "security_least_privilege": part(
        "least_privilege",
        {"roles": 4, "relations": 60, "privileges": 200},
        server="target postgres",
    ),
    "privacy_scan": {
        "sources": {
            "repository": log_source(looked_at=900, files=900, rows=0, findings=1),
            "log_samples": log_source(),
        },
        "by_kind": {},
        "findings": [],
        "allowed": [{"place": "a", "kind": "cpf", "reason": "made up", "findings": 1}],
        "problems": [],
    },
    "privacy_measure": {
        "corpora": [
            {
                "name": "corpus",
                "seed": 1,
                "lines": 1000,
                "negatives": 500,
                "kinds": {"cpf": kind(100, 99, 1), "email": kind(50, 50, 0)},
            }
        ],
        "missed": [],
    },
    "documents": {
        "documents": [{"path": "docs/adr/001.md", "findings": []}],
        "decision_log": {"path": "docs/adr/README.md", "fresh": True},
        "stale": [],
        "findings": [],
    },
}


def names() -> list[str]:
    return list(_PASSED)


def passed(name: str, **changes: Any) -> dict[str, Any]:
    """The content of a measurement that passed, with some keys changed."""
    return {**deepcopy(_PASSED[name]), **changes}
