"""The pages of the site that follow from the contracts, as Markdown: the same contracts give the same pages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mbp.contracts import load_contracts
from mbp.contracts.policy import load_policy
from mbp.contracts.rendering.docs import CLASSES
from mbp.contracts.semantics import load_semantics
from mbp.core.markdown import code, inline
from mbp.core.templates import templates
from mbp.release.website.diagram import diagram, relationships

FOLDER = "datasets"


def data_pages(root: Path) -> dict[str, str]:
    """Path below docs/ -> Markdown.

    Raises:
        MbpError: a contract or the glossary cannot be read.
    """
    contracts = load_contracts(root)
    terms = load_semantics(root, contracts, load_policy(root)).terms
    links = relationships(contracts)
    pages = {
        f"{FOLDER}/{contract.dataset}.md": _filled(
            "dataset.md.j2",
            contract=contract,
            classes=CLASSES,
            used_by=[link for link in links if link.to_dataset == contract.dataset],
        )
        for contract in contracts
    }
    ordered = sorted(terms, key=lambda term: term.term.lower())
    return {
        **pages,
        "diagram.md": _filled("diagram.md.j2", diagram=diagram(contracts), links=links),
        "glossary.md": _filled("glossary.md.j2", terms=ordered),
    }


def dataset_table(root: Path) -> str:
    """The datasets, for the home page."""
    return _filled("dataset_table.md.j2", contracts=load_contracts(root)).rstrip("\n")


def _filled(template: str, **values: Any) -> str:
    environment = templates("mbp.release.website", extensions=["jinja2.ext.do"])
    environment.filters.update(inline=inline, code=code)
    return environment.get_template(template).render(folder=FOLDER, **values)
