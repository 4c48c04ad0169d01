"""Where a document of the project is read: on its site, when it has an address."""

from __future__ import annotations

from pathlib import Path

from mbp.core.yaml_io import load

SITE = "mkdocs.yml"
DOCS = "docs/"


def site_address(root: Path) -> str:
    """`site_url` of mkdocs.yml; empty without one.

    Raises:
        MbpError: mkdocs.yml cannot be read.
    """
    path = root / SITE
    return str(load(path, shown_as=SITE).get("site_url") or "") if path.is_file() else ""


def page_url(address: str, document: str) -> str:
    """The page of a document under docs/ on the site; its path in the repository without an address.

    Args:
        address: of the site.
        document: path in the project, such as docs/runbooks/cdc_lag.md.
    """
    if not address or not document.startswith(DOCS):
        return document
    return f"{address.rstrip('/')}/{document.removeprefix(DOCS).removesuffix('.md')}.html"
