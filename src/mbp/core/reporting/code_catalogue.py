"""The codes of a check, from a file of YAML beside its module: code -> title, why and fix."""

from __future__ import annotations

from importlib import resources

from mbp.core.reporting.findings import CodeMeaning
from mbp.core.yaml_io import loads


def read_codes(package: str, name: str) -> dict[str, CodeMeaning]:
    """Code -> its meaning, in the order of the file.

    Args:
        package: that holds the file.
    """
    text = (resources.files(package) / name).read_text(encoding="utf-8")
    entries = loads(text, shown_as=name)
    return {code: CodeMeaning(code=code, **entry) for code, entry in entries.items()}
