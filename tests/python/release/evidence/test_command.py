"""What the commands say, and with which exit code they end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from mbp.cli.main import app, register
from mbp.core.errors import MbpError
from mbp.quality.privacy.scanned_parts import SensitiveValue
from mbp.release.evidence.pack_build import Pack, RefusedPackError
from tests.python.release.evidence.packs import Release, allowed, flipped, start_of

register()


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["evidence", *map(str, arguments)])


def test_verify_tells_verdict_root_and_signer(
    file: Path, pack: Pack, go: Release, tmp_path: Path
) -> None:
    signers = tmp_path / "signers"
    signers.write_text(allowed(go.keys))
    done = run("verify", file, "--allowed-signers", signers)
    assert done.exit_code == 0, done.output
    assert "gate M2: go" in done.stdout
    assert pack.root in done.stdout
    assert "signers as the given file says" in done.stdout
    own = run("verify", file)
    assert "signers as the pack itself says" in own.stdout


def test_verify_ends_with_one_when_something_was_changed(file: Path, pack: Pack) -> None:
    file.write_bytes(flipped(pack.content, start_of(pack.content, "docs/adr/001.md")))
    done = run("verify", file, "--format", "json")
    assert done.exit_code == 1
    told = json.loads(done.stdout)
    assert told["good"] is False
    assert [one["path"] for one in told["findings"]] == ["docs/adr/001.md"]


def test_an_unsigned_pack_needs_a_word(go: Release, tmp_path: Path) -> None:
    path = tmp_path / "pack.zip"
    path.write_bytes(go.pack(None).content)
    done = run("verify", path)
    assert done.exit_code == 1
    assert "NOT SIGNED" in done.stdout
    assert run("verify", path, "--allow-unsigned").exit_code == 0


def test_build_writes_the_pack_and_says_the_verdict(
    pack: Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mbp.release.evidence.pack_build.build", lambda *_: pack)
    done = run("build", "--output", tmp_path / "made.zip")
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines() == ["M2: go", f"root {pack.root}"]
    assert (tmp_path / "made.zip").read_bytes() == pack.content


def refused(*_: object) -> Pack:
    raise RefusedPackError(
        [SensitiveValue("cpf", "CPF", "docs/x.md", 3, 5, "***.***.***-**", "ab12")]
    )


def broken(*_: object) -> Pack:
    raise MbpError("quality gives nothing")


def test_what_is_refused_is_told_and_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mbp.release.evidence.pack_build.build", refused)
    done = run("build", "--output", tmp_path / "made.zip")
    assert done.exit_code == 1
    assert done.stdout.startswith("docs/x.md:3: error cpf: CPF [column 5: ")
    monkeypatch.setattr("mbp.release.evidence.pack_build.build", broken)
    assert isinstance(run("build", "--output", tmp_path / "made.zip").exception, MbpError)
    assert list(tmp_path.iterdir()) == []
