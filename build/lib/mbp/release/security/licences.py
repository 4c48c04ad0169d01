"""The licences of everything that is installed from the lock, against the allowed ones."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import metadata

from license_expression import AND, OR, ExpressionError
from packaging.utils import canonicalize_name

from mbp.core.errors import MbpError
from mbp.core.reporting import Finding
from mbp.release.security.licence_names import expression_of, spdx
from mbp.release.security.lock import Pinned
from mbp.release.security.part_result import FoundIssue, PartResult, accepted
from mbp.release.security.security_policy import SecurityPolicy

PART = "licences"


def licences(
    policy: SecurityPolicy,
    pinned: list[Pinned],
    environment: Mapping[str, metadata.Distribution],
) -> PartResult:
    """Every locked package that is wanted here has an allowed licence.

    Raises:
        MbpError: the policy names a licence that SPDX does not know.
    """
    allowed, forbidden = _identifiers(policy, "allowed"), _identifiers(policy, "forbidden")
    answers: dict[str, str] = {
        canonicalize_name(entry.object): str(entry.more["licence"])
        for entry in policy.exceptions[PART]
    }
    found_issues: list[FoundIssue] = []
    listed: dict[str, str | None] = {}
    for package in pinned:
        if not package.wanted_here or package.name not in environment:
            continue  # what is missing is a finding of the bill of materials
        stated, answer = expression_of(environment[package.name]), answers.get(package.name)
        # What the metadata says by itself needs no exception.
        if stated is None or answer not in (None, stated):
            what = f"{package.name} {package.version}: its metadata does not name its licence"
            fix = f"read it in its source, write an exception under licences of {policy.path}"
            finding = Finding(PART, what, package.path, package.line, fix=fix)
            found_issues.append(FoundIssue(finding, (("licence_not_in_metadata", package.name),)))
        listed[package.name] = expression = answer or stated
        if expression and (why := judge(expression, allowed, forbidden)):
            what = f"{package.name} {package.version}: {why} ({expression})"
            fix = "use another package, or have the licence allowed in the policy"
            found_issues.append(
                FoundIssue(Finding(PART, what, package.path, package.line, fix=fix))
            )
    counts: dict[str, int | str] = {
        "packages": len(listed),
        "with_a_licence": sum(licence is not None for licence in listed.values()),
    }
    content = {"licences": {name: message or "unknown" for name, message in listed.items()}}
    return accepted(PART, policy, counts, found_issues, must="packages", content=content)


def judge(expression: str, allowed: frozenset[str], forbidden: frozenset[str]) -> str:
    """Why the expression may not be used; empty when it may."""
    try:
        parsed = spdx().parse(expression, validate=True)
    except (ExpressionError, AttributeError, TypeError) as error:
        return f"no SPDX expression: {str(error).splitlines()[0]}"
    return "" if _holds(parsed, allowed) else _why(parsed, forbidden)


def _holds(node: object, allowed: frozenset[str]) -> bool:
    if isinstance(node, OR):
        return any(_holds(argument, allowed) for argument in node.args)
    if isinstance(node, AND):
        return all(_holds(argument, allowed) for argument in node.args)
    return str(node) in allowed


def _why(parsed: object, forbidden: frozenset[str]) -> str:
    symbols = [str(symbol) for symbol in getattr(parsed, "literals", ())] or [str(parsed)]
    hit = sorted(set(symbols) & forbidden)
    return f"{', '.join(hit)} is forbidden" if hit else "not an allowed licence"


def _identifiers(policy: SecurityPolicy, key: str) -> frozenset[str]:
    names = frozenset(policy.licences[key])
    unknown = sorted(name for name in names if judge(name, names, frozenset()))
    if unknown:
        raise MbpError(
            f"licences.{key}: SPDX does not know {', '.join(unknown)}",
            path=policy.path,
            fix="write SPDX identifiers",
        )
    return names
