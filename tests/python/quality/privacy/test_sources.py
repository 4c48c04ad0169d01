"""Where is looked, on the built sample and on spoiled copies of it: findings, and what could not be looked at."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from typer.testing import CliRunner

from lab.corpora import random_values as draw
from mbp.cli.main import app, register
from mbp.contracts.policy import POLICY as OWNERS
from mbp.core.masking import mask
from mbp.core.moments import today
from mbp.quality.privacy.privacy_policy import POLICY, PrivacyPolicy, load_policy
from mbp.quality.privacy.scan_report import judge
from mbp.quality.privacy.scan_sources import Looked, Looker
from mbp.runs.run_control import data_state
from tests.python.operate.hooks.conftest import Site, duckdb_site, postgres_site, site

__all__ = ["duckdb_site", "postgres_site", "site"]
TABLES = ("log_samples", "datasets", "published")


def looked(place: Site, policy: PrivacyPolicy) -> dict[str, Looked]:
    """The tables; the files are the same for every test."""
    tables = replace(policy, sources=tuple(one for one in policy.sources if one.id in TABLES))
    return {one.id: one for one in Looker(place.root, place.target, tables).look()}


def test_the_sample_is_clean_on_postgres_too(postgres_site: Site, policy: PrivacyPolicy) -> None:
    found = looked(postgres_site, policy)
    assert set(found) == set(TABLES)
    assert [one.problem for one in found.values()] == [None, None, None]
    judged = judge([told for one in found.values() for told in one.findings], policy, today())
    assert judged.open == []
    assert found["datasets"].rows == found["published"].rows > 4000


def test_the_project_and_its_sample_are_clean(duckdb_site: Site, policy: PrivacyPolicy) -> None:
    site = duckdb_site
    looker = Looker(site.root, site.target, policy)
    found = {one.id: one for one in looker.look()}
    assert {name: one.problem for name, one in found.items()} == dict.fromkeys(found)
    judged = judge([told for one in found.values() for told in one.findings], policy, today())
    assert [str(one) for one in judged.open] == []
    assert judged.problems == []
    assert found["log_samples"].rows == 400
    assert found["datasets"].rows == found["published"].rows > 4000
    assert found["repository"].files > 700
    assert found["seeds"].files > 10
    with site.open() as warehouse:
        assert looker.data == data_state(site.root, warehouse)


def test_what_stands_in_tables_is_found_and_not_shown(
    site: Site, policy: PrivacyPolicy, random: Random
) -> None:
    cpf, person = draw.cpf(random), draw.email(random)
    site.execute(
        f"update sample_ops.log_samples set body = 'refused {cpf}'"
        " where log_id = (select min(log_id) from sample_ops.log_samples)",
        f"update marts.mbp_markets set name = '{person.replace(chr(39), '')}'"
        " where market_id = (select min(market_id) from marts.mbp_markets)",
        f"update marts.mbp_abuse_events set user_id_hash = '{person.replace(chr(39), '')}'"
        " where abuse_event_id = (select min(abuse_event_id) from marts.mbp_abuse_events)",
        "create or replace view published.mbp_resolutions as select * from marts.mbp_resolutions",
    )
    found = looked(site, policy)
    logs = found["log_samples"].findings
    key = site.rows("select min(log_id) from sample_ops.log_samples")[0][0]
    assert [(one.kind, one.place) for one in logs] == [
        ("cpf", f"sample_ops.log_samples.body row {mask(key)}")
    ]
    assert [one.kind for one in found["datasets"].findings].count("email") == 1
    assert [one.kind for one in found["datasets"].findings].count("not_hashed") == 1
    shown = {one.place.split(" ")[0] for one in found["published"].findings}
    assert shown == {
        "published.mbp_resolutions.decided_by_hash",
        "published.mbp_resolutions.evidence_uri",
    }
    told = "".join(str(finding) for one in found.values() for finding in one.findings)
    assert cpf not in told
    assert person not in told


def test_an_empty_table_is_not_clean(duckdb_site: Site, policy: PrivacyPolicy) -> None:
    duckdb_site.execute("delete from sample_ops.log_samples", "drop view published.mbp_quotes")
    found = looked(duckdb_site, policy)
    assert "is empty" in str(found["log_samples"].problem)
    assert "refuses (CatalogException)" in str(found["published"].problem)
    assert found["datasets"].problem is None


@pytest.fixture
def bare(project_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with the policy and nothing else."""
    root = tmp_path / "project"
    (root / POLICY).parent.mkdir(parents=True)
    text = (project_root / POLICY).read_text(encoding="utf-8")
    # The exceptions for values name files that are not here; the first one is for a source.
    first = text.index("  - code: ip")
    (root / POLICY).write_text(text[:first] + text[text.index("\nmeasure:") :], encoding="utf-8")
    (root / OWNERS).parent.mkdir()
    (root / OWNERS).write_text((project_root / OWNERS).read_text(), encoding="utf-8")
    (root / "dbt_project.yml").write_text("name: mbp\nprofile: mbp\n", encoding="utf-8")
    profiles = "profiles.example.yml"
    (root / profiles).write_text((project_root / profiles).read_text(), encoding="utf-8")
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    monkeypatch.setenv("MBP_PROJECT_DIR", str(root))
    monkeypatch.setenv("MBP_DUCKDB_PATH", str(tmp_path / "none.duckdb"))
    register()
    return root


