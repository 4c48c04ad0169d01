"""The corpus, and what is measured on it."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from lab.corpora import detector_scores
from lab.corpora import random_values as draw
from lab.corpora.corpus import Line, generate, to_json
from mbp.contracts.policy import POLICY as OWNERS
from mbp.core.errors import MbpError
from mbp.quality.privacy import scan
from mbp.quality.privacy.privacy_policy import KINDS, POLICY, PrivacyPolicy

# What compares the corpus with the detectors.
JUDGES = ("detector_scores",)


def test_the_corpus_is_the_same_again_and_half_of_it_is_hard() -> None:
    one, again, other = (to_json(generate(seed, 2000)) for seed in (7, 7, 8))
    assert one == again != other
    lines = generate(7, 2000)
    assert len(lines) == 2000
    assert sum(not line.labels for line in lines) == 1000
    assert {kind for line in lines for kind, _, _ in line.labels} == set(KINDS)
    for line in lines:
        for _, start, end in line.labels:
            assert 0 <= start < end <= len(line.text)


def test_the_corpus_uses_nothing_of_the_detectors(project_root: Path) -> None:
    made = [
        path for path in (project_root / "lab/corpora").rglob("*.py") if path.stem not in JUDGES
    ]
    assert {"corpus", "families", "random_values"} <= {path.stem for path in made}
    for path in made:
        text = path.read_text(encoding="utf-8")
        for other in ("mbp.quality.privacy", "validate_docbr", "phonenumbers"):
            assert f"import {other}" not in text, path
            assert f"from {other}" not in text, path


def test_every_target_is_reached_on_a_seed_that_nobody_tuned(policy: PrivacyPolicy) -> None:
    sample = detector_scores.measure("fresh", 90210, generate(90210, 2000), policy)
    assert detector_scores.Measured([sample], policy).missed == []
    assert (policy.measure.target.recall_percent, policy.measure.target.precision_percent) == (
        95,
        98,
    )
    for kind in ("cpf", "cnpj", "email"):
        assert sample.scores[kind].recall_percent == 100


@dataclasses.dataclass(frozen=True)
class Labelled:
    text: str
    labels: frozenset[str]


def test_the_outside_corpus_is_judged_by_line(policy: PrivacyPolicy, random: Random) -> None:
    cpf, email = draw.cpf(random), draw.email(random)
    corpus = [
        Labelled(f"cpf {cpf} de {email}", frozenset({"cpf", "email"})),
        Labelled("cpf 111.111.111-11", frozenset({"cpf"})),
        Labelled(f"contact {email}", frozenset()),
        Labelled("order accepted", frozenset()),
    ]
    sample = detector_scores.measure_lines("x", 1, corpus, policy)
    assert (sample.lines, sample.negatives) == (4, 2)
    assert sample.scores["cpf"] == detector_scores.KindScore(2, 1, 0)
    assert sample.scores["email"] == detector_scores.KindScore(1, 1, 1)
    with pytest.raises(MbpError, match="labels a line 'fax'"):
        detector_scores.measure_lines("x", 1, [Labelled("x", frozenset({"fax"}))], policy)


def test_a_target_missed_on_the_outside_corpus_is_missed(
    project_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (POLICY, OWNERS):
        (tmp_path / name).parent.mkdir(parents=True)
        shutil.copyfile(project_root / name, tmp_path / name)
    monkeypatch.setattr(detector_scores, "generate", lambda seed, _: generate(seed, 300))

    def outside(count: int, seed: int) -> Iterator[Labelled]:
        for line in generate(seed, count // 10):
            labels = frozenset(kind for kind, _, _ in line.labels)
            yield Labelled(line.text, labels or frozenset({"cpf"}))

    monkeypatch.setattr(detector_scores.outside_corpus, "lines", outside)
    measured = detector_scores.measure_project(tmp_path)
    assert [one.name for one in measured.samples[2:]] == ["outside_tuned", "outside_held_out"]
    assert any(one.startswith("outside_tuned: cpf: recall") for one in measured.missed)
    text = (tmp_path / "target/evidence/privacy_measure.json").read_text(encoding="utf-8")
    assert '"verdict": "fail"' in text


def test_what_the_policy_does_not_claim_is_shown_and_not_demanded(policy: PrivacyPolicy) -> None:
    missed = {kind: detector_scores.KindScore(10, 1, 9) for kind in KINDS}
    found = detector_scores.Measured(
        [detector_scores.MeasuredCorpus("x", 1, 10, 0, missed, outside=True)], policy
    )
    named = {one.split(": ")[1] for one in found.missed}
    assert policy.measure.not_claimed
    assert named == set(KINDS) - policy.measure.not_claimed.keys()
    assert found.content()["not_claimed"] == policy.measure.not_claimed
    ours = detector_scores.Measured([detector_scores.MeasuredCorpus("x", 1, 10, 0, missed)], policy)
    assert {one.split(": ")[1] for one in ours.missed} == set(KINDS)


def test_a_blind_detector_and_a_loud_one_are_seen(
    policy: PrivacyPolicy, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = generate(3, 600)

    def blind(_: object) -> Iterator[scan.Hit]:
        return iter(())

    def loud(page: scan.Page) -> Iterator[scan.Hit]:
        yield scan.Hit(0, 1, "email", "e-mail", page.text[:1])

    for detector, word in ((blind, "recall"), (loud, "precision")):
        monkeypatch.setitem(scan.DETECTORS, "email", detector)
        missed = detector_scores.Measured(
            [detector_scores.measure("x", 3, corpus, policy)], policy
        ).missed
        assert any(one.startswith(f"x: email: {word}") for one in missed)


def test_nothing_labelled_is_nothing_reached(policy: PrivacyPolicy) -> None:
    sample = detector_scores.measure("empty", 0, [Line("order accepted", ())], policy)
    assert len(detector_scores.Measured([sample], policy).missed) == 2 * len(KINDS)


def test_measuring_writes_evidence(
    project_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (POLICY, OWNERS):
        (tmp_path / name).parent.mkdir(parents=True)
        shutil.copyfile(project_root / name, tmp_path / name)
    monkeypatch.setattr(detector_scores, "generate", lambda seed, _: generate(seed, 300))
    outside = detector_scores.outside_corpus.lines
    monkeypatch.setattr(
        detector_scores.outside_corpus, "lines", lambda count, seed: outside(count // 10, seed)
    )
    measured = detector_scores.measure_project(tmp_path)
    text = (tmp_path / "target/evidence/privacy_measure.json").read_text(encoding="utf-8")
    assert f'"verdict": "{"fail" if measured.missed else "pass"}"' in text
    assert '"held_out"' in text
