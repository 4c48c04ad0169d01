"""The labelled corpus: lines as logs, JSON, SQL and CSV have them, with the span of everything personal or secret.

Half of it are hard negatives. The same seed gives the same bytes. It is generated when it is measured and not kept:
an invented number that is valid may belong to a real person.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from lab.corpora.families import FAMILIES
from lab.corpora.traps import TRAPS

POSITIVE_SHARE = 0.5


@dataclass(frozen=True)
class Line:
    """One line (or a small table) and what is in it: (kind, start, end)."""

    text: str
    labels: tuple[tuple[str, int, int], ...]


def generate(seed: int, count: int) -> list[Line]:
    """So many lines; families, contexts and traps come in turn, so that none is left out."""
    random = Random(seed)  # noqa: S311 (a corpus, no secret)
    lines = []
    positives = int(count * POSITIVE_SHARE)
    turns = dict.fromkeys(range(len(FAMILIES)), 0)
    for number in range(positives):
        chosen = number % len(FAMILIES)
        family = FAMILIES[chosen]
        context = family.contexts[(turns[chosen] + chosen) % len(family.contexts)]
        turns[chosen] += 1
        value = family.spell(random)
        before, after = (part.replace("{{", "{").replace("}}", "}") for part in _halves(context))
        lines.append(
            Line(before + value + after, ((family.kind, len(before), len(before) + len(value)),))
        )
    lines += [Line(TRAPS[number % len(TRAPS)](random), ()) for number in range(count - positives)]
    random.shuffle(lines)
    return lines


def _halves(context: str) -> tuple[str, str]:
    """What comes before and after the place of the value; `{{` is a brace."""
    at = 0
    while True:
        at = context.index("{}", at)
        if (len(context[:at]) - len(context[:at].rstrip("{"))) % 2 == 0:
            return context[:at], context[at + 2 :]
        at += 1


def to_json(lines: Sequence[Line]) -> str:
    """One object a line."""
    return "".join(
        json.dumps(
            {
                "text": line.text,
                "labels": [
                    {"kind": kind, "start": start, "end": end} for kind, start, end in line.labels
                ],
            },
            ensure_ascii=False,
        )
        + "\n"
        for line in lines
    )
