import sys

import numpy as np
import pytest

from specklenn.core.errors import DataError, MissingPackageError
from specklenn.core.evaluation.classifiers import MethodVariant
from specklenn.core.evaluation.evaluate import evaluate
from specklenn.core.evaluation.few_shot import EvaluationSettings, draw_few_shot
from specklenn.core.evaluation.labelled_file import embed_file
from specklenn.core.reports.tsne import (
    SampleMap,
    choose_samples,
    lay_out,
    map_sample,
    require_sklearn,
)


@pytest.fixture(scope="module")
def embedded(clean_file, tiny_model):
    pytest.importorskip("sklearn")
    return embed_file(clean_file, tiny_model)[0]


@pytest.fixture(scope="module")
def mapped(embedded, embedding_classifier):
    """Make the map of a sample, and return its accuracy too."""

    def call(name, n_shot=3, seed=2, rule="nearest"):
        settings = EvaluationSettings(n_shot=(n_shot,), draws=1, seed=seed)
        classifier = embedding_classifier("model", embedded.embeddings, (rule,))
        draws = draw_few_shot(embedded.labels, embedded.names, settings)
        scores = evaluate([classifier], draws)
        found = map_sample(embedded, classifier, scores, name, seed)
        return found, scores.main.per_sample[name].accuracy

    return call


def test_a_map_shows_the_supports_and_the_queries_of_the_first_draw(mapped):
    found, accuracy = mapped("middle")

    queries = ~found.supports
    right = (found.found == found.true)[queries].mean()
    assert right == pytest.approx(accuracy)
    assert found.accuracy == accuracy
    assert np.bincount(found.true[found.supports]).tolist() == [3, 3]


def test_every_pattern_of_the_sample_is_on_its_map_once(embedded, mapped):
    found, _ = mapped("middle")

    mine = np.flatnonzero(embedded.names == "middle")
    np.testing.assert_array_equal(np.sort(found.rows), embedded.rows[mine])
    classes = np.array(found.classes)
    np.testing.assert_array_equal(classes[found.true], embedded.labels[found.rows])
    assert found.points.shape == (24, 2)


def test_margins_are_negative_where_a_pattern_is_found_right(mapped):
    found, _ = mapped("small", n_shot=1, seed=1, rule="mean")

    np.testing.assert_array_equal(found.margins < 0, found.found == found.true)


def test_the_same_seed_gives_the_same_map(mapped):
    (first, _), (again, _) = mapped("small"), mapped("small")

    np.testing.assert_array_equal(first.points, again.points)


def test_large_classes_are_drawn_from_and_keep_their_supports(monkeypatch, mapped):
    monkeypatch.setattr("specklenn.core.reports.tsne.MOST_PATTERNS", 8)

    found, _ = mapped("small")

    assert np.bincount(found.true).tolist() == [8, 8]
    assert np.bincount(found.true[found.supports]).tolist() == [3, 3]


def test_clusters_stay_apart_on_the_map():
    pytest.importorskip("sklearn")
    random = np.random.default_rng(0)
    clusters = np.repeat(np.eye(16, dtype=np.float32)[:2], 40, axis=0)
    vectors = clusters + 0.05 * random.normal(size=(80, 16)).astype(np.float32)

    points = lay_out(vectors, 0)

    middles = points[:40].mean(axis=0), points[40:].mean(axis=0)
    nearer = [np.linalg.norm(points - middle, axis=1) for middle in middles]
    np.testing.assert_array_equal(nearer[0] < nearer[1], np.arange(80) < 40)


def test_four_patterns_are_enough_for_a_map():
    pytest.importorskip("sklearn")

    assert lay_out(np.eye(4, dtype=np.float32), 0).shape == (4, 2)


def test_examples_are_the_clearest_and_the_most_misleading_query_of_each_class():
    found = SampleMap(
        name="x",
        accuracy=0.5,
        classes=("a", "b", "c"),
        n_shot=1,
        points=np.zeros((8, 2), np.float32),
        true=np.array([0, 0, 0, 0, 1, 1, 1, 2]),
        found=np.array([0, 0, 0, 1, 1, 1, 1, 2]),
        supports=np.array([True, False, False, False, True, False, False, False]),
        margins=np.float32([-9, -0.1, -0.5, 0.2, 9, -0.3, -0.2, -1]),
        rows=np.arange(8),
    )

    assert found.examples == [2, 3, 5, 6, 7]


@pytest.fixture
def scores_of(make_summary, make_scores):
    """Make the scores of samples with five supports."""
    model = MethodVariant(
        method="m", variant="mean", trained_on="own data", sees_supports=True
    )
    return lambda accuracies: make_scores({model: {5: make_summary(0.5, **accuracies)}})


@pytest.mark.parametrize(
    ("accuracies", "chosen"),
    [
        ({"a": 0.9, "b": 0.5, "c": 0.7, "d": 0.8, "e": 0.6}, ["b", "c", "a"]),
        ({"a": 0.9, "b": 0.5}, ["b", "a"]),
        ({"a": 0.9}, ["a"]),
    ],
)
def test_the_worst_a_middle_and_the_best_sample_are_drawn(
    scores_of, accuracies, chosen
):
    assert choose_samples(scores_of(accuracies)) == chosen


def test_samples_that_are_asked_for_are_drawn(scores_of):
    scores = scores_of({"a": 0.9, "b": 0.5, "c": 0.7})

    assert choose_samples(scores, ["c", "a"]) == ["c", "a"]
    with pytest.raises(DataError, match="d: too few patterns for 5 supports"):
        choose_samples(scores, ["d"])


def test_a_missing_scikit_learn_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.manifold", None)

    with pytest.raises(MissingPackageError, match=r"pip install 'specklenn\[report\]'"):
        require_sklearn()
