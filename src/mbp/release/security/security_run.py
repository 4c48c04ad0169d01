"""All parts of `mbp security run`, one after the other; what one of them cannot do stops no other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mbp.core.errors import EXIT_COULD_NOT_RUN, EXIT_FINDINGS, MbpError
from mbp.core.reporting import Finding, Suite
from mbp.core.schema_check import did_you_mean
from mbp.core.verdict import Verdict, spelled
from mbp.release.security.licences import licences
from mbp.release.security.live import Servers, least_privilege
from mbp.release.security.lock import Pinned, installed, read_lock
from mbp.release.security.part_result import PartResult, unmeasured
from mbp.release.security.sbom import sbom
from mbp.release.security.security_policy import SecurityPolicy, load_security
from mbp.release.security.security_tools import audit, sast, secrets
from mbp.runs import envelope
from mbp.runs.run_control import warehouse_id
from mbp.warehouse import connect

PARTS = ("sbom", "sast", "secrets", "audit", "licences", "least_privilege")
PREFIX = "security_"


@dataclass(frozen=True)
class SecurityRequest:
    """What the caller wants.

    Attributes:
        only: parts; all without one.
        target: dbt target whose grants are checked.
        servers: gives other servers whose grants are checked instead.
    """

    only: Sequence[str] = ()
    target: str = "duckdb"
    servers: Servers | None = None


def run(
    root: Path, request: SecurityRequest, say: Callable[[str], None] = lambda _: None
) -> list[PartResult]:
    """Runs the parts and writes target/evidence/security_<part>.json for each.

    Raises:
        MbpError: an unknown part, or a policy that cannot be read.
    """
    for name in request.only:
        if name not in PARTS:
            raise MbpError(f"no part {name!r}", fix=did_you_mean(name, PARTS))
    policy = load_security(root)
    parts = []
    for name, part in _parts(root, policy, request).items():
        if request.only and name not in request.only:
            continue
        say(f"{name} ...")
        begun = envelope.begin(root)
        try:
            result = part()
        except MbpError as error:
            result = unmeasured(name, str(error))
        # A crash in a tool of others must not end as a pass, and must not silence the other parts.
        except Exception as error:
            result = unmeasured(name, f"crashed: {type(error).__name__}: {str(error)[:200]}")
        target = request.target if name == "least_privilege" and not request.servers else None
        envelope.write(
            begun,
            f"{PREFIX}{name}",
            summary=result.summary,
            content=result.document(),
            target=target,
            warehouse=_identity(root, target),
        )
        parts.append(result)
    return parts


def _identity(root: Path, target: str | None) -> str | None:
    """The id of the warehouse that was checked; without one the gate does not count what was found."""
    if target is None:
        return None
    try:
        with connect(root, target, read_only=True) as warehouse:
            return warehouse_id(warehouse)
    except MbpError:
        return None


def _parts(
    root: Path, policy: SecurityPolicy, request: SecurityRequest
) -> Mapping[str, Callable[[], PartResult]]:
    def pinned() -> list[Pinned]:
        return read_lock(root, policy.locks.environment)

    return {
        "sbom": lambda: sbom(root, policy, pinned(), installed()),
        "sast": lambda: sast(root, policy),
        "secrets": lambda: secrets(root, policy),
        "audit": lambda: audit(root, policy),
        "licences": lambda: licences(policy, pinned(), installed()),
        "least_privilege": lambda: least_privilege(
            root, policy, target=request.target, servers=request.servers
        ),
    }


def suite(results: Sequence[PartResult]) -> Suite:
    """A line per part as the table, and every finding of every part."""
    lines = [f"{'part':<16} {'verdict':<13} what was found"]
    lines += [
        f"{result.part:<16} {spelled(result.verdict):<13} {result.summary}" for result in results
    ]
    findings = [problem for result in results for problem in result.problems]
    findings += [
        Finding("not_measured", result.reason, subject=result.part)
        for result in results
        if result.reason
    ]
    parts = [result.part for result in results]
    return Suite("mbp security run", parts, findings, unit="part", table="\n".join(lines))


def exit_code(results: Sequence[PartResult]) -> int:
    """1 when a part has findings, else 2 when one was not measured, else 0."""
    verdicts = {result.verdict for result in results}
    if Verdict.FAIL in verdicts:
        return EXIT_FINDINGS
    return EXIT_COULD_NOT_RUN if Verdict.NOT_MEASURED in verdicts else 0
