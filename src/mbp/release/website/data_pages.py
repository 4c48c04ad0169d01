"""The pages of the site that follow from the contracts and the warehouse, as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from semver import Version

from mbp.contracts import Contract, load_contracts
from mbp.contracts.policy import load_policy
from mbp.contracts.rendering.docs import CLASSES
from mbp.contracts.semantics import load_semantics
from mbp.core.markdown import code, inline
from mbp.core.templates import templates
from mbp.core.verdict import RELEASING, Verdict
from mbp.operate.semantic.calibration import reliability_diagram
from mbp.release.report.report_page import charts, instant
from mbp.release.report.report_project import registry
from mbp.release.website.diagram import diagram, relationships
from mbp.release.website.site_facts import RUNS, RecordedState
from mbp.release.website.site_lineage import by_table

FOLDER = "datasets"
BROKEN = (Verdict.FAIL, Verdict.WARN)


def data_pages(root: Path, live: RecordedState) -> dict[str, str]:
    """Path below docs/ -> Markdown: the same contracts and the same warehouse give the same pages.

    Raises:
        MbpError: a contract, the glossary or the registry cannot be read.
    """
    contracts = load_contracts(root)
    terms = load_semantics(root, contracts, load_policy(root)).terms
    links = relationships(contracts)
    versions = sorted(registry(root), key=lambda facts: Version.parse(facts.version), reverse=True)
    pages = {
        f"{FOLDER}/{contract.dataset}.md": _filled(
            "dataset.md.j2",
            contract=contract,
            classes=CLASSES,
            used_by=[link for link in links if link.to_dataset == contract.dataset],
            live=live,
            versions=[version for version in versions if version.dataset == contract.dataset],
            text=(root / contract.path).read_text(encoding="utf-8"),
        )
        for contract in contracts
    }
    rules = [state for states in live.rules.values() for state in states]
    ordered = sorted(terms, key=lambda term: term.term.lower())
    return {
        **pages,
        "health.md": _filled(
            "health.md.j2",
            live=live,
            runs=RUNS,
            rules=sorted(rules, key=lambda rule: (rule["verdict"] in RELEASING, rule["rule_id"])),
            tables=list(_tables(contracts, rules)),
        ),
        "kpis.md": _filled(
            "kpis.md.j2",
            live=live,
            charts=charts(live.watch) if live.watch else {},
            diagram=reliability_diagram(live.calibration) if live.calibration else "",
        ),
        "diagram.md": _filled("diagram.md.j2", diagram=diagram(contracts), links=links),
        "glossary.md": _filled("glossary.md.j2", terms=ordered),
    }


def _tables(
    contracts: Sequence[Contract], rules: Sequence[Mapping[str, Any]]
) -> Iterator[Mapping[str, Any]]:
    """A line per dataset; a rule counts on each of its engines."""
    for contract in sorted(contracts, key=lambda contract: contract.dataset):
        mine = [rule for rule in rules if rule["dataset"] == contract.dataset]
        hold = sum(rule["verdict"] in RELEASING for rule in mine)
        broken = sum(rule["verdict"] in BROKEN for rule in mine)
        yield {
            "dataset": contract.dataset,
            "rules": len(mine),
            "hold": hold,
            "broken": broken,
            "unmeasured": len(mine) - hold - broken,
            "since": min(filter(None, (rule["failing_since"] for rule in mine)), default=None),
            "last": max(filter(None, (rule["last_run_at"] for rule in mine)), default=None),
        }


def dataset_table(root: Path) -> str:
    """The datasets, for the home page."""
    return _filled("dataset_table.md.j2", contracts=load_contracts(root)).rstrip("\n")


def _filled(template: str, **values: Any) -> str:
    environment = templates("mbp.release.website", extensions=["jinja2.ext.do"])
    environment.filters.update(
        by_table=by_table,
        inline=inline,
        code=code,
        instant=instant,
        one_block=lambda text: text.replace("\n", ""),
    )
    return environment.get_template(template).render(folder=FOLDER, **values)
