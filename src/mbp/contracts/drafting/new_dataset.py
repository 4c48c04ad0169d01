"""`mbp contracts new`: a dataset with a change log, from its name and its columns to one that builds on the sample."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mbp.contracts import load_contracts
from mbp.contracts.contract_file import SUFFIX
from mbp.contracts.contract_loading import FOLDER
from mbp.contracts.drafting.draft import Draft, DraftColumn, contract_text, logical_type, problems
from mbp.contracts.lint.check_contract import TODO
from mbp.contracts.model import ChangeLog
from mbp.contracts.model_columns import MODELS
from mbp.contracts.policy import load_policy
from mbp.contracts.raw_columns import CHANGE_LOG, SOURCE, logged
from mbp.contracts.rendering.render import SEEDS_FILE
from mbp.core.errors import MbpError
from mbp.core.files import write_text
from mbp.core.templates import SQUARE, templates
from mbp.core.yaml_io import load, plain

# A value of each logical type of ODCS for the first row of the sample; of a time it is the arrival of the row.
EXAMPLES = {"integer": "1", "number": "1", "boolean": "true"}


def new_dataset(root: Path, dataset: str, columns: Sequence[str], owner: str | None) -> list[str]:
    """Writes contract, model and a row of the sample, from which everything else is rendered; their paths.

    Servers and service levels are those of the first dataset that has a change log.

    Args:
        columns: `name:type`, the key first.

    Raises:
        MbpError: it is there already, a column cannot be read, or the project has no dataset to follow.
    """
    policy = load_policy(root)
    team = policy.check_owner(owner or next(iter(policy.owners)), "--owner", None)
    likes = logged(load_contracts(root))
    if not likes:
        fix = "write the first contract by hand: see CONTRIBUTING"
        raise MbpError("no dataset of the project has a change log", path=FOLDER, fix=fix)
    like, log = likes[0]
    table = dataset.removeprefix(f"{SOURCE}_")
    model = plain(load(root / like.path, shown_as=like.path))
    own_log = {"table": table, "key": columns[0].partition(":")[0], "source": SOURCE}
    draft = Draft(
        dataset,
        [_column(text, is_key=number == 0) for number, text in enumerate(columns)],
        f"{dataset} and its columns",
        servers=model["servers"],
        log=own_log,
        levels=[
            {**level, "element": dataset, "description": f"{TODO}: why {level['property']}."}
            for level in model["slaProperties"]
        ],
    )
    if reasons := problems(draft):
        raise MbpError("; ".join(reasons), path="--column", fix="write --column name:type")
    seeds = Path(SEEDS_FILE).parent
    files = {
        f"{FOLDER}/{dataset}{SUFFIX}": contract_text(
            draft, project=str(model["domain"]), owner=team, channel=f"#{team.lower()}"
        ),
        f"{MODELS}/{dataset}.sql": templates("mbp.contracts", **SQUARE)
        .get_template("dataset.sql.j2")
        .render(log=ChangeLog(**own_log), columns=draft.columns),
        f"{seeds}/raw_{SOURCE}__{table}.csv": _row(
            draft, root / seeds / f"raw_{SOURCE}__{log.table}.csv"
        ),
    }
    for name in files:
        if (root / name).exists():
            raise MbpError("the file is there already", path=name, fix="name another dataset")
    for name, text in files.items():
        write_text(root / name, text)
    return list(files)


def _column(text: str, *, is_key: bool) -> DraftColumn:
    name, colon, kind = text.partition(":")
    if not colon:
        raise MbpError(f"{text!r} has no type", path="--column", fix=f"write {name}:string")
    return DraftColumn(name, kind, required=True, unique=is_key, key=is_key)


def _row(draft: Draft, beside: Path) -> str:
    """One change, as of the newest one of the log beside it, so that it is as fresh as the sample."""
    with beside.open(encoding="utf-8", newline="") as file:
        newest: Mapping[str, Any] = max(
            (row for row in csv.DictReader(file) if row["__op"] != "r"),
            key=lambda row: row["_loaded_at"],
        )
    arrival = str(newest["_loaded_at"])
    examples = {**EXAMPLES, "timestamp": arrival, "date": arrival.partition(" ")[0]}
    values = {
        column.name: examples.get(logical_type(column.type), f"{column.name}-1")
        for column in draft.columns
    }
    values |= {column.name: newest[column.name] for column in CHANGE_LOG}
    values |= {"__op": "c", "__deleted": "false"}
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(values), lineterminator="\n")
    writer.writeheader()
    writer.writerow(values)
    return stream.getvalue()
