"""Suggestions against loops, and against labels given at random."""

import numpy as np
import pytest

from specklenn.core.decision import make_head
from specklenn.core.distances import class_distances
from specklenn.core.evaluation.labelled_file import LabelledFile, embed_file
from specklenn.core.heads.head import ClassScores
from specklenn.core.labelling.active_learning import (
    PER_CLASS,
    UNCERTAIN_SHARE,
    ActiveLearner,
    pair_distances,
)
from specklenn.core.network import checkpoint
from specklenn.plugin.commands import simulate

CLASSES = ("single-hit", "multi-hit", "non-sample-hit")
KINDS = np.geomspace(1, 0.05, 12) / np.geomspace(1, 0.05, 12).sum()
"""Shares of the kinds of shots; kind 0, 3, 6 and 9 are single-hits, and so on."""


def embedded(number, seed, size=32):
    """Vectors of three classes of four kinds each, some common, some rare."""
    random = np.random.default_rng(seed)
    kinds = random.choice(12, number, p=KINDS)
    centres = random.standard_normal((12, size))
    vectors = centres[kinds] + 0.5 * random.standard_normal((number, size))
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / lengths).astype(np.float32), np.array(CLASSES)[kinds % 3]


def no_labels(number):
    return np.full(number, "", "<U16"), np.zeros(number, bool)


def gain(vectors, seen, candidate):
    """How much nearer to something seen all shots would be, one by one."""
    total = 0.0
    for one in vectors:
        old = min([2.0, *(np.linalg.norm(one - vectors[s]) for s in seen)])
        total += max(old - np.linalg.norm(one - vectors[candidate]), 0.0)
    return total


@pytest.mark.parametrize("number_seen", [0, 1, 4])
def test_the_representative_shot_is_the_one_that_a_loop_finds(learn_from, number_seen):
    vectors, truth = embedded(60, seed=2)
    labels, passed = no_labels(60)
    labels[:number_seen] = truth[:number_seen]
    seen = list(range(number_seen))

    found = learn_from(vectors, CLASSES).suggest(labels, passed)

    gains = {i: gain(vectors, seen, i) for i in range(number_seen, 60)}
    assert found.position == max(gains, key=gains.get)


def test_the_uncertain_shot_is_the_one_that_a_loop_finds(learn_from):
    vectors, truth = embedded(200, seed=3)
    labels, passed = no_labels(200)
    seen = [i for name in CLASSES for i in np.flatnonzero(truth == name)[:PER_CLASS]]
    labels[seen] = truth[seen]
    means = [vectors[[i for i in seen if truth[i] == n]].mean(axis=0) for n in CLASSES]

    found = learn_from(vectors, CLASSES, "prototype").suggest(labels, passed)

    margins = {}
    for i in set(range(200)).difference(seen):
        distances = np.array([np.linalg.norm(vectors[i] - mean) for mean in means])
        powers = np.exp(-distances / 0.1)
        *_, second, first = sorted(powers / powers.sum())
        margins[i] = first - second
    doubtful = sorted(margins, key=margins.get)[: round(UNCERTAIN_SHARE * 191)]
    gains = {i: gain(vectors, seen, i) for i in doubtful}
    assert found.position == max(gains, key=gains.get)
    assert found.reason.startswith("uncertain: ")


def test_what_was_labelled_or_passed_by_is_never_suggested_again(learn_from):
    vectors, truth = embedded(40, seed=4)
    labels, passed = no_labels(40)
    learner = learn_from(vectors, CLASSES)
    met = []
    for turn in range(40):
        position = learner.suggest(labels, passed).position
        met.append(position)
        labels[position] = truth[position] if turn % 3 else ""
        passed[position] = turn % 3 == 0

    assert sorted(met) == list(range(40))
    assert learner.suggest(labels, passed) is None


def test_a_class_that_never_occurs_does_not_stop_the_search_for_doubtful_shots(
    learn_from,
):
    vectors, truth = embedded(200, seed=5)
    kept = truth != "non-sample-hit"
    vectors, truth = vectors[kept], truth[kept]
    labels, passed = no_labels(len(truth))
    learner = learn_from(vectors, CLASSES)
    reasons = []
    for _ in range(14):
        found = learner.suggest(labels, passed)
        reasons.append(found.reason)
        labels[found.position] = truth[found.position]

    assert any(reason.startswith("uncertain") for reason in reasons)
    assert not reasons[-1].startswith("uncertain") or not reasons[-2].startswith(
        "uncertain"
    )


def test_shots_that_nobody_could_judge_count_as_seen_but_make_no_class(learn_from):
    vectors, _ = embedded(100, seed=6)
    labels, passed = no_labels(100)
    labels[:20] = "unknown"
    labels[20:30] = "no-hit"
    learner = learn_from(vectors, CLASSES)

    assert learner.suggest(labels, passed).position >= 30
    assert learner.guess(50, labels) == ""


