import numpy as np
import pytest

from specklenn.core.baselines import baselines
from specklenn.core.baselines.baselines import (
    fit_pca_svm,
    fit_photon_count,
    fit_shi,
    make_baselines,
    train_offline,
)
from specklenn.core.evaluation.classifiers import scores_of_labels
from specklenn.core.evaluation.few_shot import EvaluationSettings
from specklenn.core.evaluation.prepared_file import PreparedFile
from specklenn.core.preprocess import Preprocessing

TWO = np.array([0, 0, 1, 1])


def labels(measured):
    """The likeliest class of every query, for every variant; it is the nearest, too."""
    for distances, scores in measured:
        assert (distances.argmin(axis=1) == scores.argmax(axis=1)).all()
    return [found.scores.argmax(axis=1).tolist() for found in measured]


def noisy(number, seed=0):
    random = np.random.default_rng(seed)
    return random.normal(size=(number, 16, 16)).astype(np.float32)


def test_photon_count_is_a_threshold_at_the_geometric_mean_of_the_classes():
    supports = np.float32([100, 400, 900, 1600])
    threshold = (100 * 400 * 900 * 1600) ** 0.25
    queries = np.arange(1, 3000, dtype=np.float32)

    found = fit_photon_count(supports, TWO, 0)(queries)

    np.testing.assert_array_equal(labels(found), [queries > threshold])


def test_the_brighter_class_may_be_the_first():
    found = fit_photon_count(np.float32([900, 1600, 100, 400]), TWO, 0)

    assert labels(found(np.float32([50, 5000]))) == [[1, 0]]


def test_patterns_with_less_than_no_photon_are_the_darkest():
    found = fit_photon_count(np.float32([-3, 0.5, 900, 1600]), TWO, 0)

    assert labels(found(np.float32([-20, 0, 1000]))) == [[0, 0, 1]]


def test_the_network_answers_at_the_papers_threshold_and_at_one_half(monkeypatch):
    likely = np.float32([0.95, 0.9, 0.7, 0.5, 0.1])
    monkeypatch.setattr(baselines, "probabilities", lambda network, queries: likely)

    found = fit_shi(steps=1)(noisy(4), TWO, 0)(noisy(5))

    assert labels(found) == [[0, 1, 1, 1, 1], [0, 0, 0, 1, 1]]


def test_the_machine_takes_pictures_as_they_are():
    pytest.importorskip("sklearn")
    supports = noisy(4) + np.float32([0, 0, 4, 4])[:, None, None]
    queries = noisy(6, seed=1) + np.float32([0, 4] * 3)[:, None, None]

    assert labels(fit_pca_svm(supports, TWO, 0)(queries)) == [[0, 1] * 3]


def test_what_is_trained_offline_is_trained_once_and_never_on_supports():
    trained_on = []

    def fit(features, classes, seed):
        trained_on.append((features.tolist(), classes.tolist(), seed))
        return lambda queries: [scores_of_labels(np.zeros(len(queries), int), 2)]

    offline = train_offline(fit, np.float32([1, 2]), np.array([0, 1]), seed=3)
    assert trained_on == []

    for support in (5, 6):
        offline(np.float32([support, 7]), np.array([0, 1]), support)

    assert trained_on == [([1, 2], [0, 1], 3)]


def prepared(number):
    labels = np.resize(["single-hit", "multi-hit"], number)
    return PreparedFile(
        labels=labels,
        names=np.full(number, "sample"),
        inputs={Preprocessing(): noisy(number)},
        photons=np.ones(number, np.float32),
    )


def variants_of(training):
    settings = EvaluationSettings()
    classifiers = make_baselines(prepared(6), training, Preprocessing(), settings)
    return [
        (each.method, each.variant, each.trained_on, each.sees_supports)
        for classifier in classifiers
        for each in classifier.variants
    ]


ON_SUPPORTS = [
    ("photon count", "nearest mean", "nothing", True),
    ("Shi 2019", "above 0.9", "supports", True),
    ("Shi 2019", "above 0.5", "supports", True),
    ("PCA + SVM", "angular", "supports", True),
    ("PCA + SVM", "pixels", "supports", True),
]
OFFLINE = [
    ("Shi 2019", "above 0.9", "--train", False),
    ("Shi 2019", "above 0.5", "--train", False),
    ("PCA + SVM", "angular", "--train", False),
    ("PCA + SVM", "pixels", "--train", False),
]


def test_every_variant_says_what_it_is_trained_on():
    assert variants_of([]) == ON_SUPPORTS
    assert variants_of([prepared(4)]) == ON_SUPPORTS + OFFLINE
