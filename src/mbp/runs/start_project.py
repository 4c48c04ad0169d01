"""`mbp init` and `mbp contracts import`: settings, policies and drafts of contracts for a dbt project."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mbp.contracts.contract_file import SUFFIX
from mbp.contracts.contract_loading import FOLDER
from mbp.contracts.drafting import draft as drafting
from mbp.contracts.drafting.draft import Draft, DraftColumn, contract_text, problems
from mbp.contracts.drafting.profile_files import FOLDER as FOLDER_OF_PROFILES
from mbp.contracts.drafting.sources import (
    chosen_nodes,
    drafts_of_file,
    live_columns,
    plain,
    with_facts,
    with_key,
)
from mbp.contracts.policy import POLICY, load_policy
from mbp.contracts.rendering.yaml_text import scalar
from mbp.contracts.semantics import GLOSSARY, METRICS
from mbp.core.dbt_project import paths_of, read_project
from mbp.core.errors import MbpError
from mbp.core.files import write_text
from mbp.core.schema_check import did_you_mean
from mbp.core.settings import OWN, SHARED, load_settings
from mbp.runs.artifacts import read_artifact
from mbp.runs.dbt_process import demand, run_dbt, target_name
from mbp.runs.preflight import install_packages
from mbp.warehouse import connect
from mbp.warehouse.profile import read_target

POLICIES = {
    "contracts/a89/policy.yaml": "a89_policy.yaml",
    "contracts/registry/policy.yaml": "registry_policy.yaml",
    "contracts/gates/allowed_signers": "allowed_signers",
    "contracts/gates/release.yaml": "release_gate.yaml",
    "contracts/registry/exceptions.yaml": "registry_exceptions.yaml",
}
ALWAYS = ("A106", "A89")
IGNORED = ("target/", "logs/", ".mbp/", "*.build.lock")


@dataclass(frozen=True)
class Start:
    """What `mbp init` is asked for.

    Attributes:
        models: to draft contracts of; without one, the models that readers see.
        packs: beside those that every project has.
    """

    models: Sequence[str] = ()
    packs: Sequence[str] = ()
    target: str | None = None
    owner: str | None = None
    channel: str = "#data"


@dataclass
class Started:
    """What was written, what was there already, and datasets that have no draft -> why."""

    written: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    skipped: dict[str, list[str]] = field(default_factory=dict)

    def write(self, root: Path, name: str, text: str) -> None:
        """A file that is there is the user's, and stays."""
        if (root / name).exists():
            self.kept.append(name)
        else:
            write_text(root / name, text)
            self.written.append(name)


def start_project(root: Path, start: Start, say: Callable[[str], None] = lambda _: None) -> Started:
    """Writes what is missing; nothing that is there is changed.

    Raises:
        MbpError: a project that dbt cannot parse, a model that was not built, or nothing to draft.
    """
    project = str(read_project(root).get("name") or root.name)
    start = replace(start, owner=_owner(root, start.owner))
    target = target_name(root, start.target)
    say("parsing the dbt project")
    manifest = parsed_manifest(root, target)
    nodes = chosen_nodes(manifest, start.models)
    say(f"reading {len(nodes)} tables of {target}")
    drafts = read_drafts(root, target, manifest, nodes)
    started = Started()
    for draft in drafts:
        if reasons := drafting.problems(draft):
            started.skipped[draft.dataset] = reasons
    good = [draft for draft in drafts if draft.dataset not in started.skipped]
    if not good:
        dataset, reasons = next(iter(started.skipped.items()))
        more = f" (and {len(drafts) - 1} more)" if len(drafts) > 1 else ""
        raise MbpError(
            f"no contract can be drafted: {dataset}: {'; '.join(reasons)}{more}",
            fix="name models with one key column of plain names: `mbp init <model>`",
        )
    _settings(root, project, start, started)
    _ignored(root, target, started)
    for name, source in POLICIES.items():
        text = (FOLDER_OF_PROFILES / source).read_text(encoding="utf-8")
        started.write(
            root, name, text.replace("OWNER", str(start.owner)).replace("CHANNEL", start.channel)
        )
    for draft in good:
        text = contract_text(draft, project=project, owner=str(start.owner), channel=start.channel)
        started.write(root, f"{FOLDER}/{draft.dataset}{SUFFIX}", text)
    _packs(root, start, good, started)
    return started


def _owner(root: Path, asked: str | None) -> str:
    """The team that is asked for; else the first of the policy that is there."""
    if not (root / POLICY).is_file():
        return asked or "DATA"
    policy = load_policy(root)
    return policy.check_owner(asked or next(iter(policy.owners)), "--owner", None)


def parsed_manifest(root: Path, target: str) -> dict[str, Any]:
    """dbt's manifest of the project as it is now.

    Raises:
        MbpError: dbt cannot parse it.
    """
    install_packages(root)
    with TemporaryDirectory() as folder:
        demand(run_dbt(root, ["parse"], target=target, artifacts=Path(folder), quiet=True))
        return read_artifact(Path(folder) / "target", "manifest.json", root)