def test_the_guess_is_the_class_of_the_nearest_mean_of_the_other_labels(learn_from):
    vectors, truth = embedded(100, seed=7)
    labels, _ = no_labels(100)
    labels[:30] = truth[:30]
    labels[0] = "multi-hit" if truth[0] != "multi-hit" else "single-hit"
    learner = learn_from(vectors, CLASSES, "prototype")

    others = range(1, 30)
    means = {
        name: vectors[[i for i in others if truth[i] == name]].mean(axis=0)
        for name in set(truth[1:30])
    }
    nearest = min(means, key=lambda name: np.linalg.norm(vectors[0] - means[name]))
    assert learner.guess(0, labels) == nearest


def test_classes_of_older_labels_take_part_even_if_they_are_not_named_now(learn_from):
    vectors, truth = embedded(100, seed=8)
    labels, _ = no_labels(100)
    labels[truth == "single-hit"] = "drop"
    labels[truth == "multi-hit"] = "multi-hit"
    position = int(np.flatnonzero(truth == "single-hit")[0])

    assert learn_from(vectors, ("multi-hit",)).guess(position, labels) == "drop"


def test_the_head_is_that_of_the_classes_that_have_labels():
    vectors, truth = embedded(60, seed=10)
    labels, _ = no_labels(60)
    labels[:10] = np.where(truth[:10] == "single-hit", "single-hit", "drop")
    asked = []

    class Constant:
        def fit(self, task):
            asked.append((task.n_classes, len(task.supports)))
            scores = np.float32([[0.2, 0.8]])
            return lambda features: ClassScores(
                distances=np.repeat(1 - scores, len(features), axis=0),
                scores=np.repeat(scores, len(features), axis=0),
            )

    def head_for(classes):
        asked.append(tuple(classes))
        return Constant()

    learner = ActiveLearner(vectors, vectors, CLASSES, head_for)

    assert learner.guess(20, labels) == asked[0][1]
    assert set(asked[0]) == {"single-hit", "drop"}
    assert asked[1] == (2, 10)


def test_distances_between_pairs_are_those_of_numpy():
    vectors, _ = embedded(30, seed=9)

    expected = np.linalg.norm(vectors[:, None] - vectors[None], axis=2)
    np.testing.assert_allclose(pair_distances(vectors), expected, atol=2e-3)
    assert (np.diag(pair_distances(vectors)) == 0).all()


def accuracy(vectors, truth, labelled):
    """Share of the other shots that the labelled ones classify rightly."""
    names = sorted(set(truth[labelled]))
    codes = np.array([names.index(name) for name in truth[labelled]])
    rest = np.setdiff1d(np.arange(len(truth)), labelled)
    distances = class_distances(
        vectors[rest], vectors[labelled], codes, len(names), "soft"
    )
    return np.mean(np.array(names)[distances.argmin(axis=1)] == truth[rest])


def suggested_shots(learner, truth, number):
    labels, passed = no_labels(len(truth))
    found = []
    for _ in range(number):
        found.append(learner.suggest(labels, passed).position)
        labels[found[-1]] = truth[found[-1]]
    return np.array(found)


def random_accuracy(vectors, truth, number, draws=20):
    """Mean accuracy of so many shots that are labelled at random."""
    random = np.random.default_rng(0)
    return np.mean(
        [
            accuracy(vectors, truth, random.permutation(len(truth))[:number])
            for _ in range(draws)
        ]
    )


@pytest.mark.parametrize("number", [5, 10, 15, 30])
def test_suggested_labels_are_worth_more_than_random_ones(learn_from, number):
    runs = [embedded(400, seed) for seed in range(6)]

    ours = [
        accuracy(
            vectors,
            truth,
            suggested_shots(learn_from(vectors, CLASSES), truth, number),
        )
        for vectors, truth in runs
    ]
    at_random = [random_accuracy(*run, number) for run in runs]

    assert np.mean(ours) > np.mean(at_random) + 0.02


@pytest.mark.slow
def test_ten_suggested_labels_of_a_simulated_run_are_worth_more_than_random_ones(
    tmp_path,
):
    pytest.importorskip("finufft")
    pytest.importorskip("gemmi")
    words = ["simulate", "-o", str(tmp_path / "run.cxi"), "-n", "400"]
    assert simulate.main([*words, "--processes", "1"]) == 0
    model = checkpoint.load("default")
    (found,) = embed_file(LabelledFile(tmp_path / "run.cxi"), model)
    hits = found.labels != "no-hit"
    run = found.embeddings[hits], found.labels[hits]
    learner = ActiveLearner(
        found.features[hits],
        found.embeddings[hits],
        CLASSES,
        lambda classes: make_head(
            model.encoder, classes, model.rule, model.temperature
        ),
    )

    ours = accuracy(*run, suggested_shots(learner, run[1], 10))

    assert ours > random_accuracy(*run, 10) + 0.03