def test_what_is_not_there_is_a_failure_unless_the_policy_says_otherwise(bare: Path) -> None:
    found = {one.id: one for one in Looker(bare, "duckdb", load_policy(bare)).look()}
    for name in (*TABLES, "seeds"):
        assert found[name].problem, name
    assert found["evidence"].problem is None
    assert "not there" in str(found["evidence"].note)
    assert found["repository"].files == 4


def test_the_command_fails_closed_and_shows_nothing(bare: Path, random: Random) -> None:
    result = CliRunner().invoke(app, ["privacy", "scan"])
    assert result.exit_code == 2
    assert "nothing was scanned" in result.output
    evidence = bare / "target/evidence/privacy_scan.json"
    assert json.loads(evidence.read_text(encoding="utf-8"))["verdict"] == "not_measured"
    cpf = draw.cpf(random)
    (bare / "notes.txt").write_text(f"cpf {cpf}\n", encoding="utf-8")
    result = CliRunner().invoke(app, ["privacy", "scan", "--format", "json"])
    assert result.exit_code == 1
    assert cpf not in result.output
    assert json.loads(result.stdout)["sources"]["repository"]["looked_at"] == 6
    document = json.loads(evidence.read_text(encoding="utf-8"))
    assert document["verdict"] == "fail"
    assert document["content"]["by_kind"] == {"cpf": 1}
    assert document["content"]["findings"][0]["place"] == "notes.txt"
    assert cpf not in evidence.read_text(encoding="utf-8")


def test_paths_and_stdin(bare: Path, tmp_path: Path, random: Random) -> None:
    cpf = draw.cpf(random)
    inside = tmp_path / "logs" / "deep" / "a.log"
    inside.parent.mkdir(parents=True)
    inside.write_text(f"ok\ncpf={cpf}\n", encoding="utf-8")

    def run(*words: str, stdin: str = "") -> tuple[int, str]:
        found = CliRunner().invoke(app, ["privacy", "scan", *words], input=stdin)
        return found.exit_code, f"{found.output}{found.exception or ''}"

    code, told = run(str(tmp_path / "logs"))
    assert (code, "a.log:2: error cpf: CPF [column 5: " in told, cpf in told) == (1, True, False)
    assert run(str(bare / "dbt_project.yml"))[0] == 0
    code, told = run("-", stdin=f"order accepted\ncpf {cpf}\n")
    assert (code, "stdin:2: error cpf" in told) == (1, True)
    assert run("-", stdin="order accepted\n")[0] == 0
    code, told = run(str(tmp_path / "nowhere"))
    assert "nothing was scanned" in told
    assert code != 0
    (tmp_path / "broken.gz").write_bytes(b"\x1f\x8b\x08broken")
    assert run(str(tmp_path / "broken.gz"))[0] == 2


def test_the_corpus_command_writes_what_was_asked_for(bare: Path, tmp_path: Path) -> None:
    target = tmp_path / "corpus.jsonl"
    words = ["privacy", "corpus", "--seed", "5", "--lines", "40", "--output", str(target)]
    assert CliRunner().invoke(app, words).exit_code == 0
    lines = [json.loads(line) for line in target.read_text(encoding="utf-8").splitlines()]
    assert len(lines) == 40
    assert {line["labels"] == [] for line in lines} == {True, False}
    assert bare.is_dir()
