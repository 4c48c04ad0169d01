"""README.pt-BR.md says what README.md says: the same commands, headings, links and settings, in the same order."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

ENGLISH, PORTUGUESE = "README.md", "README.pt-BR.md"
CODE = re.compile(r"`([^`\n]+)`")


def headings(text: str) -> list[int]:
    """Their levels."""
    outside = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    return [len(marks) for marks in re.findall(r"^(#+) ", outside, re.MULTILINE)]


def links(text: str) -> list[str]:
    """Where the links lead; the other README and a translated picture count as what they translate."""
    return [
        "the other README" if address in (ENGLISH, PORTUGUESE) else address.replace(".pt-BR", "")
        for address in re.findall(r"\]\(([^)\s]+)", text)
    ]


def shell(text: str) -> list[str]:
    """The lines of the shell blocks without their comments, which are translated."""
    found = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    return [
        re.sub(r"(^| )#.*", "", line).rstrip() for block in found for line in block.splitlines()
    ]


def words_of_code(text: str) -> list[str]:
    """Everything in backticks."""
    return CODE.findall(re.sub(r"```.*?```", "", text, flags=re.DOTALL))


def rows(text: str) -> list[int]:
    """Columns of each row of each table."""
    return [line.count(" | ") for line in text.splitlines() if line.startswith("| ")]


@pytest.mark.parametrize(
    "part", [headings, links, shell, words_of_code, rows], ids=lambda one: one.__name__
)
def test_the_portuguese_readme_is_in_step(
    project_root: Path, part: Callable[[str], object]
) -> None:
    english, portuguese = (
        part((project_root / name).read_text(encoding="utf-8")) for name in (ENGLISH, PORTUGUESE)
    )
    assert english, "nothing was compared"
    assert portuguese == english, f"bring {PORTUGUESE} in step with {ENGLISH}"


def test_a_line_that_only_one_of_them_has_is_noticed(project_root: Path) -> None:
    text = (project_root / ENGLISH).read_text(encoding="utf-8")
    more = text.replace("| `mbp build` |", "| `mbp new` | [x](docs/x.md) |\n| `mbp build` |", 1)
    assert words_of_code(more) != words_of_code(text)
    assert links(more) != links(text)
    assert rows(more) != rows(text)
    assert shell(text.replace("make test ", "make tests ", 1)) != shell(text)


def test_it_is_portuguese(project_root: Path) -> None:
    """Whole: no paragraph was left in English."""
    english, portuguese = (
        # A link alone on its line is the same in both.
        re.sub(
            r"```.*?```|\]\([^)]*\)|\[docs/[^]]*",
            "",
            (project_root / name).read_text(encoding="utf-8"),
            flags=re.DOTALL,
        )
        for name in (ENGLISH, PORTUGUESE)
    )
    prose = {line for line in english.splitlines() if len(re.findall(r"\b[a-z]{3,}\b", line)) > 3}
    assert prose
    assert not prose & set(portuguese.splitlines())
