"""An annotated git tag that says which pack was the evidence of a release: what git keeps, a pack cannot take back."""

from __future__ import annotations

from pathlib import Path

from mbp.contracts.registry.odcs_documents import git
from mbp.core.errors import MbpError
from mbp.core.verdict import GO, NO_GO, REHEARSAL
from mbp.release.evidence.verify_pack import Verification

VERDICTS = (GO, REHEARSAL, NO_GO)


def anchor(root: Path, verification: Verification, gate: str) -> tuple[str, bool]:
    """(the tag, whether it is new) of a pack that was verified.

    Raises:
        MbpError: the pack did not verify, is of another gate, has no verdict or commit, its commit is not in this
            repository, or the tag is there and says something else.
    """
    if not verification.good:
        first = (
            f"{verification.findings[0].place}: {verification.findings[0].message}"
            if verification.findings
            else "it is empty"
        )
        raise MbpError(f"the pack does not verify: {first}", fix="build it again")
    if verification.gate != gate:
        raise MbpError(f"the pack is of the gate {verification.gate}, not of {gate}", fix="--gate")
    if verification.verdict not in VERDICTS:
        raise MbpError("the pack records no verdict", fix="build it again")
    commit = _commit(root, verification.commit)
    tag = f"anchor-{gate}-{verification.root}"
    message = (
        f"Evidence of gate {gate}: {verification.verdict}\n\n"
        f"root: {verification.root}\n"
        f"verdict: {verification.verdict}\n"
        f"statement-sha256: {verification.statement_sha256}\n"
        f"commit: {verification.commit}\n"
        f"decided-at: {verification.decided_at}"
    )
    if git(root, "tag", "--list", tag).strip():
        _demand_same(root, tag, commit, message)
        return tag, False
    git(root, "tag", "--annotate", "--cleanup=verbatim", f"--message={message}", tag, commit)
    return tag, True


def _commit(root: Path, commit: str) -> str:
    try:
        return git(root, "rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}").strip()
    except MbpError as error:
        raise MbpError(
            f"the commit {commit[:12]} that the pack is of is not in this repository",
            fix="fetch it, or build the pack here",
        ) from error


def _demand_same(root: Path, tag: str, commit: str, message: str) -> None:
    kind = git(root, "cat-file", "-t", tag).strip()
    contents = git(root, "for-each-ref", "--format=%(contents)", f"refs/tags/{tag}").strip()
    at = git(root, "rev-parse", f"{tag}^{{commit}}").strip()
    if kind != "tag" or contents != message.strip() or at != commit:
        raise MbpError(
            f"the tag {tag} is there already and says something else",
            fix=f"see it with `git show {tag}`; an anchor is never moved",
        )
