import statistics

import numpy as np
import pytest

from specklenn.core.errors import DataError
from specklenn.core.evaluation.few_shot import evaluate
from specklenn.core.labels import MULTI_HIT, NON_SAMPLE_HIT, SINGLE_HIT


def make(per_class: int, spread: float, samples: int = 3):
    """Two clusters on the circle per sample, each sample turned by its own angle."""
    random = np.random.default_rng(0)
    angles, labels, names = [], [], []
    for sample in range(samples):
        for number, label in enumerate((SINGLE_HIT, MULTI_HIT)):
            angles.append(
                sample + 1.5 * number + spread * random.normal(size=per_class)
            )
            labels += [label] * per_class
            names += [f"sample {sample}"] * per_class
    turned = np.concatenate(angles)
    embeddings = np.stack((np.cos(turned), np.sin(turned)), axis=1)
    return embeddings.astype(np.float32), np.array(labels), np.array(names)


def test_clean_clusters_are_told_apart_always():
    scores = evaluate(*make(30, 0.01), shots=(1, 5))

    for shots in ("1", "5"):
        assert scores[shots]["accuracy"] == 1.0
        assert scores[shots]["f1"] == 1.0
        assert scores[shots]["ci95"] == [1.0, 1.0]
        assert set(scores[shots]["per_sample"]) == {
            "sample 0",
            "sample 1",
            "sample 2",
        }


def test_clusters_without_difference_are_guessed():
    embeddings, labels, names = make(400, 0.01, samples=8)
    noise = np.random.default_rng(1).normal(size=embeddings.shape)
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)

    score = evaluate(noise.astype(np.float32), labels, names, shots=(5,))["5"]

    assert score["accuracy"] == pytest.approx(0.5, abs=0.03)
    low, high = score["ci95"]
    assert low <= score["accuracy"] <= high


def test_supports_are_never_queried():
    embeddings, labels, names = make(2, 0.01, samples=1)

    score = evaluate(embeddings, labels, names, shots=(1,))["1"]
    assert score["accuracy"] == 1.0

    with pytest.raises(DataError, match="3 patterns of every class"):
        evaluate(embeddings, labels, names, shots=(2,))


def test_queries_are_as_many_of_each_class():
    embeddings, labels, names = make(100, 0.01, samples=1)
    same = np.tile(np.float32([1, 0]), (len(labels), 1))
    few_multi = np.r_[0:100, 100:120]

    score = evaluate(same[few_multi], labels[few_multi], names[few_multi], shots=(5,))

    assert score["5"]["accuracy"] == 0.5
    assert score["5"]["f1"] == pytest.approx(2 / 3)
    assert embeddings.shape == (200, 2)


def test_the_same_seed_draws_the_same_supports():
    data = make(30, 0.8)

    assert evaluate(*data, seed=3) == evaluate(*data, seed=3)
    assert evaluate(*data, seed=3) != evaluate(*data, seed=4)


def make_opposites(per_class: int):
    """Singles at the top of the circle; the two other classes left and right of it."""
    random = np.random.default_rng(0)
    middles = {SINGLE_HIT: 1.57, MULTI_HIT: 0.57, NON_SAMPLE_HIT: 2.57}
    angles = np.concatenate(
        [at + 0.02 * random.normal(size=per_class) for at in middles.values()]
    )
    embeddings = np.stack((np.cos(angles), np.sin(angles)), axis=1).astype(np.float32)
    labels = np.repeat(list(middles), per_class)
    return embeddings, labels, np.full(len(labels), "one")


REST = f"{MULTI_HIT}+{NON_SAMPLE_HIT}"


def test_classes_joined_by_plus_are_one_with_as_many_patterns_of_each():
    embeddings, labels, names = make_opposites(30)
    few = np.r_[0:60, 60:70]

    scores = evaluate(
        embeddings[few],
        labels[few],
        names[few],
        shots=(19,),
        classes=(SINGLE_HIT, REST),
        rule="nearest",
    )
    assert scores["19"]["accuracy"] == 1.0

    with pytest.raises(DataError, match="21 patterns of every class"):
        evaluate(embeddings[few], labels[few], names[few], shots=(20,), classes=(REST,))


def test_anything_else_is_found_by_its_nearest_support_and_not_by_the_mean_one():
    """The mean of left and right lies where the singles are."""
    data = make_opposites(40)
    # With this seed every draw has supports on both sides.
    drawn = {"shots": (10,), "classes": (SINGLE_HIT, REST), "seed": 1}
    mean = evaluate(*data, **drawn, rule="prototype")
    nearest = evaluate(*data, **drawn, rule="nearest")

    assert nearest["10"]["accuracy"] == 1.0
    assert mean["10"]["accuracy"] < 1.0


def test_places_tell_classes_whose_only_support_misleads(adapter_to):
    """Apart along an axis that a single support hides behind two others."""
    random = np.random.default_rng(0)
    labels = np.tile([SINGLE_HIT, MULTI_HIT], 200)
    names = np.repeat(["a", "b"], 200)
    vectors = random.normal(size=(400, 3)) * [1.0, 1.0, 0.1]
    vectors[:, 2] += np.where(labels == SINGLE_HIT, 0.4, -0.4)
    vectors = np.float32(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
    adapter = adapter_to([[0, 0, 1], [0, 0, -1], [0, 0, 0]])

    def accuracy(rule, known):
        scores = evaluate(
            vectors, labels, names, shots=(1,), draws=20, rule=rule, adapter=known
        )
        return scores["1"]["accuracy"]

    assert accuracy("learned", adapter) > accuracy("prototype", adapter) + 0.05
    assert accuracy("learned", None) == accuracy("prototype", adapter)


def test_a_third_class_can_be_asked_for_and_must_be_there():
    with pytest.raises(DataError):
        evaluate(*make(30, 0.1), classes=(SINGLE_HIT, MULTI_HIT, NON_SAMPLE_HIT))


def test_the_confusion_says_what_was_taken_for_what():
    """All embeddings are the same, so everything is taken for the first class."""
    _, labels, names = make(20, 0.01)
    same = np.tile(np.float32([1, 0]), (len(labels), 1))

    score = evaluate(same, labels, names, shots=(5,))["5"]

    everything = {SINGLE_HIT: 1.0, MULTI_HIT: 0.0}
    assert score["confusion"] == {SINGLE_HIT: everything, MULTI_HIT: everything}
    assert score["precision"] == 0.5
    assert score["recall"] == 1.0


def test_accuracy_is_the_mean_of_the_right_shares():
    """With as many queries of every sample and class."""
    score = evaluate(*make(40, 0.6), shots=(5,))["5"]

    singles, multis = score["confusion"].values()
    right = (singles[SINGLE_HIT] + multis[MULTI_HIT]) / 2
    assert score["accuracy"] == pytest.approx(right)
    assert sum(singles.values()) == pytest.approx(1)
    assert 0.5 < score["accuracy"] < 1


def test_intervals_are_two_standard_errors_over_samples():
    score = evaluate(*make(40, 0.6, samples=5), shots=(5,))["5"]

    samples = score["per_sample"].values()
    for key, interval in (("accuracy", "ci95"), ("f1", "f1_ci95")):
        values = [sample[key] for sample in samples]
        half = 1.96 * statistics.stdev(values) / 5**0.5
        middle = statistics.mean(values)
        assert score[interval] == pytest.approx([middle - half, middle + half])


def test_one_sample_has_no_interval():
    score = evaluate(*make(40, 0.6, samples=1), shots=(5,))["5"]

    assert score["ci95"] == [score["accuracy"], score["accuracy"]]
