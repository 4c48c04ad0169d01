"""`mbp contracts import`: a first contract from a model, a table, a schema or properties of dbt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mbp.contracts.contract_file import SUFFIX
from mbp.contracts.contract_loading import FOLDER
from mbp.contracts.drafting.draft import Draft, DraftColumn, contract_text, problems
from mbp.contracts.drafting.live_columns import live_columns
from mbp.contracts.drafting.manifest_facts import chosen_nodes, with_key
from mbp.contracts.drafting.sources import drafts_of_file
from mbp.contracts.policy import load_policy
from mbp.core.dbt_project import read_project
from mbp.core.errors import MbpError
from mbp.core.files import write_text
from mbp.core.schema_check import did_you_mean
from mbp.runs.dbt_process import target_name
from mbp.runs.start_project import parsed_manifest, read_drafts, server_of
from mbp.warehouse import connect


@dataclass(frozen=True)
class Import:
    """What `mbp contracts import` is asked for.

    Attributes:
        source: a file, `schema.table`, or the name of a model, seed or snapshot.
        dataset: its name; of a file with several, the one that is meant.
        key: the column that identifies a row, where nothing says so.
    """

    source: str
    dataset: str | None = None
    key: str | None = None
    owner: str | None = None
    target: str | None = None


def import_contract(root: Path, asked: Import) -> list[str]:
    """Writes the contracts; their paths.

    Raises:
        MbpError: the source cannot be read, no contract can be made of it, or one is there already.
    """
    policy = load_policy(root)
    owner = policy.check_owner(asked.owner or next(iter(policy.owners)), "--owner", None)
    project = str(read_project(root).get("name") or root.name)
    drafts = [keyed(draft, asked.key) for draft in _drafts(root, asked)]
    files = {f"{FOLDER}/{draft.dataset}{SUFFIX}": draft for draft in drafts}
    for name, draft in files.items():
        if (root / name).exists():
            raise MbpError(
                "the contract is there already", path=name, fix="remove it, or name another dataset"
            )
        if reasons := problems(draft):
            fix = "name the key with --key" if "identifies a row" in reasons[-1] else "rename them"
            raise MbpError(f"{draft.dataset}: {'; '.join(reasons)}", path=asked.source, fix=fix)
    for name, draft in files.items():
        text = contract_text(draft, project=project, owner=owner, channel=f"#{owner.lower()}")
        write_text(root / name, text)
    return list(files)


def _drafts(root: Path, asked: Import) -> Sequence[Draft]:
    path = Path(asked.source)
    if path.suffix in (".json", ".avsc", ".yml", ".yaml") or path.is_file():
        drafts = drafts_of_file(path)
        if asked.dataset and len(drafts) > 1:
            by_name = {draft.dataset: draft for draft in drafts}
            if asked.dataset not in by_name:
                fix = did_you_mean(asked.dataset, by_name)
                raise MbpError(f"it describes no {asked.dataset!r}", path=path.name, fix=fix)
            return [by_name[asked.dataset]]
        return [replace(drafts[0], dataset=asked.dataset)] if asked.dataset else drafts
    target = target_name(root, asked.target)
    schema, _, table = asked.source.rpartition(".")
    if not schema:
        manifest = parsed_manifest(root, target)
        drafts = read_drafts(root, target, manifest, chosen_nodes(manifest, [table]))
        return [replace(drafts[0], dataset=asked.dataset or drafts[0].dataset)]
    with connect(root, target, read_only=True) as warehouse:
        columns, rows = live_columns(warehouse, schema, table)
    facts = with_key([replace(column, unique=False) for column in columns], columns, table)
    origin = f"the table {asked.source} and its {rows} rows on {target}"
    return [Draft(asked.dataset or table, facts, origin, "", [server_of(root, target, schema)])]


def keyed(draft: Draft, key: str | None) -> Draft:
    """With the key that is named, else the one column that is unique and required."""
    names = [column.name for column in draft.columns]
    if key is not None and key not in names:
        fix = did_you_mean(key, names)
        raise MbpError(f"{draft.dataset} has no column {key!r}", path="--key", fix=fix)
    if key is None and any(column.key for column in draft.columns):
        return draft
    likely = [column.name for column in draft.columns if column.unique and column.required]
    chosen = key or next(iter(likely), None)

    def as_key(column: DraftColumn) -> DraftColumn:
        is_key = column.name == chosen
        unique, required = column.unique or is_key, column.required or is_key
        return replace(column, key=is_key, unique=unique, required=required)

    return replace(draft, columns=[as_key(column) for column in draft.columns])
