"""Precision and recall of the detectors on labelled corpora: our own, and one by an author who did not see them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.corpora import outside as outside_corpus
from lab.corpora.corpus import Line, generate
from mbp.core.errors import MbpError
from mbp.quality.privacy.privacy_policy import KINDS, PrivacyPolicy, Target, load_policy
from mbp.quality.privacy.scan import hits
from mbp.runs.envelope import begin, write

EVIDENCE = "privacy_measure"


@dataclass(frozen=True)
class KindScore:
    """Of one kind. `found` of `labelled` were found; `false_alarms` findings are where nothing of the kind is."""

    labelled: int
    detected: int
    false_alarms: int

    @property
    def recall_percent(self) -> float:
        """Of what is there, how much was found; nothing there is nothing found."""
        return 100 * self.detected / self.labelled if self.labelled else 0.0

    @property
    def precision_percent(self) -> float:
        """Of what was found, how much is there; nothing found is nothing right."""
        all_findings = self.detected + self.false_alarms
        return 100 * self.detected / all_findings if all_findings else 0.0


@dataclass(frozen=True)
class MeasuredCorpus:
    """One corpus, measured."""

    name: str
    seed: int
    lines: int
    negatives: int
    scores: Mapping[str, KindScore]
    outside: bool = False


@dataclass(frozen=True)
class Measured:
    """All corpora, against the policy's targets."""

    samples: Sequence[MeasuredCorpus]
    policy: PrivacyPolicy

    def target(self, sample: MeasuredCorpus, kind: str) -> Target:
        """What a kind must reach: nothing on the outside corpus when the policy does not claim it."""
        if sample.outside and kind in self.policy.measure.not_claimed:
            return Target(0.0, 0.0)
        return self.policy.measure.target

    @property
    def missed(self) -> list[str]:
        """Targets that were not reached."""
        return [
            f"{sample.name}: {kind}: {word} {reached:.2f} %, target {wanted:g} %"
            for sample in self.samples
            for kind, score in sample.scores.items()
            for word, reached, wanted in (
                ("recall", score.recall_percent, self.target(sample, kind).recall_percent),
                ("precision", score.precision_percent, self.target(sample, kind).precision_percent),
            )
            if reached < wanted
        ]

    def content(self) -> dict[str, Any]:
        """For JSON and evidence."""
        return {
            "corpora": [
                {
                    "name": sample.name,
                    "seed": sample.seed,
                    "lines": sample.lines,
                    "negatives": sample.negatives,
                    "kinds": {
                        kind: {
                            "labelled": score.labelled,
                            "found": score.detected,
                            "false_alarms": score.false_alarms,
                            "recall_percent": round(score.recall_percent, 3),
                            "precision_percent": round(score.precision_percent, 3),
                            "target_recall_percent": self.target(sample, kind).recall_percent,
                            "target_precision_percent": self.target(sample, kind).precision_percent,
                        }
                        for kind, score in sample.scores.items()
                    },
                }
                for sample in self.samples
            ],
            "missed": self.missed,
            "not_claimed": dict(self.policy.measure.not_claimed),
        }


def measure_project(root: Path) -> Measured:
    """Measures on the seeds of the policy and writes the evidence.

    Raises:
        MbpError: the policy cannot be read, or a detector crashed.
    """
    begun = begin(root)
    policy = load_policy(root)
    samples = [
        measure(name, seed, generate(seed, policy.measure.lines), policy)
        for name, seed in policy.measure.seeds.items()
    ]
    samples += [
        measure_lines(
            f"outside_{name}", seed, outside_corpus.lines(policy.measure.lines, seed), policy
        )
        for name, seed in policy.measure.seeds.items()
    ]
    measured = Measured(samples, policy)
    lines_of_all = sum(sample.lines for sample in measured.samples)
    missed = measured.missed
    write(
        begun,
        EVIDENCE,
        summary=missed[0]
        if missed
        else f"every target is reached on {lines_of_all} labelled lines",
        content=measured.content(),
    )
    return measured


def measure_lines(
    name: str, seed: int, corpus: Iterable[outside_corpus.Labelled], policy: PrivacyPolicy
) -> MeasuredCorpus:
    """By line: a kind is found when a finding of it is on a line that has it, and a false alarm on any other.

    Raises:
        MbpError: a label is no kind of the policy, or a detector crashed.
    """
    labelled: Counter[str] = Counter()
    results: Counter[str] = Counter()
    alarms: Counter[str] = Counter()
    count = clean = 0
    for line in corpus:
        unknown = line.labels - set(KINDS)
        if unknown:
            raise MbpError(
                f"the outside corpus labels a line {min(unknown)!r}: expected {', '.join(KINDS)}",
                fix="correct the label",
            )
        kinds = {hit.kind for hit in hits(line.text, _place(line.text), policy)}
        count, clean = count + 1, clean + (not line.labels)
        labelled.update(line.labels)
        results.update(kinds & line.labels)
        alarms.update(kinds - line.labels)
    scores = {kind: KindScore(labelled[kind], results[kind], alarms[kind]) for kind in KINDS}
    return MeasuredCorpus(name, seed, count, clean, scores, outside=True)


def _place(text: str) -> str:
    return "corpus.csv" if "\n" in text else "corpus"


def measure(name: str, seed: int, corpus: Sequence[Line], policy: PrivacyPolicy) -> MeasuredCorpus:
    """A label is found when a finding of its kind covers it; every other finding is a false alarm."""
    labelled: Counter[str] = Counter()
    results: Counter[str] = Counter()
    alarms: Counter[str] = Counter()
    for line in corpus:
        left = hits(line.text, _place(line.text), policy)
        for kind, start, end in line.labels:
            labelled[kind] += 1
            over = [hit for hit in left if hit.kind == kind and hit.start < end and start < hit.end]
            results[kind] += bool(over)
            left = [hit for hit in left if hit not in over]
        alarms.update(hit.kind for hit in left)
    scores = {kind: KindScore(labelled[kind], results[kind], alarms[kind]) for kind in KINDS}
    return MeasuredCorpus(name, seed, len(corpus), sum(not line.labels for line in corpus), scores)


def lines(measured: Measured) -> list[str]:
    """A table per corpus."""
    lines = []
    for sample in measured.samples:
        lines.append(
            f"{sample.name} (seed {sample.seed}): {sample.lines:,} lines, {sample.negatives:,} of them hard negatives"
        )
        lines.append(
            f"  {'kind':<14}{'labelled':>9}{'found':>7}{'alarms':>8}{'recall %':>10}{'precision %':>13}"
        )
        lines += [
            f"  {kind:<14}{score.labelled:>9}{score.detected:>7}{score.false_alarms:>8}"
            f"{score.recall_percent:>10.2f}{score.precision_percent:>13.2f}"
            for kind, score in sample.scores.items()
        ]
    return lines + [f"missed: {missed}" for missed in measured.missed]
