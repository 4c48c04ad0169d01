"""Facts made by hand: a page with every section filled, and the same with one text in every place."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from mbp.contracts.contract_status import Cell
from mbp.contracts.gates import SIGN_OFF_AREA
from mbp.core.reporting.chart import Point
from mbp.ingest.cdc.watched import Alarm
from mbp.operate.hooks.hook_status import Row
from mbp.operate.hooks.measurements import Decision
from mbp.quality.coverage.coverage_measure import DESCRIBED, MISSING, CoverageReport, Item
from mbp.quality.coverage.documentation_coverage import CoverageJudgement
from mbp.release.gate.gate_report import CheckResult, GateReport
from mbp.release.report import report_facts as made

NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)


def check(name: str, verdict: str, **more: Any) -> CheckResult:
    given: dict[str, Any] = {
        "id": name,
        "area": "Data",
        "what": f"What {name} demands",
        "verdict": verdict,
        "message": "told. Fix: `mbp build`",
        "measured": "3 s",
        "evidence": ["target/evidence/build.json", "reliability.kpi_windows"],
        "owner": "DATA",
        "waivable": True,
        "no_go": False,
    }
    return CheckResult(**{**given, **more})


def gate(*results: CheckResult) -> GateReport:
    return GateReport(
        gate="M2",
        title="Pre-GA",
        decided_at=NOW,
        commit="a" * 40,
        clean=True,
        source="b" * 64,
        target="duckdb",
        warehouse="e" * 36,
        data="c" * 64,
        basis="the committed sample as of 2026-03-04 11:00 UTC; DuckDB; 3 of 4 error rules measured",
        since=("Since anchor-M2-1:", "contracts: mbp_quotes 1.0.0 -> 1.1.0"),
        definition_sha256="d" * 64,
        results=results,
    )


def trend(count: int, *, missed: int = 0) -> tuple[Point, ...]:
    return tuple(
        Point(
            NOW + timedelta(minutes=5 * place), None if place == 3 else float(place), place < missed
        )
        for place in range(count)
    )


def kpi(name: str, state: str) -> made.KpiFacts:
    red = state != "green"
    row = Row(
        name, name.upper(), "7.2", "s", "<=120", "5m", (), state, red, "all", "DATA", "within target", 0
    )  # fmt: skip
    return made.KpiFacts(row, 120.0, "What it means.", trend(40, missed=2), trend(40, missed=2))


def measured(name: str, verdict: str) -> made.MeasurementFacts:
    at = None if verdict == "not_measured" else NOW
    path = f"target/evidence/{name}.json"
    return made.MeasurementFacts(name, verdict, "what was found", path, at, True, "run `mbp build`")


def facts() -> made.Facts:
    """Every section has something to show, good and bad."""
    waiver = {
        "id": "late_docs",
        "covers": {"gate_check": "documentation"},
        "reason": "a reason",
        "owner": "DATA",
        "risk": {"level": "low", "text": "little"},
        "opened": "2026-03-04",
        "expires": "2026-03-07",
        "days_left": 3,
        "rollback": {"plan": "take it back", "exercise": "schema_drift"},
        "path": "contracts/waivers/late_docs.yaml",
        "valid": True,
        "reasons": [],
        "approvals": {"PO": {"valid": True}, "Eng": {"valid": True}},
    }
    change = {
        "code": "column_removed",
        "path": "mbp_quotes.price",
        "backward": "ok",
        "forward": "break",
    }
    version = made.VersionFacts(
        "mbp_quotes", "1.1.0", "1.0.0", (change,), "mbp.quotes.v1", "2026-03-01", "DATA",
        "deprecated", "2027-01-01", "e" * 64,
    )  # fmt: skip
    rule = {
        "rule_id": "mbp_quotes.price.between",
        "dataset": "mbp_quotes",
        "severity": "error",
        "owner": "DATA",
        "engine": "dbt",
        "verdict": "fail",
        "last_failing_rows": 4,
        "pass_rate": 0.5,
        "recent_runs": 2,
        "last_run_at": NOW,
    }
    items = tuple(
        Item("model.mbp.mbp_quotes", f"c{place}", state, "models/marts", "mbp_quotes")
        for place, state in enumerate(8 * [DESCRIBED] + 2 * [MISSING])
    )
    exercise = {
        "id": "cdc_delay",
        "what": "A delay.",
        "passed": True,
        "current": True,
        "ran_at": NOW,
        "injection_to_decision_seconds": 62.3,
        "detect_seconds": 305.0,
        "recover_seconds": 900.0,
        "problems": ("a problem",),
    }
    return made.Facts(
        gate_name="M2",
        looked_at=NOW,
        target="duckdb",
        gate=gate(
            check("built", "pass"),
            check("drift", "fail"),
            check("logs", "not_measured", area="Security", no_go=True, waivable=False),
            check("documentation", "waived", waiver="late_docs", waived_until=NOW.date()),
            check("sign_off_sre", "fail", area=SIGN_OFF_AREA),
        ),
        watch=made.WatchFacts(
            NOW,
            (kpi("dec_p95", "green"), kpi("cdc_lag_p95", "red"), kpi("inp_p75", "unknown")),
            (
                made.WatcherFacts("cdc_delay", "CDC lag", "all", "red", True, True, "2 windows",
                                  "degrade", "DATA", "docs/runbooks/cdc_lag.md"),
                made.WatcherFacts("thin", "Depth", "<script>alert(1)</script>", "pending", False,
                                  False, "1 window", "freeze", "PO", "docs/runbooks/gone.md"),
            ),
            (Decision("d1", "cdc_delay", "k", "all", "breach", "degrade", "DATA", NOW, NOW),),
            (Alarm("slot_lost", "page", "mbp", "it is lost", "see `mbp cdc status`"),),
            ("a finding",),
            (made.LagFacts("mbp_quotes", 130.0, True, 9, NOW, trend(20, missed=1)),),
            "<=120 s",
            120.0,
        ),
        packs=(
            Cell("mbp_quotes", "A106", ()),
            Cell("mbp_quotes", "A87", ("glossary term",)),
        ),
        registry=(version, replace(version, published_on="", version="1.2.0")),
        rules=(rule, {**rule, "rule_id": "other", "verdict": "pass"}),
        coverage=CoverageJudgement(CoverageReport(items), 95.0, ("coverage is 80 %",)),
        exercises=(exercise, {**exercise, "id": "never", "passed": None, "ran_at": None}),
        waivers=made.WaiversFacts(
            (waiver, {**waiver, "id": "old", "valid": False, "reasons": ["expired"]}), ("x",)
        ),
        measurements=(
            measured("build", "pass"),
            measured("broken", "cannot be read"),
            measured("privacy_measure", "not_measured"),
            measured("privacy_scan", "pass"),
            measured("security_sbom", "fail"),
        ),
        files=frozenset({"target/evidence/build.json", "docs/runbooks/cdc_lag.md"}),
        folder_to_root="..",
    )  # fmt: skip


def everywhere(value: Any, text: str) -> Any:
    """The same facts with `text` for every text."""
    if isinstance(value, str):
        return text
    if isinstance(value, tuple | list):
        return tuple(everywhere(one, text) for one in value)
    if isinstance(value, dict):
        return {key: everywhere(one, text) for key, one in value.items()}
    if isinstance(value, frozenset):
        return frozenset(everywhere(one, text) for one in value)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(
            value, **{one.name: everywhere(getattr(value, one.name), text) for one in fields(value)}
        )
    return value
