"""Writes a new waiver, and approvals of one. Nothing is written that could not hold."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from mbp.contracts.waiver import APPROVERS, FOLDER, KINDS, RISKS, SUFFIX, Waiver, files, read_waiver
from mbp.core.errors import MbpError
from mbp.core.files import write_text
from mbp.core.forms import NAME
from mbp.core.reporting import Finding
from mbp.core.schema_check import did_you_mean
from mbp.release.signing.statements import write_statement
from mbp.release.waivers.known import Waivable
from mbp.release.waivers.waiver_check import content_findings

WIDTH = 100


def new_waiver(
    root: Path,
    name: str,
    *,
    covers: str,
    findings: int,
    reason: str,
    owner: str,
    risk: str,
    days: int,
    rollback: str,
    exercise: str,
    now: datetime,
) -> Path:
    """Writes contracts/waivers/`name`.yaml, open from today on; its path.

    Args:
        covers: `kind:id`, like `rule:closed_market_no_trades`.
        findings: how many it covers; 0: a measurement that could not be made.
        risk: `level: text`.

    Raises:
        MbpError: it is there already, or could not hold: the first reason.
    """
    if not re.fullmatch(NAME["pattern"], name):
        raise MbpError(f"{name!r} is not an id", fix="small letters, digits and _, a letter first")
    path = root / FOLDER / f"{name}{SUFFIX}"
    if path.exists():
        raise MbpError(
            "it is there already",
            path=f"{FOLDER}/{name}{SUFFIX}",
            fix="choose another id: a waiver that was signed is never written again",
        )
    kind, what = _pair(covers, "--covers", KINDS)
    level, text = _pair(risk, "--risk", RISKS)
    opened = now.astimezone(UTC).date()
    content = _yaml(
        {
            "version": 1,
            "id": name,
            "code": kind,
            "object": what,
            "findings": findings,
            "reason": reason,
            "owner": owner,
            "risk": {"level": level, "text": text},
            "opened": opened.isoformat(),
            "until": (opened + timedelta(days=days - 1)).isoformat(),
            "rollback": {"plan": rollback, "exercise": exercise},
        }
    )
    # The file is judged as a reader will find it, before it is put among the others.
    with TemporaryDirectory(prefix="mbp-waiver-") as folder:
        draft = Path(folder) / path.name
        write_text(draft, content)
        _demand(_readable(draft, Path(folder)), root, now)
    write_text(path, content)
    return path


def sign_waiver(root: Path, name: str, role: str, key: Path, now: datetime) -> Path:
    """Approves a waiver for a role; the path of the statement.

    Raises:
        MbpError: there is no such waiver, no signature could make it valid, or it cannot be signed.
    """
    if role not in APPROVERS:
        raise MbpError(f"{role!r} does not approve waivers", fix=f"one of {', '.join(APPROVERS)}")
    path = root / FOLDER / f"{name}{SUFFIX}"
    known = {file.stem: file for file in files(root)}
    if name not in known:
        raise MbpError(f"no waiver {name!r}", path=FOLDER, fix=did_you_mean(name, known))
    waiver = _readable(path, root)
    _demand(waiver, root, now)
    return write_statement(
        root, waiver.signatures(root), "waiver-approval", waiver.signed_content, role, key, now
    )


def _pair(text: str, option: str, choices: tuple[str, ...]) -> tuple[str, str]:
    first, colon, second = text.partition(":")
    if first.strip() not in choices or not colon or not second.strip():
        raise MbpError(
            f"{option}: {text!r} cannot be read",
            fix=f"write one of {', '.join(choices)}, a colon and the rest",
        )
    return first.strip(), second.strip()


def _readable(path: Path, root: Path) -> Waiver:
    read = read_waiver(path, root)
    if isinstance(read, Waiver):
        return read
    raise _refused(read[0])


def _demand(waiver: Waiver, root: Path, now: datetime) -> None:
    """Raises unless signatures could make it valid.

    Raises:
        MbpError: the first reason why not.
    """
    others = [read_waiver(path, root) for path in files(root)]
    every = [other for other in others if isinstance(other, Waiver)]
    for finding in content_findings(waiver, every, Waivable(root), now):
        raise _refused(finding)


def _refused(finding: Finding) -> MbpError:
    return MbpError(
        f"{finding.sentence} ({finding.code})",
        path=finding.path,
        line=finding.line,
        fix=finding.fix,
    )


def _yaml(document: Mapping[str, Any]) -> str:
    yaml = YAML()
    yaml.width = WIDTH
    stream = io.StringIO()
    yaml.dump({key: _quoted(value) for key, value in document.items()}, stream)
    return stream.getvalue()


def _quoted(value: Any) -> Any:
    """Texts in quotes: no word of a person turns into a number, a date or a comment."""
    if isinstance(value, dict):
        return {key: _quoted(inner) for key, inner in value.items()}
    return DoubleQuotedScalarString(value) if isinstance(value, str) else value
