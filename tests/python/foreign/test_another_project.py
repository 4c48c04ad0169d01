"""The toolkit in a dbt project that knows nothing of it: contracts are drafted, kept, broken and caught."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from mbp.contracts import load_contracts
from mbp.core.errors import MbpError
from mbp.core.settings import load_settings
from mbp.release.gate.gate_run import run_gate
from mbp.runs.dbt_process import run_dbt
from tests.python.foreign.another_project import commit, copy_of, mbp, replace_in

ORDERS = "contracts/a106/orders.odcs.yaml"
TODO = {"status: draft": "status: active", "TODO: ": ""}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The project as its owner has it, built, on a path with a space."""
    folder = copy_of(tmp_path_factory.mktemp("foreign") / "corner shop")
    patch = pytest.MonkeyPatch()
    patch.setenv("MBP_PROJECT_DIR", str(folder))
    patch.delenv("DBT_TARGET", raising=False)
    assert run_dbt(folder, ["build"], quiet=True).success
    yield folder
    patch.undo()


def test_it_says_what_to_do_first(tmp_path: Path) -> None:
    folder = copy_of(tmp_path / "shop")
    told = mbp(folder, "contracts", "lint")
    assert "no contract: nothing to check" in str(told.exception)
    assert "the warehouse does not exist" in str(mbp(folder, "init").exception)
    assert not (folder / "contracts").exists()


def test_init_drafts_what_readers_see(shop: Path) -> None:
    told = mbp(shop, "init", "--owner", "SALES")
    assert told.exit_code == 0, told.output
    settings = load_settings(shop)
    assert (settings.title, settings.tests) == ("corner_shop", "tests/contracts")
    customers, orders = load_contracts(shop)
    assert (customers.dataset, orders.dataset) == ("customers", "orders")
    assert (orders.owner, orders.schemas["dev"], orders.key.name) == ("SALES", "shop", "order_id")
    columns = {column.name: column for column in orders.columns}
    assert columns["amount"].physical_types["duckdb"] == "DECIMAL(12,2)"
    assert columns["customer_id"].reference.dataset == "customers"  # type: ignore[union-attr]
    assert columns["status"].description == "Where the order is."
    assert "orders_status_accepted_values" in {rule.id for rule in orders.rules}
    # A customer may have no order yet.
    assert not next(one for one in customers.columns if one.name == "first_order").required
    assert "# 1.50 to 20.00, 5 values, none empty in 6 rows" in (shop / ORDERS).read_text()
    again = mbp(shop, "init")
    assert again.exit_code == 0 and "wrote" not in again.output


def test_a_draft_is_not_finished(shop: Path) -> None:
    told = mbp(shop, "contracts", "lint", "--format", "json")
    codes = {finding["code"] for finding in json.loads(told.stdout)["findings"]}
    assert told.exit_code == 1 and codes == {"A106-007", "A106-045", "TRAP-007"}
    for file in (shop / "contracts/a106").glob("*.yaml"):
        replace_in(file, TODO)
    assert mbp(shop, "contracts", "lint").exit_code == 0
    assert mbp(shop, "contracts", "status").exit_code == 0


def test_the_rules_become_tests_beside_its_own(shop: Path) -> None:
    assert mbp(shop, "contracts", "render").exit_code == 0
    assert mbp(shop, "contracts", "render", "--check").exit_code == 0
    assert (shop / "tests/contracts/orders/orders_status_accepted_values.sql").is_file()
    commit(shop)
    assert mbp(shop, "registry", "publish").exit_code == 0
    assert mbp(shop, "registry", "verify").exit_code == 0
    assert mbp(shop, "contracts", "check").exit_code == 0
    commit(shop)


def test_a_build_is_judged_recorded_and_watched(shop: Path) -> None:
    told = mbp(shop, "build")
    assert told.exit_code == 0, told.output
    assert mbp(shop, "quality", "failures").exit_code == 0
    assert mbp(shop, "quality", "record").exit_code == 0
    assert "orders_customer_id_fk" in mbp(shop, "quality", "history").output
    assert "0 alerts; 15 rules, 1 recorded run" in mbp(shop, "quality", "monitor").output
    drift = mbp(shop, "registry", "drift")
    assert drift.exit_code == 0, drift.output
    coverage = mbp(shop, "docs", "coverage", "--format", "json")
    assert coverage.exit_code == 1  # its own staging models are not described


