"""The scripts that CI runs, run for real in a repository of their own."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from mbp.release.ci.comment import MARKER, read_comment, render
from tests.python.built import Built
from tests.python.release.ci import reports
from tests.python.release.ci.reports import HEAD, Run
from tests.python.release.ci.sandbox import Sandbox, make_sandbox

FEW = (
    "contracts",
    "models/marts/mbp",
    "tests/dbt/generic",
    "scripts/ci",
    "lab",
    "dbt_project.yml",
    "pyproject.toml",
)
COMMENTS = "issues/7/comments"
BOT = {"login": "github-actions[bot]"}


@pytest.fixture(scope="module")
def sandbox(project_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    return make_sandbox(project_root, tmp_path_factory.mktemp("few"), FEW)


def record(sandbox: Sandbox, step: str) -> Any:
    return json.loads((sandbox.root / f"target/ci/step-{step}.json").read_text())


@pytest.mark.parametrize("code", [0, 1, 2])
def test_a_step_leaves_its_record_and_its_exit_code(sandbox: Sandbox, code: int) -> None:
    command = f'echo {{}} >"$MBP_CI_FOLDER/coverage.json"; exit {code}'
    finished = sandbox.run("scripts/ci/step.sh", "coverage", "bash", "-c", command)
    assert finished.returncode == code, finished.stderr
    found = record(sandbox, "coverage")
    head = sandbox.git("rev-parse", "HEAD")
    digest = hashlib.sha256(b"{}\n").hexdigest()
    assert (found["exit_code"], found["commit"], found["base"]) == (code, head, head)
    assert found["report_sha256"] == digest
    assert found["output"] == []


def test_the_record_of_a_failed_step_has_its_last_lines(sandbox: Sandbox) -> None:
    command = "seq 1 20; echo the reason >&2; exit 1"
    finished = sandbox.run("scripts/ci/step.sh", "tests", "bash", "-c", command)
    assert finished.returncode == 1
    output = record(sandbox, "tests")["output"]
    assert (len(output), output[0], output[-1]) == (12, "10", "the reason")
    assert "\n20\n" in finished.stdout


def test_a_report_of_an_earlier_run_is_not_taken_for_that_of_this_one(sandbox: Sandbox) -> None:
    (sandbox.root / "target/ci/rules.json").write_text("{}")
    sandbox.run("scripts/ci/step.sh", "rules", "false")
    assert record(sandbox, "rules")["report_sha256"] == ""
    assert not (sandbox.root / "target/ci/rules.json").exists()


@pytest.mark.parametrize(
    ("command", "settings", "told"),
    [
        (("scripts/ci/step.sh", "Bad/Name", "true"), {}, "no step 'Bad/Name'"),
        (("scripts/ci/step.sh", "lint"), {}, "usage"),
        (("scripts/ci/step.sh", "lint", "true"), {"MBP_CI_COMMIT": "main"}, "no full commit hash"),
        (("scripts/ci/step.sh", "lint", "true"), {"MBP_CI_BASE": "x; rm"}, "no full commit hash"),
        (("scripts/ci/postgres.sh",), {}, "MBP_PG_HOST is not set"),
        (("scripts/ci/check_version.sh", "1.2"), {}, "no version"),
        (("scripts/ci/check_version.sh", "99.0.0"), {}, "names another version"),
        (("scripts/ci/pack_site.sh",), {}, "run make site first"),
        (("scripts/ci/evidence.sh", "--gone"), {}, "unknown option"),
        (("scripts/ci/fetch_reports.sh", "1 2"), {}, "no number of a run"),
        (("scripts/ci/fetch_base.sh", "main"), {}, "no full commit hash"),
        (("scripts/ci/post_comment.sh", "7;x", "f"), {}, "no number of a pull request"),
        (("scripts/ci/post_comment.sh", "7", "none.md"), {}, "is missing"),
        (("scripts/ci/comment.sh", "1"), {}, "usage"),
    ],
)
def test_bad_input_is_refused(
    sandbox: Sandbox, command: tuple[str, ...], settings: dict[str, str], told: str
) -> None:
    finished = sandbox.run(*command, **settings)
    assert finished.returncode == 2
    assert told in finished.stderr


def test_the_version_of_the_project_may_be_released_once(sandbox: Sandbox) -> None:
    assert sandbox.run("scripts/ci/check_version.sh", "0.1.0").returncode == 0
    sandbox.git("tag", "v0.1.0")
    again = sandbox.run("scripts/ci/check_version.sh", "0.1.0")
    sandbox.git("tag", "--delete", "v0.1.0")
    assert again.returncode == 2
    assert "released already" in again.stderr


def test_a_broken_contract_is_found_and_told_with_a_witness(
    sandbox: Sandbox, project_root: Path
) -> None:
    base = sandbox.git("rev-parse", "HEAD")
    contract = sandbox.root / "contracts/a106/mbp_quotes.odcs.yaml"
    text = contract.read_text()
    assert "exclusiveMaximum: 1}" in text
    contract.write_text(text.replace("exclusiveMaximum: 1}", "exclusiveMaximum: 2}", 1))
    head = sandbox.commit()
    try:
        step = ("scripts/ci/step.sh", "contracts", "scripts/ci/contracts.sh")
        finished = sandbox.run(*step, MBP_CI_BASE=base)
    finally:
        sandbox.git("reset", "--quiet", "--hard", base)
    assert finished.returncode == 1, finished.stderr
    told = render(read_comment(project_root, sandbox.root / "target/ci", head, None, None))
    assert "may NOT be merged" in told
    assert "1 dataset changed (demands " in told
    assert "counterexample: valid under the new contract, not under the old" in told
    assert "**blocks**" in told


def comment_file(sandbox: Sandbox, text: str) -> str:
    (sandbox.root / "comment.md").write_text(text)
    return "comment.md"


def post(sandbox: Sandbox, known: str, text: str = f'{MARKER}\n`x` "quoted" $(id)\n') -> Any:
    write = {"text": "{}"}
    sandbox.answer(
        {f"--paginate {COMMENTS}": {"text": known}, "--method PATCH": write, "--method POST": write}
    )
    return sandbox.run("scripts/ci/post_comment.sh", "7", comment_file(sandbox, text))


def test_the_first_comment_is_made(sandbox: Sandbox) -> None:
    stranger = {"id": 1, "user": {"login": "somebody"}, "body": f"{MARKER}\nmine"}
    other = {"id": 2, "user": BOT, "body": f"not at the start {MARKER}"}
    finished = post(sandbox, json.dumps([stranger, other]))
    assert finished.returncode == 0, finished.stderr
    asked = sandbox.asked[-1]
    assert asked["arguments"][:4] == ["api", "--method", "POST", f"repos/mbp/contracts/{COMMENTS}"]
    assert json.loads(asked["body"]) == {"body": f'{MARKER}\n`x` "quoted" $(id)\n'}


def test_the_comment_that_is_there_is_updated(sandbox: Sandbox) -> None:
    mine = {"id": 42, "user": BOT, "body": f"{MARKER}\nold"}
    later = {"id": 43, "user": BOT, "body": f"{MARKER}\nolder"}
    # Two pages, one array after the other, as the client writes them.
    finished = post(sandbox, json.dumps([]) + json.dumps([mine, later]))
    assert finished.returncode == 0, finished.stderr
    assert len(sandbox.asked) == 2
    target = "repos/mbp/contracts/issues/comments/42"
    assert sandbox.asked[-1]["arguments"][:4] == ["api", "--method", "PATCH", target]


@pytest.mark.parametrize("text", ["no marker\n", f"\n{MARKER}\n", f"{MARKER}\n" + "é" * 40_000])
def test_what_is_no_comment_is_not_posted(sandbox: Sandbox, text: str) -> None:
    assert post(sandbox, "[]", text).returncode == 2
    assert sandbox.asked == []


def test_a_forge_that_fails_ends_the_script(sandbox: Sandbox) -> None:
    sandbox.answer({COMMENTS: {"code": 1}})
    finished = sandbox.run("scripts/ci/post_comment.sh", "7", comment_file(sandbox, f"{MARKER}\n"))
    assert finished.returncode != 0
    assert len(sandbox.asked) == 1


def forge(run: Run, head: str, folder: Path) -> dict[str, Any]:
    """Answers of a forge on which a fork's run has ended; among its reports are files that nobody asked for."""
    downloads = folder / "downloads"
    first, second = downloads / "reports-lint", downloads / "reports-duckdb"
    first.mkdir(parents=True)
    shutil.copytree(run.folder, second)
    shutil.move(second / "step-lint.json", first)
    (first / "evil.sh").write_text("exit 1")
    (second / "coverage.json").unlink()
    (second / "coverage.json").symlink_to("/etc/passwd")
    write = {"text": "{}"}
    return {
        "/pulls state=open head=fork:topic": {
            "text": json.dumps([{"number": 7, "head": {"sha": head}}])
        },
        "run download 99 reports-*": {"copy": str(downloads)},
        "workflows/main.yml/runs": {"text": '{"workflow_runs": [{"id": 3}, {"id": 5}]}'},
        "run download 5 main-build": {"copy": str(run.base)},
        f"--paginate {COMMENTS}": {"text": "[]"},
        "--method POST": write,
    }


