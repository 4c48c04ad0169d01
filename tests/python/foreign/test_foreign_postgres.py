"""The toolkit in a project of somebody else on PostgreSQL, with every pack, from the draft to the comment."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lab.postgres_server import PostgresServer
from mbp.runs.dbt_process import run_dbt
from tests.python.foreign.another_project import commit, copy_of, mbp, replace_in

PROFILE = """\
corner_shop:
  target: prod
  outputs:
    prod:
      type: postgres
      host: "{{ env_var('MBP_PG_HOST') }}"
      port: "{{ env_var('MBP_PG_PORT') | int }}"
      user: "{{ env_var('MBP_PG_USER') }}"
      password: "{{ env_var('MBP_PG_PASSWORD') }}"
      dbname: "{{ env_var('MBP_PG_DATABASE') }}"
      schema: shop
      threads: 1
"""
METRIC = """\
  - id: number_of_{0}
    name: Number of {0}
    unit: rows
    grain: all
    definition: Count of all {0}.
    owner: SALES
    dataset: {0}
    across: Sum.
    semantic: {{measure: number_of_{0}}}
"""


@pytest.fixture
def shop(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    postgres_server: PostgresServer,
    postgres_database: str,
) -> Path:
    folder = copy_of(tmp_path / "shop")
    (folder / "profiles.yml").write_text(PROFILE, encoding="utf-8")
    for name, value in postgres_server.environment(postgres_database).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MBP_PROJECT_DIR", str(folder))
    monkeypatch.setenv("DBT_PROFILES_DIR", str(folder))
    monkeypatch.delenv("DBT_TARGET", raising=False)
    assert run_dbt(folder, ["build"], quiet=True).success
    return folder


def head(folder: Path) -> str:
    words = ["git", "rev-parse", "HEAD"]
    return subprocess.run(
        words, cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


def documented(first: str) -> list[str]:
    """The commands of the block of docs/another_project.md that begins with this text."""
    text = (Path(__file__).parents[3] / "docs/another_project.md").read_text(encoding="utf-8")
    block = next(
        block
        for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
        if block.startswith(first)
    )
    return block.splitlines()


def test_from_a_draft_to_the_comment_of_a_pull_request(shop: Path) -> None:
    told = mbp(shop, "init", "--owner", "SALES", "--pack", "A87", "--pack", "A108")
    assert told.exit_code == 0, told.output
    orders = shop / "contracts/a106/orders.odcs.yaml"
    assert "# 1.50 to 20.00, 5 values, none empty in 6 rows" in orders.read_text(encoding="utf-8")
    for name in ("orders", "customers"):
        replace_in(
            shop / f"contracts/a106/{name}.odcs.yaml",
            {"status: draft": "status: active", "TODO: ": ""},
        )
    findings = json.loads(mbp(shop, "contracts", "lint", "--format", "json").stdout)["findings"]
    missing = {(each["code"], each["subject"]) for each in findings if each["severity"] == "error"}
    # Sums need a unit, keys do not; and nobody has written a metric yet.
    assert missing == {
        ("A87-003", "customers.number_of_orders"),
        ("A87-003", "orders.amount"),
        ("A87-008", ""),
    }
    for name, column in (("customers", "number_of_orders"), ("orders", "amount")):
        text = f"      - name: {column}\n"
        unit = text + "        customProperties: [{property: unit, value: pieces}]\n"
        replace_in(shop / f"contracts/a106/{name}.odcs.yaml", {text: unit})
    metrics = "metrics:\n" + METRIC.format("orders") + METRIC.format("customers")
    replace_in(shop / "contracts/a87/business_metrics.yaml", {"metrics: []\n": metrics})
    replace_in(
        shop / "contracts/a89/policy.yaml", {"threshold_percent: 80": "threshold_percent: 20"}
    )
    assert mbp(shop, "contracts", "lint").exit_code == 0
    assert mbp(shop, "contracts", "render").exit_code == 0
    commit(shop)
    assert mbp(shop, "registry", "publish").exit_code == 0
    commit(shop)
    main = head(shop)
    _run(shop, documented("rm -rf target/base"), main)
    assert mbp(shop, "registry", "drift").exit_code == 0
    replace_in(shop / "models/marts/orders.sql", {"select": "select -- all of them\n"})
    commit(shop)
    comment = _run(shop, documented("base="), main)[-1]
    assert comment.returncode == 0, comment.stdout + comment.stderr
    assert "Data contracts: may be merged" in comment.stdout
    assert "1 node changed" in comment.stdout and "- changed: `model orders`" in comment.stdout


def _run(shop: Path, lines: list[str], main: str) -> list[subprocess.CompletedProcess[str]]:
    """Each line as a person types it; `base` is known already."""
    return [
        subprocess.run(
            ["bash", "-c", f"base={main}; {line}"],
            cwd=shop,
            env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            check=False,
        )
        for line in lines
        if not line.startswith("base=")
    ]


def test_the_doctor_asks_only_what_concerns_the_project(shop: Path) -> None:
    assert mbp(shop, "init", "--owner", "SALES").exit_code == 0
    told = mbp(shop, "doctor")
    assert told.exit_code == 0, told.output
    assert "server version" in told.output and "roles" not in told.output
    assert "locked versions" not in told.output
