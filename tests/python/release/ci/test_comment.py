"""The comment: what it says, that it is green only when everything was seen, and that nothing in it comes to life."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from markdown_it import MarkdownIt
from typer.testing import CliRunner

from lab.corpora.random_values import cpf
from mbp.cli import main as cli
from mbp.release.ci.comment import LARGEST_BYTES, MARKER, Comment, as_json, read_comment, render
from mbp.release.ci.step_reports import STEPS
from tests.python.release.ci import reports
from tests.python.release.ci.reports import BASE, CHANGE, FINDING, HEAD, Run

# Of nobody: drawn, with check digits that hold.
CPF = cpf(Random(7))  # noqa: S311 - not a secret


@pytest.fixture
def told(project_root: Path) -> Callable[[Run], Comment]:
    return lambda run: read_comment(project_root, run.folder, HEAD, run.base, "success")


def test_all_seen_and_all_well(run: Run, told: Callable[[Run], Comment]) -> None:
    comment = told(run)
    text = render(comment)
    assert comment.verdict == "pass", text
    assert text.startswith(f"{MARKER}\n## Data contracts: may be merged\n")
    assert "Commit `aaaaaaaaaaaa`, compared with `bbbbbbbbbbbb`." in text
    for step in STEPS:
        assert f"| {step.title} | pass |" in text
    assert f"| all steps, one after the other | | | {1.5 * len(STEPS):.1f} |" in text
    assert "not measured" not in text
    # Lineage, down to the exposure and whose it is.
    assert "1 node changed, 0 gone; reaches 1 model and 1 exposure" in text
    assert "- `exposure market_dashboard`, owner `PM`" in text
    assert "100.00 % (1 of 1), +0.00 points against main" in text


def test_a_break_is_told_with_bump_and_witness(run: Run, told: Callable[[Run], Comment]) -> None:
    blocking = {
        "code": "scale_changed",
        "severity": "error",
        "subject": "mbp_quotes.price",
        "message": "fewer digits",
        "fix": "undo it",
    }
    run.report("contracts", reports.contracts([CHANGE, CHANGE], [blocking]), exit_code=1)
    text = render(told(run))
    assert "may NOT be merged" in text.splitlines()[1]
    assert "1 dataset changed (demands major), 1 blocking finding" in text
    assert text.count("; **blocks**: `fewer digits`. Fix: `undo it`") == 1
    change = "`scale_changed` `mbp_quotes.price`: `decimal(18,8)` → `decimal(18,4)`"
    assert text.count(change) == 1  # told once, however many versions it was compared with
    assert 'not under the new: `{"price": "0.12345678"}`' in text
    assert "- read by `metric price`, `exposure market_dashboard`" in text
    assert "- `2 rows of the duckdb warehouse would be invalid`" in text
    assert "- such as `quote_id=q-1" in text
    assert "0123456789" not in text


def test_a_broken_rule_is_told_with_owner_and_masked_rows(
    run: Run, told: Callable[[Run], Comment]
) -> None:
    rows = [{"quote_id": "q-1", "user_id_hash": "0123456789", "details": f"CPF {CPF}"}]
    rows += [{"quote_id": CPF, "user_id_hash": "…a1b2", "details": None}]
    finding = {**FINDING, "sample": {"rows": rows}}
    run.report("rules", reports.rules([finding]), exit_code=1)
    text = render(told(run))
    assert "- **broken**: `mbp_quotes_fk` of `mbp_quotes`, owner `DATA`, 7 failing rows" in text
    assert "quote_id=q-1" in text
    assert "0123456789" not in text and CPF not in text
    assert re.search(r"quote_id=…[0-9a-f]{4}, user_id_hash=…a1b2, details=null", text)


def test_a_warning_is_told_and_does_not_block(run: Run, told: Callable[[Run], Comment]) -> None:
    run.report("rules", reports.rules([{**FINDING, "severity": "warning", "verdict": "warn"}]))
    comment = told(run)
    assert comment.verdict == "pass"
    assert "- warning: `mbp_quotes_fk`" in render(comment)


def test_lost_coverage_is_told(run: Run, told: Callable[[Run], Comment]) -> None:
    document = reports.coverage(66.7, "volume", "twap_5m")
    document["items"][0]["state"] = "missing"
    run.report("coverage", document, exit_code=1)
    text = render(told(run))
    assert "66.70 % (1 of 3), -33.30 points against main" in text
    assert "- no longer described: `model.mbp.mbp_quotes.price`" in text
    assert "- new and not described: `model.mbp.mbp_quotes.volume`" in text


def unlink(name: str) -> Callable[[Run], None]:
    return lambda run: (run.folder / name).unlink()


def garbage(name: str) -> Callable[[Run], None]:
    return lambda run: (run.folder / name).write_bytes(b"\xff{]")


def other_commit(name: str) -> Callable[[Run], None]:
    return lambda run: run.write(name, reports.manifest(BASE) | {"results": []})


def relink(run: Run) -> None:
    (run.folder / "manifest.json").unlink()
    (run.folder / "manifest.json").symlink_to("/etc/passwd")


def swapped(run: Run) -> None:
    run.write("rules.json", reports.rules([]) | {"passed": 99})


def wrong(step: str, key: str, value: Any) -> Callable[[Run], None]:
    def change(run: Run) -> None:
        document = json.loads((run.folder / f"{step}.json").read_text())
        run.report(step, {**document, key: value})

    return change


def broken_child_map(run: Run) -> None:
    run.write("manifest.json", {**reports.manifest(HEAD), "child_map": {"model.mbp.mbp_quotes": 7}})


BLIND: dict[str, tuple[Callable[[Run], None], str]] = {
    **{
        f"no {step.name}": (
            unlink(step.record),
            f"{step.title} | **not measured** | the step did",
        )
        for step in STEPS
    },
    "record not JSON": (garbage("step-lint.json"), "step-lint.json is not JSON"),
    "record of another commit": (lambda run: run.record("lint", commit=BASE), "is stale"),
    "record of another step": (lambda run: run.record("lint", step="tests"), "is stale"),
    "exit 2": (lambda run: run.record("tests", exit_code=2), "could not run (exit code 2)"),
    "no report": (lambda run: run.record("rules", report_sha256=""), "left no report"),
    "report is gone": (unlink("contracts.json"), "contracts.json is missing"),
    "report is another": (swapped, "rules.json is stale"),
    "report of another form": (wrong("rules", "findings", {}), "rules.json is not of the expected"),
    "nothing checked": (wrong("contracts", "checked", []), "no contract was checked"),
    "no rule at all": (
        lambda run: run.report("rules", {**reports.rules([]), "passed": 0, "carried_over": []}),
        "no rule was checked",
    ),
    "rule not run": (
        lambda run: run.report("rules", reports.rules([{**FINDING, "verdict": "not_measured"}])),
        "1 rule not measured",
    ),
    "rule in error": (
        lambda run: run.report("rules", reports.rules([{**FINDING, "verdict": "error"}])),
        "1 rule not measured",
    ),
    "stale results": (wrong("rules", "stale", ["changed since"]), "the results may be stale"),
    "not a percentage": (wrong("coverage", "percent", 101), "coverage.json is not of the expected"),
    "nothing to describe": (wrong("coverage", "total", 0), "nothing is there to describe"),
    "no manifest": (unlink("manifest.json"), "manifest.json is missing"),
    "manifest of another commit": (other_commit("manifest.json"), "manifest.json is stale"),
    "manifest is a link": (relink, "manifest.json is a link"),
    "manifest is broken": (broken_child_map, "child_map of the manifest is not of the expected"),
    "results of another commit": (other_commit("run_results.json"), "run_results.json is stale"),
    "modified not known": (wrong("build", "modified", None), "not known what is modified"),
    "no base": (lambda run: (run.base / "commit.txt").unlink(), "no stored build of the base"),
    "base of another commit": (
        lambda run: (run.base / "commit.txt").write_text(HEAD) and None,
        "the stored build of the base is of another commit",
    ),
    "two bases": (lambda run: run.record("lint", base=HEAD), "compared with nothing"),
    "base without coverage": (
        lambda run: (run.base / "coverage.json").unlink(),
        "could not compare with main: coverage.json is missing",
    ),
}


@pytest.mark.parametrize(("spoil", "words"), BLIND.values(), ids=BLIND)
def test_what_was_not_seen_is_said_and_never_green(
    run: Run, told: Callable[[Run], Comment], spoil: Callable[[Run], None], words: str
) -> None:
    spoil(run)
    comment = told(run)
    text = render(comment)
    assert comment.verdict == "not_measured"
    assert "not everything was measured" in text.splitlines()[1]
    assert words in text


def test_of_nothing_nothing_is_said(project_root: Path, tmp_path: Path) -> None:
    comment = read_comment(project_root, tmp_path, HEAD, None, None)
    assert comment.verdict == "not_measured"
    assert all(part.verdict == "not_measured" for part in comment.parts)


def test_a_run_that_failed_as_a_whole_is_not_green(run: Run, project_root: Path) -> None:
    comment = read_comment(project_root, run.folder, HEAD, run.base, "failure")
    assert comment.verdict == "not_measured"
    assert "The run as a whole | **not measured**" in render(comment)


def test_a_failed_step_with_a_clean_report_is_a_failure(
    run: Run, told: Callable[[Run], Comment]
) -> None:
    run.record("rules", exit_code=1)
    assert "the step failed" in render(told(run))
    assert told(run).verdict == "fail"


COMPILE_ERROR = "Compilation Error in model mbp_quotes\n  Model depends on a node named 'nowhere'\n"
ENFORCED = (
    "Compilation Error in model mbp_quotes\n  This model has an enforced contract that failed."
)


def failed_build(run: Run, status: str, message: str) -> None:
    result = {"unique_id": "model.mbp.mbp_quotes", "status": status, "message": message}
    skipped = {"unique_id": "model.mbp.kpi_windows", "status": "skipped", "message": None}
    metadata = {"env": {"MBP_CI_COMMIT": HEAD}}
    run.write("run_results.json", {"metadata": metadata, "results": [result, skipped]})
    manifest = reports.manifest(HEAD)
    manifest["nodes"]["model.mbp.mbp_quotes"] |= {
        "original_file_path": "models/marts/mbp/mbp_quotes.sql",
        "config": {"meta": {"owner": "DATA"}},
    }
    run.write("manifest.json", manifest)
    run.record("build", exit_code=1)


@pytest.mark.parametrize("message", [COMPILE_ERROR, ENFORCED])
def test_a_node_that_failed_is_told_with_file_owner_and_error(
    run: Run, told: Callable[[Run], Comment], message: str
) -> None:
    failed_build(run, "error", message)
    text = render(told(run))
    place = "`model.mbp.mbp_quotes` in `models/marts/mbp/mbp_quotes.sql`, owner `DATA`"
    assert f"- Build and tests: **error**: {place}" in text.partition("| check |")[0]
    assert "built only what is modified and what comes after it: 2 results, 1 node failed" in text
    for line in message.strip().splitlines():
        assert f"  - `{line.strip()}`" in text


def test_a_step_that_could_not_run_shows_how_it_ended(
    run: Run, told: Callable[[Run], Comment]
) -> None:
    # A seed is missing: dbt never started, and there are no results.
    line = "mbp: seeds: the seed 'quotes' has no file seeds/sample/quotes.csv. Fix: restore it"
    (run.folder / "build.json").unlink()
    (run.folder / "run_results.json").unlink()
    run.record("build", exit_code=2, output=["building", line])
    # Only PostgreSQL fails: its step has no report at all.
    run.record("postgres", exit_code=1, output=["mbp_quotes_fk: 7 failing rows"])
    comment = told(run)
    text = render(comment)
    assert comment.verdict == "fail"
    assert "Build and tests | **not measured** |" in text
    assert "could not run (exit code 2)" in text
    assert f"  - `{line}`" in text
    assert "- Build and tests on PostgreSQL: the last lines of its log:" in text
    assert "  - `mbp_quotes_fk: 7 failing rows`" in text


def test_what_a_failed_step_found_before_is_still_told(
    run: Run, told: Callable[[Run], Comment]
) -> None:
    run.report("rules", reports.rules([FINDING]), exit_code=2)
    comment = told(run)
    text = render(comment)
    assert comment.verdict == "fail"
    assert "1 rule broken; the step could not run (exit code 2)" in text
    assert "- Rules of the contracts: **broken**: `mbp_quotes_fk`" in text


def test_personal_data_in_a_log_is_not_told(run: Run, told: Callable[[Run], Comment]) -> None:
    address = "@".join(["someone", "corporation.com.br"])
    run.record("tests", exit_code=1, output=[f"bad value: {address}", "a" * 900])
    text = render(told(run))
    assert "corporation" not in text
    assert "a" * 301 not in text


def test_the_comment_links_to_its_run(run: Run) -> None:
    given = [str(run.folder), "--base", str(run.base), "--commit", HEAD, "--run-url"]
    url = "https://forge.example.org/team/mbp/actions/runs/17"
    assert f"[The run]({url})" in invoke(*given, url).stdout
    for bad in ("javascript:alert(1)", "https://x) [y](z", "http://example.org"):
        assert "is no address of a run" in str(invoke(*given, bad).exception)


HOSTILE = [
    "a | b",
    "`x` @org/team",
    "<img src=x onerror=alert(1)>",
    "[text](https://example.org) https://example.org #1",
    "line\n\n# heading\n- [ ] task",
    "``` fence",
    "\\` @everyone",
    "\\| @everyone",
    f"{MARKER} --> <script>",
    "\u202eevil\u200b\x1b[31m",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_that_others_write_comes_to_life(
    run: Run, told: Callable[[Run], Comment], name: str
) -> None:
    change = {
        **CHANGE,
        **dict.fromkeys(("code", "path", "old", "new", "bump"), name),
        "witness": {name: {"row": {name: name}}},
        "readers": [name],
        "notes": [name],
        "row": {name: name},
    }
    blocking = {"code": name, "severity": "error", "subject": name, "message": name, "fix": name}
    document = reports.contracts([change], [blocking])
    document["datasets"][0] |= {
        **dict.fromkeys(("dataset", "version", "least_version", "bump"), name),
        "compared_with": [name],
    }
    run.report("contracts", document)
    finding = {
        **FINDING,
        **dict.fromkeys(("rule_id", "dataset", "owner", "message"), name),
        "sample": {"rows": [{name: name}]},
    }
    run.report("rules", reports.rules([finding]) | {"stale": [name]})
    exposure = f"exposure.mbp.{name}"
    wild = reports.manifest(HEAD)
    wild["child_map"]["model.mbp.kpi_windows"] = [exposure]
    wild["exposures"][exposure] = {"name": name, "owner": {"name": name}}
    run.write("manifest.json", wild)
    run.report("build", {"mode": "slim", "reason": name, "modified": ["model.mbp.mbp_quotes"]})
    run.report("coverage", reports.coverage(50, name))

    text = render(told(run))
    assert text.startswith(f"{MARKER}\n")
    tokens = (
        MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text.removeprefix(MARKER))
    )
    spans = 0
    for token in tokens:
        assert token.type not in ("html_block", "fence", "code_block")
        if token.type == "heading_open":
            assert token.tag in ("h2", "h3")
        for inner in token.children or []:
            assert inner.type in ("text", "code_inline", "softbreak", "strong_open", "strong_close")
            if inner.type == "text":
                assert not re.search(
                    r"[@<#\u202e\x1b]|evil|everyone|(?<!counter)example|onerror", inner.content
                )
            spans += inner.type == "code_inline"
    assert spans > 20
    # The table on top has only our own words: four cells in each row.
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == len(STEPS) + 1 + 3
    assert {line.count("|") for line in rows} == {5}


def test_a_long_comment_is_cut_and_says_so(run: Run, told: Callable[[Run], Comment]) -> None:
    findings = [{**FINDING, "rule_id": f"rule_{index}"} for index in range(3000)]
    run.report("rules", reports.rules(findings), exit_code=1)
    text = render(told(run))
    assert len(text.encode()) <= LARGEST_BYTES
    assert "may NOT be merged" in text and "3,000 rules broken" in text
    cut = re.search(r"- \*\*cut\*\*: (\d+) of 3000 entries are left out", text)
    assert cut is not None
    assert text.count("- **broken**") == 3000 - int(cut.group(1)) > 100
    assert "exposure market_dashboard" in text  # the short parts stay whole


def invoke(*arguments: str) -> Any:
    cli.register()
    return CliRunner().invoke(cli.app, ["ci", "comment", *arguments])


def test_the_command(run: Run, tmp_path: Path) -> None:
    given = [str(run.folder), "--base", str(run.base), "--commit", HEAD]
    shown = invoke(*given)
    assert shown.exit_code == 0, shown.output
    written = tmp_path / "comment.md"
    assert invoke(*given, "--output", str(written)).exit_code == 0
    assert written.read_text() == shown.stdout
    run.record("lint", exit_code=1)
    failed = invoke(*given, "--format", "json")
    assert failed.exit_code == 1
    assert json.loads(failed.stdout)["verdict"] == "fail"
    (run.folder / "step-tests.json").unlink()
    run.record("lint")
    assert invoke(*given).exit_code == 2


def test_json_names_every_part(run: Run, told: Callable[[Run], Comment]) -> None:
    document = as_json(told(run))
    assert document["verdict"] == "pass"
    assert len(document["parts"]) == len(STEPS) + 1