def test_the_commenter_reads_a_forks_run_as_data(
    project_root: Path, run: Run, tmp_path: Path
) -> None:
    sandbox = make_sandbox(project_root, tmp_path, FEW)
    sandbox.answer(forge(run, HEAD, tmp_path))
    finished = sandbox.run(
        *("scripts/ci/comment.sh", "99", "fork", "topic", "success"), MBP_CI_COMMIT=HEAD
    )
    assert finished.returncode == 0, finished.stderr
    body = json.loads(sandbox.asked[-1]["body"])["body"]
    assert body.startswith(f"{MARKER}\n## Data contracts: not everything was measured")
    assert "| Documentation coverage | **not measured** | coverage.json is missing" in body
    assert "| Lint, types, conventions | pass |" in body
    assert "compared with `bbbbbbbbbbbb`" in body
    assert not list((sandbox.root / "target").rglob("evil.sh"))
    assert not (sandbox.root / "target/ci/coverage.json").exists()


@pytest.mark.parametrize("parent", [True, False])
def test_reports_of_the_merge_are_those_of_its_head(
    project_root: Path, run: Run, tmp_path: Path, parent: bool
) -> None:
    """A pull request's run checks out the merge; whose merge a commit is, the forge says and not the reports."""
    head = "e" * 40
    sandbox = make_sandbox(project_root, tmp_path, FEW)
    parents = [{"sha": reports.BASE}, {"sha": head if parent else "f" * 40}]
    answers = forge(run, head, tmp_path)
    sandbox.answer({**answers, f"/commits/{HEAD}": {"text": json.dumps({"parents": parents})}})
    finished = sandbox.run(
        *("scripts/ci/comment.sh", "99", "fork", "topic", "success"), MBP_CI_COMMIT=head
    )
    assert finished.returncode == 0, finished.stderr
    body = json.loads(sandbox.asked[-1]["body"])["body"]
    assert ("| Lint, types, conventions | pass |" in body) is parent
    assert (f"Commit `{HEAD[:12]}`" in body) is parent