def test_the_checks_that_apply_are_judged(shop: Path) -> None:
    assert mbp(shop, "kpi", "collect").exit_code == 0
    document = run_gate(shop, "release", None).document()
    verdicts = {result["id"]: result["verdict"] for result in document["results"]}
    assert verdicts["documentation"] == "fail"
    measured = (
        "dbt_tests",
        "schema_drift",
        "contract_break",
        "contracts_complete",
        "waivers_valid",
    )
    assert {verdicts[name] for name in measured} == {"pass"}


def test_what_does_not_apply_is_one_error(shop: Path) -> None:
    for words in (["status"], ["hooks", "check"], ["deploy-check"], ["metrics", "list"]):
        told = mbp(shop, *words)
        assert isinstance(told.exception, MbpError), words
    assert "locked versions" not in mbp(shop, "doctor").output
    assert "measurement_sheet.yaml: there is no such file" in str(mbp(shop, "status").exception)


def test_a_broken_contract_is_caught(shop: Path) -> None:
    """A status that the contract does not know, and an order of nobody."""
    seed = shop / "seeds/raw_orders.csv"
    replace_in(seed, {"6,3,2026-01-09,shipped": "6,9,2026-01-09,lost"})
    told = mbp(shop, "build", "--format", "json")
    document = json.loads(told.stdout)
    broken = {finding["rule_id"] for finding in document["findings"]}
    assert told.exit_code == 1
    assert {"orders_status_accepted_values", "orders_customer_id_fk"} <= broken
    failures = mbp(shop, "quality", "failures")
    assert failures.exit_code == 1 and "lost" in failures.output
    assert mbp(shop, "quality", "record").exit_code == 0
    alerts = mbp(shop, "quality", "monitor")
    assert alerts.exit_code == 1 and "rule broken: dbt: fail, 1 row" in alerts.output


def test_a_change_that_breaks_readers_is_caught(shop: Path) -> None:
    replace_in(shop / ORDERS, {'physicalType: "decimal(12,2)"': 'physicalType: "decimal(6,2)"'})
    told = mbp(shop, "contracts", "check", "orders")
    assert told.exit_code == 1 and "orders.amount" in told.output
    drift = mbp(shop, "registry", "drift")
    assert drift.exit_code == 1 and "expected DECIMAL(6,2), found DECIMAL(12,2)" in drift.output


def test_a_rule_that_goes_takes_its_test_along(shop: Path) -> None:
    text = (shop / ORDERS).read_text(encoding="utf-8")
    lines = text.splitlines(keepends=True)
    at = lines.index("      - name: order_date\n")
    assert lines[at + 4] == "        required: true\n"
    del lines[at + 4]
    (shop / ORDERS).write_text("".join(lines), encoding="utf-8")
    test = shop / "tests/contracts/orders/orders_order_date_not_null.sql"
    assert test.is_file() and mbp(shop, "contracts", "render", "--check").exit_code == 1
    assert mbp(shop, "contracts", "render").exit_code == 0 and not test.exists()


PYTHON_MODEL = """\
def model(dbt, session):
    dbt.config(materialized="table")
    return dbt.ref("stg_payments").aggregate("payment_method, count(*) as payments", "payment_method")
"""


def test_a_seed_and_a_python_model_are_datasets_too(shop: Path) -> None:
    (shop / "models/marts/payment_methods.py").write_text(PYTHON_MODEL, encoding="utf-8")
    assert run_dbt(shop, ["run", "--select", "payment_methods"], quiet=True).success
    # Its key is no `_id`, and no test says that it is one.
    told = mbp(shop, "init", "payment_methods", "raw_payments")
    assert (
        told.exit_code == 1
        and "no draft of payment_methods: no column identifies a row" in told.output
    )
    (shop / "models/marts/methods.yml").write_text(
        "models:\n  - name: payment_methods\n    columns:\n      - name: payment_method\n"
        "        data_tests: [unique, not_null]\n",
        encoding="utf-8",
    )
    assert mbp(shop, "init", "payment_methods").exit_code == 0
    for dataset in ("payment_methods", "raw_payments"):
        replace_in(shop / f"contracts/a106/{dataset}.odcs.yaml", TODO)
    told = mbp(shop, "contracts", "lint")
    assert told.exit_code == 0, told.output
    assert mbp(shop, "contracts", "render").exit_code == 0
    told = mbp(
        shop, "build", "--select", "payment_methods", "--select", "raw_payments", "--format", "json"
    )
    document = json.loads(told.stdout)
    assert document["rows"] == {"payment_methods": 3, "raw_payments": 7}
    mine = {"payment_methods", "raw_payments"}
    broken = [one for one in document["findings"] if one["dataset"] in mine and not one["holds"]]
    assert not broken, broken
