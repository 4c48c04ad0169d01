"""Completion by the protocol that the shells speak, and in a real bash."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from tests.python.cli.commands.terminal import START, in_a_pipe, on_a_terminal


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
        ("bash", "mbp contracts ren", "render", "check"),
        ("fish", "mbp evidence bui", "build", "verify"),
        ("zsh", "mbp con", "contracts", "build"),
        ("bash", "mbp quality history mbp_quotes_pri", "mbp_quotes_price_range", "mbp_quotes_fk"),
        ("bash", "mbp registry show mbp_q", "mbp_quotes", "mbp_markets"),
        ("fish", "mbp metrics query traded_v", "traded_volume", "brier_score"),
        ("bash", "mbp metrics query kpi_dec", "kpi_dec_p95", "traded_volume"),
    ],
)
def test_a_shell_is_answered(
    project_root: Path, shell: str, line: str, wanted: str, unwanted: str
) -> None:
    told = asked(project_root, shell, line)
    assert wanted in told
    assert unwanted not in told


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
            ("ready> ", "mbp contracts rend\t"),
            ("render ", "\x03"),
            ("ready> ", "exit\n"),
        ],
        seconds=20,
    )
    assert "mbp contracts render " in seen
    assert "Traceback" not in seen
