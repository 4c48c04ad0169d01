"""Completion by the protocol that the shells speak, in a real bash, and where nothing can be read."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mbp.cli import completion
from tests.python.cli.commands.terminal import START, in_a_pipe, on_a_terminal

HEAVY = ("duckdb", "dbt", "pandas", "numpy", "pyarrow", "psycopg2", "sqlglot")


def asked(root: Path, shell: str, line: str) -> str:
    """What the program answers when that shell asks about an unfinished line."""
    words = line.split(" ")
    variables = {"_MBP_COMPLETE": f"complete_{shell}", "_TYPER_COMPLETE_ARGS": line}
    if shell == "bash":
        variables |= {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    if shell == "fish":
        variables["_TYPER_COMPLETE_FISH_ACTION"] = "get-args"
    done = in_a_pipe(root, [], variables)
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize(
    ("shell", "line", "wanted", "unwanted"),
    [
        ("bash", "mbp contracts check mbp_q", "mbp_quotes", "mbp_markets"),
        ("zsh", "mbp quality prove --fault mbp_quotes_f", "mbp_quotes_fk", "mbp_quotes_cdc_order"),
        ("fish", "mbp exercise cdc", "cdc_delay", "schema_drift"),
        ("bash", "mbp evidence build --gate ", "M2", "duckdb"),
        ("zsh", "mbp con", "contracts", "build"),
    ],
)
def test_a_shell_is_answered(
    project_root: Path, shell: str, line: str, wanted: str, unwanted: str
) -> None:
    told = asked(project_root, shell, line)
    assert wanted in told
    assert unwanted not in told


def test_every_completed_parameter_is_one_of_a_command() -> None:
    from mbp.release.documents.command_lines import is_group, known_commands

    named = set()
    for words, command in known_commands().items():
        if not is_group(command):
            for parameter in command.params:
                named |= {str(parameter.name), f"{words.split()[-1]} {parameter.name}"}
    assert not completion.COMPLETED.keys() - named


def test_what_is_completed_is_what_the_project_knows(project_root: Path) -> None:
    from mbp.contracts import all_rules, load_contracts
    from mbp.contracts.exercises import load_exercises
    from mbp.contracts.gates import GATES
    from mbp.contracts.hook_policy import load_hooks

    contracts = load_contracts(project_root)
    assert completion.datasets(project_root) == sorted(one.dataset for one in contracts)
    assert completion.rules(project_root) == [rule.id for rule in all_rules(contracts)]
    assert sorted(completion.gates(project_root)) == sorted(GATES)
    known = load_exercises(project_root, load_hooks(project_root))
    assert completion.exercises(project_root) == [one.id for one in known]


def test_outside_of_a_project_it_completes_to_nothing_and_says_nothing(tmp_path: Path) -> None:
    source = Path(completion.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", START],
        cwd=tmp_path,
        env={
            "PYTHONPATH": str(source),
            "_MBP_COMPLETE": "complete_bash",
            "COMP_WORDS": "mbp contracts check ",
            "COMP_CWORD": "3",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout.strip(), done.stderr) == ("", "")


def test_a_broken_file_completes_to_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dbt_project.yml").touch()
    rules = tmp_path / completion.RULES
    rules.parent.mkdir(parents=True)
    rules.write_bytes(b"\xff\xfe no table")
    monkeypatch.setenv("MBP_PROJECT_DIR", str(tmp_path))
    assert completion.complete(completion.rules, "") == []
    rules.write_text("another,header\n1,2\n")
    assert completion.complete(completion.rules, "") == []


def test_it_imports_nothing_heavy(project_root: Path) -> None:
    told = "atexit.register(lambda: print(*sys.modules, file=sys.stderr))"
    look = f"import sys, atexit; {told}; {START}"
    done = subprocess.run(
        [sys.executable, "-c", look],
        cwd=project_root,
        env={
            "PYTHONPATH": str(project_root / "src"),
            "_MBP_COMPLETE": "complete_bash",
            "COMP_WORDS": "mbp build --target ",
            "COMP_CWORD": "3",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert "duckdb\npostgres" in done.stdout
    loaded = done.stderr.split()
    assert "mbp.cli.completion" in loaded
    assert not {one.split(".")[0] for one in loaded} & set(HEAVY)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_each_shell_is_shown_and_installed(
    project_root: Path, tmp_path: Path, shell: str
) -> None:
    # Without this the shell that the tests were started from would be meant.
    named = {"HOME": str(tmp_path), "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    shown = in_a_pipe(project_root, ["--show-completion", shell], named)
    assert shown.returncode == 0
    assert f"complete_{shell}" in shown.stdout
    installed = in_a_pipe(project_root, ["--install-completion", shell], named)
    assert installed.returncode == 0, installed.stderr
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(f"complete_{shell}" in path.read_text() for path in files)


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
def test_a_tab_in_a_real_bash_completes(project_root: Path, tmp_path: Path) -> None:
    program = tmp_path / "mbp"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "{START}" "$@"\n')
    program.chmod(0o755)
    script = tmp_path / "completion.sh"
    script.write_text(in_a_pipe(project_root, [], {"_MBP_COMPLETE": "source_bash"}).stdout)
    start = tmp_path / "start.sh"
    start.write_text(
        f"PATH={tmp_path}:$PATH\nsource {script}\nbind 'set enable-bracketed-paste off'\nPS1='ready> '\n"
    )
    seen = on_a_terminal(
        project_root,
        ["bash", "--noprofile", "--rcfile", str(start), "-i"],
        [
            ("ready> ", "mbp contracts check mbp_quo\t"),
            ("mbp_quotes ", "\x03"),
            ("ready> ", "exit\n"),
        ],
        seconds=20,
    )
    assert "mbp contracts check mbp_quotes " in seen
    assert "Traceback" not in seen
