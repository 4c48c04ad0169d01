"""The measurement sheet: the ten KPIs as they were agreed, and every way to write one wrong."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest

from mbp.contracts.policy import load_policy
from mbp.contracts.sheet import SHEET, load_sheet, parse_span, parse_target
from mbp.core.errors import MbpError

# As the organisation agreed on them: name, source, window, target, watcher, hook, owner, query id.
AGREED = """
DEC p95|APM/traces|5m|<=800|slo_budget_breach|rollback|SRE|apm.ttp_dec_p95
CDC lag p95|CDC/APM|5m|<=120|cdc_lag|degrade+rollback|DATA|cdc.lag_p95
Schema drift|registry|run|==0|schema_registry_drift|block_deploy|DATA|registry.schema_drift
Data contract break|CI/tests|run|false|data_contract_break|rollback+waiver|DATA|ci.data_contract_status
dbt tests status|CI/dbt|run|pass|dbt_test_failure|block_merge|DATA|dbt.test_status
Hook coverage|CI/repo|24h|>=98|metrics_decision_hook_gap|open_incident|PLAT|ci.hook_coverage
Audit coverage|logs|24h|>=99|metrics_decision_hook_gap|open_incident|PLAT|logs.audit_coverage
INP p75|RUM|24h|<=200|web_cwv_regression|rollback_fe|FE|rum.inp_p75
Error budget burn|SLO|4h|<1x|slo_budget_breach|rollback|SRE|apm.error_budget_burn
TWAP divergence|engine|5m|<=1.0|mbp_price_spike_divergence|freeze|PM/SRE|engine.twap_gap
"""


def test_the_ten_kpis_are_the_agreed_ones(project_root: Path) -> None:
    sheet = load_sheet(project_root, load_policy(project_root))
    with (project_root / "seeds/reference/measurement_sheet.csv").open() as file:
        seed = {row["name"]: row for row in csv.DictReader(file)}
    keys = ("source", "window", "target", "watcher", "hook", "owner", "query_id")
    kpis = {kpi.name: kpi for kpi in sheet.kpis.values()}
    for line in AGREED.strip().splitlines():
        name, *facts = line.split("|")
        assert [getattr(kpis[name], key) for key in keys] == facts
        assert [seed[name][key] for key in keys] == facts
    assert sheet.parameters.slo_percent == 99.9


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<=800", ("<=", 800.0)),
        ("==0", ("==", 0.0)),
        ("<1x", ("<", 1.0)),
        (">=98", (">=", 98.0)),
        ("<=1.0", ("<=", 1.0)),
        ("pass", ("==", 0.0)),
        ("false", ("==", 0.0)),
    ],
)
def test_targets_parse(text: str, expected: tuple[str, float]) -> None:
    assert parse_target(text) == expected


@pytest.mark.parametrize("text", ["", "800", "=<800", "<= eight", "<=-1", "<=1e3", "maybe"])
def test_a_target_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a comparison"):
        parse_target(text)


def test_spans_parse() -> None:
    assert [parse_span(one) for one in ("5m", "4h", "1d")] == [5, 240, 1440]
    for wrong in ("", "5", "0m", "5s", "-1h"):
        with pytest.raises(ValueError, match="expected a number"):
            parse_span(wrong)


@pytest.fixture
def copy(project_root: Path, tmp_path: Path) -> Path:
    shutil.copytree(project_root / "contracts", tmp_path / "contracts")
    return tmp_path


@pytest.mark.parametrize(
    ("find", "replace", "told"),
    [
        ('target: "<=800"', 'target: "eight"', "the target 'eight' of dec_p95 does not parse"),
        ("window: 5m", "window: 5 minutes", "the window '5 minutes' of dec_p95 does not parse"),
        ("every: 5m", "every: often", "the every 'often' of dec_p95 does not parse"),
        ("hook: rollback\n", "hook: rollbock\n", "unknown action 'rollbock' of dec_p95"),
        ("owner: SRE", "owner: SER", "unknown owner 'SER'"),
        ("id: cdc_lag_p95", "id: dec_p95", "the KPI 'dec_p95' appears twice"),
        ("query_id: cdc.lag_p95", "query_id: apm.ttp_dec_p95", "appears twice"),
        ("slo_percent: 99.9", "slo_percent: 100", "slo_percent"),
        ("dashboard: DEC", "dashbord: DEC", "unknown key 'dashbord'"),
    ],
)
def test_a_wrong_sheet_names_the_place(copy: Path, find: str, replace: str, told: str) -> None:
    path = copy / SHEET
    text = path.read_text()
    assert find in text
    path.write_text(text.replace(find, replace, 1))
    with pytest.raises(MbpError) as caught:
        load_sheet(copy, load_policy(copy))
    assert told in str(caught.value)
    assert caught.value.path == SHEET
    line = caught.value.line
    assert line is not None
    near = "\n".join(path.read_text().splitlines()[max(0, line - 3) : line + 2])
    assert replace.strip().splitlines()[0] in near


def test_a_target_follows_the_strictest_service_level_of_the_contracts(copy: Path) -> None:
    assert load_sheet(copy, load_policy(copy)).kpis["cdc_lag_p95"].target == "<=120"
    contract = copy / "contracts/a106/mbp_quotes.odcs.yaml"
    text = contract.read_text("utf-8")
    contract.write_text(text.replace("value: 120\n    unit: s", "value: 90\n    unit: s"), "utf-8")

    kpi = load_sheet(copy, load_policy(copy)).kpis["cdc_lag_p95"]

    assert (kpi.target, kpi.operator, kpi.bound) == ("<=90", "<=", 90)


def test_a_target_that_no_contract_states_is_refused(copy: Path) -> None:
    for contract in (copy / "contracts/a106").glob("*.yaml"):
        text = contract.read_text("utf-8")
        contract.write_text(text.replace("property: latency", "property: throughput"), "utf-8")
    with pytest.raises(MbpError, match="no contract has the service level 'latency'") as caught:
        load_sheet(copy, load_policy(copy))
    assert (caught.value.path, bool(caught.value.line)) == (SHEET, True)
