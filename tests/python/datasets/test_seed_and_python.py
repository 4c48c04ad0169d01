"""A seed and a model in Python under contract: rendered without what dbt enforces on SQL models alone."""

from __future__ import annotations

from pathlib import Path

from mbp.contracts.rendering.render import MODELS_FILE, rendered
from mbp.core import yaml_io
from mbp.quality.drift import is_unenforced
from tests.python.datasets.more_datasets import HOURS, HOURS_COLUMNS, scratch, write_contract

LIMITS = "mbp_limits"
HOURS_IN_PYTHON = 'def model(dbt, session):\n    return dbt.ref("mbp_quotes")\n'


def test_both_are_rendered(project_root: Path, tmp_path: Path) -> None:
    root = scratch(project_root, tmp_path / "project")
    write_contract(root, LIMITS, HOURS_COLUMNS, None)
    names = ",".join(column["name"] for column in HOURS_COLUMNS)
    (root / "seeds/datasets").mkdir()
    (root / f"seeds/datasets/{LIMITS}.csv").write_text(f"{names}\n", encoding="utf-8")
    (root / f"models/marts/mbp/{HOURS}.sql").unlink()
    (root / f"models/marts/mbp/{HOURS}.py").write_text(HOURS_IN_PYTHON, encoding="utf-8")
    text = rendered(root)[MODELS_FILE]
    assert text is not None
    document = yaml_io.plain(yaml_io.loads(text, shown_as=MODELS_FILE))
    models = {model["name"]: model for model in document["models"]}
    (seed,) = document["seeds"]
    assert seed["name"] == LIMITS and LIMITS not in models
    assert seed["config"]["column_types"]["top_price"] == "decimal(18,8)"
    for entry in (seed, models[HOURS]):
        assert "contract" not in entry["config"]
        assert not any("constraints" in one for one in (entry, *entry["columns"]))
        assert any(column.get("data_tests") for column in entry["columns"])
    assert models["mbp_quotes"]["config"]["contract"] == {"enforced": True}


def test_drift_asks_neither_for_constraints() -> None:
    assert is_unenforced({"resource_type": "seed"})
    assert is_unenforced({"resource_type": "model", "language": "python"})
    assert not is_unenforced({"resource_type": "model", "language": "sql"})
