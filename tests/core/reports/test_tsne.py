import sys

import numpy as np
import pytest

from specklenn.core.errors import ConfigError, DataError, MissingPackageError
from specklenn.core.evaluation.calibration import reliability
from specklenn.core.evaluation.calibration_report import Confidence
from specklenn.core.evaluation.labelled_file import embed_file
from specklenn.core.evaluation.measurement import (
    EvaluationSettings,
    FewShotScores,
    measure,
)
from specklenn.core.reports.tsne import (
    SampleMap,
    check_samples,
    choose_samples,
    lay_out,
    map_sample,
    require_sklearn,
)

ONE_DRAW = EvaluationSettings(shots=(3,), draws=1, seed=2, rule="nearest")


@pytest.fixture(scope="module")
def embedded(clean_file, tiny_model):
    pytest.importorskip("sklearn")
    return embed_file(clean_file, tiny_model)[0]


def test_a_map_shows_the_supports_and_the_queries_of_the_first_draw(embedded):
    measured = measure(embedded, ONE_DRAW)

    found = map_sample(embedded, ONE_DRAW, measured, "middle")

    queries = ~found.supports
    right = (found.found == found.true)[queries].mean()
    assert right == pytest.approx(measured.main["per_sample"]["middle"]["accuracy"])
    assert found.accuracy == measured.main["per_sample"]["middle"]["accuracy"]
    assert np.bincount(found.true[found.supports]).tolist() == [3, 3]


def test_every_pattern_of_the_sample_is_on_its_map_once(embedded):
    found = map_sample(embedded, ONE_DRAW, measure(embedded, ONE_DRAW), "middle")

    mine = np.flatnonzero(embedded.names == "middle")
    np.testing.assert_array_equal(np.sort(found.rows), embedded.rows[mine])
    classes = np.array(found.classes)
    np.testing.assert_array_equal(classes[found.true], embedded.labels[found.rows])
    assert found.points.shape == (24, 2)


def test_margins_are_negative_where_a_pattern_is_found_right(embedded):
    conditions = EvaluationSettings(shots=(1,), draws=1, seed=1)
    found = map_sample(embedded, conditions, measure(embedded, conditions), "small")

    np.testing.assert_array_equal(found.margins < 0, found.found == found.true)


def test_the_same_seed_gives_the_same_map(embedded):
    measured = measure(embedded, ONE_DRAW)

    first, again = (map_sample(embedded, ONE_DRAW, measured, "small") for _ in range(2))

    np.testing.assert_array_equal(first.points, again.points)


def test_large_classes_are_drawn_from_and_keep_their_supports(monkeypatch, embedded):
    monkeypatch.setattr("specklenn.core.reports.tsne.MOST_PATTERNS", 8)
    measured = measure(embedded, ONE_DRAW)

    found = map_sample(embedded, ONE_DRAW, measured, "small")

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
        shots=1,
        points=np.zeros((8, 2), np.float32),
        true=np.array([0, 0, 0, 0, 1, 1, 1, 2]),
        found=np.array([0, 0, 0, 1, 1, 1, 1, 2]),
        supports=np.array([True, False, False, False, True, False, False, False]),
        margins=np.float32([-9, -0.1, -0.5, 0.2, 9, -0.3, -0.2, -1]),
        rows=np.arange(8),
    )

    assert found.examples == [2, 3, 5, 6, 7]


def measured_as(accuracies):
    per_sample = {name: {"accuracy": value} for name, value in accuracies.items()}
    return FewShotScores(
        scores={"5": {"per_sample": per_sample}},
        left_out=(),
        patterns={},
        total=0,
        confidence=Confidence(
            shots=5,
            temperature=0.1,
            reliability=reliability(np.float32([[0, 1]]), np.array([0]), 0.1),
            best_temperature=0.1,
            ood_auroc={},
        ),
    )


@pytest.mark.parametrize(
    ("accuracies", "chosen"),
    [
        ({"a": 0.9, "b": 0.5, "c": 0.7, "d": 0.8, "e": 0.6}, ["b", "c", "a"]),
        ({"a": 0.9, "b": 0.5}, ["b", "a"]),
        ({"a": 0.9}, ["a"]),
    ],
)
def test_the_worst_a_middle_and_the_best_sample_are_drawn(accuracies, chosen):
    assert choose_samples(measured_as(accuracies)) == chosen


def test_samples_that_are_asked_for_are_drawn():
    measured = measured_as({"a": 0.9, "b": 0.5, "c": 0.7})

    assert choose_samples(measured, ["c", "a"]) == ["c", "a"]
    with pytest.raises(DataError, match="d: too few patterns for 5 supports"):
        choose_samples(measured, ["d"])


def test_samples_that_are_not_in_the_file_are_refused(clean_file):
    check_samples(clean_file, ["small"])

    with pytest.raises(ConfigError, match=r"no sample 'tiny' in .* are large, middle"):
        check_samples(clean_file, ["small", "tiny"])


def test_a_missing_scikit_learn_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.manifold", None)

    with pytest.raises(MissingPackageError, match=r"pip install 'specklenn\[report\]'"):
        require_sklearn()