def test_the_commenter_leaves_a_pull_request_that_moved_on(
    sandbox: Sandbox, run: Run, tmp_path: Path
) -> None:
    sandbox.answer(forge(run, reports.BASE, tmp_path))
    finished = sandbox.run(
        *("scripts/ci/comment.sh", "99", "fork", "topic", "success"), MBP_CI_COMMIT=HEAD
    )
    assert finished.returncode == 2
    assert "it moved on" in finished.stderr
    assert len(sandbox.asked) == 1


def test_no_stored_build_of_main_is_no_error_here(sandbox: Sandbox) -> None:
    sandbox.answer({"workflows/main.yml/runs": {"text": '{"workflow_runs": []}'}})
    assert sandbox.run("scripts/ci/fetch_base.sh").returncode == 0
    assert not (sandbox.root / "target/base").exists()


def store(built: Built, folder: Path, commit: str) -> None:
    """The stored build of main, from the build that the tests share."""
    folder.mkdir(parents=True)
    warehouse = Path(built.settings["duckdb"]["MBP_DUCKDB_PATH"])
    shutil.copyfile(warehouse, folder / "mbp.duckdb")
    for name in ("manifest.json", "run_results.json"):
        document = json.loads((warehouse.parent / "duckdb/target" / name).read_text())
        document["metadata"]["env"] = {"MBP_CI_COMMIT": commit}
        (folder / name).write_text(json.dumps(document))
    (folder / "commit.txt").write_text(f"{commit}\n")


