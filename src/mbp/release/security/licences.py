"""The licences of everything that is installed from the lock, as SPDX expressions, against the allowed ones.

Sources: the core metadata fields License-Expression, License and Classifier of the installed package.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import metadata

from license_expression import AND, OR, ExpressionError, Licensing, get_spdx_licensing
from packaging.utils import canonicalize_name

from mbp.core.errors import MbpError
from mbp.core.reporting import Finding
from mbp.release.security.lock import Pinned
from mbp.release.security.part_result import FoundIssue, PartResult, accepted
from mbp.release.security.security_policy import POLICY, SecurityPolicy

# Classifiers that name one licence. "BSD License" and "GPL" alone do not say which one.
CLASSIFIERS = {
    "Apache Software License": "Apache-2.0",
    "GNU Library or Lesser General Public License (LGPL)": None,
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "MIT No Attribution License (MIT-0)": "MIT-0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
    "zlib/libpng License": "Zlib",
}
# The field License in words that mean one licence and no other.
WORDS = {
    "3-clause bsd license": "BSD-3-Clause",
    "apache 2.0": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "mit license": "MIT",
    "new bsd": "BSD-3-Clause",
}


@cache
def spdx() -> Licensing:
    """The SPDX list of licences."""
    return get_spdx_licensing()


def expression_of(package: metadata.Distribution) -> str | None:
    """The licence as an SPDX expression; None where the metadata does not tell it with certainty."""
    fields = package.metadata
    stated = "".join(fields.get_all("License-Expression") or ())
    if stated:
        return _known(stated)
    words = "".join(fields.get_all("License") or ()).strip()
    licence = _known(words) or WORDS.get(words.lower())
    if licence:
        return licence
    names = [
        text.rsplit("::", 1)[-1].strip()
        for text in fields.get_all("Classifier") or ()
        if text.startswith("License :: OSI Approved ::")
    ]
    # Several classifiers do not say whether one may choose or all hold.
    return CLASSIFIERS.get(names[0]) if len(names) == 1 else None


def _known(text: str) -> str | None:
    """`text` when it is an expression of SPDX identifiers."""
    if not text or len(text) > 200:  # noqa: PLR2004 - a whole licence text is there too
        return None
    try:
        parsed = spdx().parse(text, validate=True)
    except (ExpressionError, AttributeError, TypeError):
        return None
    return str(parsed.render()) if parsed is not None else None


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
        canonicalize_name(entry.object): entry.licence for entry in policy.licences.exceptions
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
            fix = f"read it in its source, write an exception under licences of {POLICY}"
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
    names: frozenset[str] = getattr(policy.licences, key)
    unknown = sorted(name for name in names if judge(name, names, frozenset()))
    if unknown:
        raise MbpError(
            f"licences.{key}: SPDX does not know {', '.join(unknown)}",
            path=POLICY,
            fix="write SPDX identifiers",
        )
    return names
