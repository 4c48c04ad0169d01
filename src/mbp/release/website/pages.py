"""Every page of the site but that of dbt docs: a function of the contracts, and the same ones are the same bytes."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from mbp.contracts import Contract, Rule, load_contracts
from mbp.contracts.hook_policy import load_hooks
from mbp.contracts.policy import load_policy
from mbp.contracts.rendering.docs import CLASSES
from mbp.contracts.semantics import load_semantics
from mbp.core.errors import MbpError
from mbp.core.reporting.terminal import printable
from mbp.release.report.report_page import TEMPLATES as REPORT
from mbp.release.report.report_page import breakable, marked
from mbp.release.website.diagram import diagram, relationships
from mbp.release.website.roles import SiteRole, load_roles
from mbp.release.website.site_documents import documents, title_and_body

TEMPLATES = Path(__file__).parent / "templates"
DBT = "dbt.html"
PROJECT = "mbp"
# Page -> its title in the index, after the roles and the datasets.
FIXED = {
    "glossary": "Glossary",
    "kpis": "KPIs and metrics",
    "diagram": "Diagram",
    "dbt": "dbt docs",
}


@dataclass(frozen=True)
class SiteContent:
    """All that the pages tell."""

    root: Path
    contracts: Sequence[Contract]
    roles: Sequence[SiteRole]
    documents: Mapping[str, str]
    index: Sequence[tuple[str, str]] = field(default=())


def pages(root: Path) -> dict[str, str]:
    """Path in the site -> page.

    Raises:
        MbpError: contracts, glossary, sheet, hooks or a document cannot be read, or a role is led to what is not there.
    """
    contracts = load_contracts(root)
    roles = load_roles()
    found = documents(root)
    index = [("index", "Start")]
    index += [(one.id, one.title) for one in roles]
    index += [(one.dataset, one.dataset) for one in contracts]
    index += [*FIXED.items(), ("documents", "Documents")]
    world = SiteContent(root, contracts, roles, found, index)
    _demand(world)
    return dict(_written(world))


def dbt_page(dataset: str) -> str:
    """Where dbt docs shows a dataset."""
    return f"{DBT}#!/model/model.{PROJECT}.{dataset}"


def rules_by_column(contract: Contract) -> dict[str, list[Rule]]:
    """Column -> the rules that read it; '' -> those of the dataset as a whole."""
    found: dict[str, list[Rule]] = {column.name: [] for column in contract.columns}
    found[""] = []
    for rule in contract.rules:
        own = [name for name in rule.columns if name in found]
        for name in own or [""]:
            found[name].append(rule)
    return found


def _demand(world: SiteContent) -> None:
    names = {name for name, _ in world.index}
    for role in world.roles:
        for step in role.steps:
            if (step.page and step.page not in names) or (
                step.doc and step.doc not in world.documents
            ):
                raise MbpError(
                    f"the role {role.id} is led to {step.page or step.doc}, which is not there",
                    path="roles.yaml",
                    cure="name a page of the site or a document of docs/",
                )


def _written(world: SiteContent) -> list[tuple[str, str]]:
    environment = _environment()

    def page(name: str, template: str, title: str, lead: str, **told: Any) -> tuple[str, str]:
        base = "../" * (len(PurePosixPath(name).parts) - 1)
        shown = environment.get_template(template).render(
            world=world, page=name, base=base, title=title, lead=lead, **told
        )
        return f"{name}.html", printable(shown)

    root = world.root
    policy = load_policy(root)
    semantics = load_semantics(root, world.contracts, policy)
    hooks = load_hooks(root)
    found = [
        page(
            "index",
            "index.html.j2",
            "MBP data",
            "What the data of the prediction market means, what it promises, and where each of you begins.",
        )
    ]
    found += [
        page(role.id, "role.html.j2", role.title, role.question, role=role) for role in world.roles
    ]
    found += [
        page(
            one.dataset,
            "dataset.html.j2",
            one.dataset,
            f"{one.grain}.",
            contract=one,
            by_column=rules_by_column(one),
            used_by=[
                each for each in relationships(world.contracts) if each.to_dataset == one.dataset
            ],
        )
        for one in world.contracts
    ]
    found += [
        page(
            "glossary",
            "glossary.html.j2",
            "Glossary",
            "The words of the domain, one meaning each.",
            terms=sorted(semantics.terms, key=lambda term: term.term.lower()),
        ),
        page(
            "kpis",
            "kpis.html.j2",
            "KPIs and metrics",
            "Every number that a release depends on, and the metrics of the business.",
            kpis=list(hooks.sheet.kpis.values()),
            runbooks={hook.kpi.id: hook.runbook for hook in hooks.hooks.values()},
            metrics=semantics.metrics,
        ),
        page(
            "diagram",
            "diagram.html.j2",
            "Diagram",
            "The datasets, their keys, and how they refer to each other.",
            drawing=Markup(diagram(world.contracts)),  # noqa: S704 (escapes its texts itself)
            relationships=relationships(world.contracts),
        ),
    ]
    titles = {name: title_and_body(root, name, world.documents) for name in world.documents}
    found.append(
        page(
            "documents",
            "documents.html.j2",
            "Documents",
            "What was decided, how it is run, and what to do when it breaks.",
            titles={name: title for name, (title, _) in titles.items()},
        )
    )
    for name, (title, body) in titles.items():
        stem = world.documents[name].removesuffix(".html")
        found.append(page(stem, "document.html.j2", title, "", body=body, source=name))
    return found


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    # The look of the report, and what only the site has.
    style = (REPORT / "page.css.j2").read_text(encoding="utf-8")
    style += (TEMPLATES / "site.css.j2").read_text(encoding="utf-8")
    environment.filters.update(breakable=breakable, marked=marked, quoted=quote)
    environment.globals.update(
        style=Markup(style),  # noqa: S704 (files of this package)
        style_hash=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
        classes=CLASSES,
        dbt_page=dbt_page,
    )
    return environment