@pytest.mark.slow
def test_a_slim_build_finds_what_a_change_breaks(
    built: Built, project_root: Path, tmp_path: Path
) -> None:
    """The modified model alone is built, on main's rows; rules that it does not touch stand as on main."""
    sandbox = make_sandbox(project_root, tmp_path)
    base = sandbox.git("rev-parse", "HEAD")
    store(built, sandbox.root / "target/base", base)
    model = sandbox.root / "models/marts/mbp/mbp_abuse_events.sql"
    text = model.read_text()
    assert "        action_taken,\n" in text
    model.write_text(
        text.replace("        action_taken,\n", "        'alert_only' as action_taken,\n")
    )
    head = sandbox.commit()
    settings = {"MBP_CI_BASE": base, "MBP_RAW": "sample"}
    built_slim = sandbox.run("scripts/ci/step.sh", "build", "scripts/ci/build.sh", **settings)
    assert built_slim.returncode == 1, built_slim.stderr
    plan = json.loads((sandbox.root / "target/ci/build.json").read_text())
    assert (plan["mode"], plan["modified"]) == ("slim", ["model.mbp.mbp_abuse_events"])
    ruled = sandbox.run("scripts/ci/step.sh", "rules", "scripts/ci/rules.sh", **settings)
    assert ruled.returncode == 1, ruled.stderr
    found = json.loads((sandbox.root / "target/ci/rules.json").read_text())
    broken = {one["rule_id"] for one in found["findings"] if one["verdict"] == "fail"}
    assert "abuse_action" in broken
    assert "mbp_quotes_fk" in found["carried_over"]
    folder = sandbox.root / "target/ci"
    comment = read_comment(project_root, folder, head, sandbox.root / "target/base", None)
    text = render(comment)
    assert comment.verdict == "fail"
    assert "- **broken**: `abuse_action` of `mbp_abuse_events`, owner `SEC`" in text
    assert "- changed: `model mbp_abuse_events`" in text
    assert "`exposure pre_ga_gate`, owner `PLAT`" in text


@pytest.mark.parametrize(("verdict", "flags"), [("go", 0), ("rehearsal", 1), ("no-go", None)])
def test_a_rehearsal_is_published_as_a_pre_release(
    sandbox: Sandbox, verdict: str, flags: int | None, tmp_path: Path
) -> None:
    with ZipFile(tmp_path / "evidence.zip", "w") as pack:
        pack.writestr("gate/M2.json", json.dumps({"verdict": verdict}))
    sandbox.answer({"run download": {"copy": str(tmp_path)}, "release create": {}})
    head = sandbox.git("rev-parse", "HEAD")
    settings = {"GITHUB_REPOSITORY": "o/r", "GITHUB_RUN_ID": "7", "GITHUB_SHA": head}
    done = sandbox.run("scripts/ci/publish_release.sh", "0.1.0", **settings)
    created = [one for one in sandbox.asked if one["arguments"][:2] == ["release", "create"]]
    if flags is None:
        assert (done.returncode, created) == (2, [])
        assert "the evidence says 'no-go'" in done.stderr
        return
    assert done.returncode == 0, done.stderr
    (call,) = created
    assert call["arguments"].count("--prerelease") == flags
