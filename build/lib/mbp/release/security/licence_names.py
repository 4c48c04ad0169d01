"""From what package metadata says to an SPDX expression.

Sources: the core metadata fields License-Expression, License and Classifier of the installed package.
"""

from __future__ import annotations

from functools import cache
from importlib import metadata

from license_expression import ExpressionError, Licensing, get_spdx_licensing

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
