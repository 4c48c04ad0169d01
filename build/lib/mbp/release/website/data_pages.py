"""The pages of the site that follow from the contracts, as Markdown: the same contracts give the same pages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from mbp.contracts import Column, Contract, Rule, load_contracts
from mbp.contracts.policy import load_policy
from mbp.contracts.rendering.docs import CLASSES
from mbp.contracts.semantics import Term, load_semantics
from mbp.core.markdown import code, inline
from mbp.release.website.diagram import diagram, relationships

FOLDER = "datasets"
# From a page of FOLDER.
DBT = "../dbt.html#!/model/model.mbp."


def data_pages(root: Path) -> dict[str, str]:
    """Path below docs/ -> Markdown.

    Raises:
        MbpError: a contract or the glossary cannot be read.
    """
    contracts = load_contracts(root)
    terms = load_semantics(root, contracts, load_policy(root)).terms
    return {
        **{
            f"{FOLDER}/{contract.dataset}.md": _dataset(contract, contracts)
            for contract in contracts
        },
        "diagram.md": _diagram(contracts),
        "glossary.md": _glossary(terms),
    }


def dataset_table(root: Path) -> str:
    """The datasets, for the home page."""
    rows = [
        (
            f"[{contract.dataset}]({FOLDER}/{contract.dataset}.md)",
            inline(contract.grain),
            contract.version,
            contract.owner,
            len(contract.columns),
            len(contract.rules),
        )
        for contract in load_contracts(root)
    ]
    return _table(("dataset", "one row is", "version", "owner", "columns", "rules"), rows)


def _dataset(contract: Contract, contracts: Sequence[Contract]) -> str:
    name = contract.dataset
    texts = (contract.purpose, contract.usage, contract.limitations)
    facts = (
        ("version", f"{contract.version}, {contract.status}"),
        ("owner", contract.owner),
        ("questions", inline(", ".join(contract.support_channels))),
        ("contract", code(contract.path)),
        ("SQL, tests, lineage", f"[{name} in dbt docs]({DBT}{name})"),
    )
    used_by = [
        f"[{relationship.dataset}.{relationship.column}]({relationship.dataset}.md#column-{relationship.column})"
        for relationship in relationships(contracts)
        if relationship.to_dataset == name
    ]
    levels = [
        (level.kind, f"{level.value} {level.unit}", inline(level.description))
        for level in contract.service_levels
    ]
    parts = [
        f"# {name}",
        f"{inline(contract.grain)}.",
        " ".join(inline(text) for text in texts if text),
        _table(("about", name), facts),
        "## Columns",
        _table(
            ("column", "type", "meaning", "who may see it", "rules"),
            (_column(column, contract) for column in contract.columns),
        ),
        f"Referred to by {', '.join(used_by)}." if used_by else "",
        "## Guarantees",
        _table(("guarantee", "value", "why"), levels),
        "## Rules",
        _table(
            ("rule", "what must hold", "severity", "owner", "reads", "written at"),
            (_rule(rule) for rule in sorted(contract.rules, key=lambda rule: rule.id)),
        ),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _column(column: Column, contract: Contract) -> tuple[str, ...]:
    notes = ["key"] if column.primary_key else []
    if column.reference:
        to = column.reference
        notes.append(f"refers to [{to.dataset}.{to.column}]({to.dataset}.md#column-{to.column})")
    rules = [
        f"[{rule.family.replace('_', ' ')}](#rule-{rule.id})"
        for rule in contract.rules
        if column.name in rule.columns
    ]
    return (
        _lines(_target("column", column.name), *notes),
        _lines(column.physical_type, "" if column.required else "may be null"),
        _lines(inline(column.description), f"Unit: {inline(column.unit)}" if column.unit else ""),
        CLASSES[column.classification].split(":")[0],
        _lines(*rules) or "none",
    )


def _rule(rule: Rule) -> tuple[str, ...]:
    return (
        _lines(_target("rule", rule.id), rule.test),
        _lines(inline(rule.description), inline(rule.reason or "")),
        _lines(rule.severity, f"until {rule.expires}" if rule.expires else ""),
        rule.owner,
        _lines(*_read_columns(rule)) or "the whole dataset",
        code(f"{rule.path}:{rule.line}" if rule.line else rule.path),
    )


def _read_columns(rule: Rule) -> Iterator[str]:
    for name in rule.columns:
        dataset, _, column = name.rpartition(".")
        yield f"[{name}]({f'{dataset}.md' if dataset else ''}#column-{column})"


def _diagram(contracts: Sequence[Contract]) -> str:
    words = [
        f"- [{link.dataset}.{link.column}]({FOLDER}/{link.dataset}.md#column-{link.column})"
        " refers to"
        f" [{link.to_dataset}.{link.to_column}]({FOLDER}/{link.to_dataset}.md#column-{link.to_column}):"
        f" {link.told}{'.' if link.required else '; it may be null.'}"
        for link in relationships(contracts)
    ]
    return "\n".join(
        [
            "# Diagram\n",
            f'<div class="scroll" role="region" aria-label="Diagram" tabindex="0">\n{diagram(contracts)}</div>\n',
            "PK: key of a row. FK: refers to another dataset. The fork is the side that may have many rows, the bar the"
            " side with one. The ring means that there may be none.\n",
            "## The same in words\n",
            *words,
            "",
        ]
    )


def _glossary(terms: Iterable[Term]) -> str:
    rows = [
        (
            _target("term", term.term.lower().replace(" ", "-"), inline(term.term)),
            inline(term.definition),
            f"[{term.dataset}]({FOLDER}/{term.dataset}.md)" if term.dataset else "all",
        )
        for term in sorted(terms, key=lambda term: term.term.lower())
    ]
    return f"# Glossary\n\n{_table(('word', 'meaning', 'dataset'), rows)}\n"


def _target(kind: str, name: str, shown: str = "") -> str:
    return f'<strong id="{kind}-{name}">{shown or name}</strong>'


def _lines(*texts: str) -> str:
    return "<br>".join(text for text in texts if text)


def _table(names: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines)