def read_drafts(
    root: Path, target: str, manifest: Mapping[str, Any], nodes: Sequence[Mapping[str, Any]]
) -> list[Draft]:
    """A draft of each node, from the manifest and from its table.

    Raises:
        MbpError: the warehouse cannot be read, or a node was not built in it.
    """
    known = {file.name.removesuffix(SUFFIX) for file in (root / FOLDER).glob(f"*{SUFFIX}")}
    datasets = {*known, *(str(node["name"]) for node in nodes)}
    drafts = []
    with connect(root, target, read_only=True) as warehouse:
        for node in nodes:
            name, schema = str(node["name"]), str(node["schema"])
            columns, rows = live_columns(warehouse, schema, str(node.get("alias") or name))
            materialized = str((node.get("config") or {}).get("materialized"))
            drafts.append(
                Draft(
                    name,
                    with_facts(columns, node, manifest, datasets),
                    f"the {node['resource_type']} {name} and its {rows} rows on {target}",
                    plain(str(node.get("description") or "")),
                    [server_of(root, target, schema)],
                    "view" if materialized == "view" else "table",
                    str(node.get("alias") or name),
                )
            )
    return _with_known_references(drafts)


def _with_known_references(drafts: Sequence[Draft]) -> list[Draft]:
    """References lead to datasets that get a contract; of the others none is kept."""
    refused = {draft.dataset for draft in drafts if drafting.problems(draft)}
    return [
        replace(
            draft,
            columns=[
                replace(column, reference=None)
                if (column.reference or "").partition(".")[0] in refused
                else column
                for column in draft.columns
            ],
        )
        for draft in drafts
    ]


def server_of(root: Path, target: str, schema: str) -> dict[str, Any]:
    """The entry of `servers` for a schema of a target."""
    _, settings = read_target(root, target)
    kind = str(settings["type"])
    server: dict[str, Any] = {"server": target, "type": kind}
    if kind == "duckdb":
        return {**server, "database": str(settings.get("path")), "schema": schema}
    server |= {"host": str(settings.get("host")), "port": int(settings.get("port") or 5432)}
    database = settings.get("dbname") or settings.get("database")
    return {**server, "database": str(database), "schema": schema}


def _settings(root: Path, project: str, start: Start, started: Started) -> None:
    packs = [*ALWAYS, *(pack for pack in start.packs if pack not in ALWAYS)]
    values = {
        "title": project,
        "packs": packs,
        "tests": f"{paths_of(root, 'test-paths')[0]}/contracts",
        "macros": f"{paths_of(root, 'macro-paths')[0]}/contracts",
        "docs": "docs/contracts",
    }
    # A text and a list of texts are the same in JSON and in TOML.
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items()]
    lines.insert(
        2,
        "# Folders of what `mbp contracts render` writes: rules as tests, their macros, their table.",
    )
    shared = root / SHARED
    if (root / OWN).exists():
        started.kept.append(OWN)
    elif shared.is_file():
        text = shared.read_text(encoding="utf-8")
        if "mbp" in tomllib.loads(text).get("tool", {}):
            started.kept.append(f"[tool.mbp] of {SHARED}")
        else:
            write_text(shared, f"{text.rstrip()}\n\n[tool.mbp]\n" + "\n".join(lines) + "\n")
            started.written.append(f"[tool.mbp] of {SHARED}")
    else:
        write_text(root / OWN, "\n".join(lines) + "\n")
        started.written.append(OWN)
    load_settings(root)


def _ignored(root: Path, target: str, started: Started) -> None:
    """What commands leave beside the project is not part of its source."""
    file = root / ".gitignore"
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    settings = read_target(root, target)[1]
    own = [str(settings.get("path"))] if settings["type"] == "duckdb" else []
    missing = [
        name for name in (*IGNORED, *own) if name not in lines and name.rstrip("/") not in lines
    ]
    if missing:
        write_text(file, "\n".join([*lines, *missing]) + "\n")
        started.written.append(f"{', '.join(missing)} in .gitignore")


def _packs(root: Path, start: Start, drafts: Sequence[Draft], started: Started) -> None:
    if "A87" in start.packs:
        text = (FOLDER_OF_PROFILES / "a87_glossary.yaml").read_text(encoding="utf-8")
        for draft in drafts:
            meaning = draft.description or f"TODO: what one of {draft.dataset} is."
            term = draft.dataset.replace("_", " ")
            text += f"  - term: {term}\n    definition: {scalar(meaning)}\n    dataset: {draft.dataset}\n"
        started.write(root, GLOSSARY, text)
        text = (FOLDER_OF_PROFILES / "a87_metrics.yaml").read_text(encoding="utf-8")
        started.write(root, METRICS, text)
    if "A108" in start.packs:
        text = (FOLDER_OF_PROFILES / "a108_privacy.yaml").read_text(encoding="utf-8")
        started.write(root, "contracts/a108/privacy.yaml", text.replace("OWNER", str(start.owner)))


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
