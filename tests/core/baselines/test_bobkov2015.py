import sys

import numpy as np
import pytest

from specklenn.core.baselines.bobkov2015 import (
    ORDERS,
    angular_features,
    fit_machine,
    require_sklearn,
)
from specklenn.core.errors import MissingPackageError


def by_ring(inputs):
    """Features (N, rings, 1 + ORDERS)."""
    return angular_features(inputs).reshape(len(inputs), -1, 1 + ORDERS)


def test_there_are_a_mean_and_twelve_orders_for_every_ring_that_fits():
    inputs = np.zeros((3, 48, 48), np.float32)

    assert angular_features(inputs).shape == (3, 23 * 13)
    assert angular_features(inputs).dtype == np.float32


def test_a_wave_around_the_beam_is_found_in_its_order_alone():
    y, x = np.mgrid[:64, :64] - 31.5
    wave = 2 + 3 * np.cos(4 * np.arctan2(y, x) + 0.7)

    outer = by_ring(wave[None].astype(np.float32))[0, 15:]

    np.testing.assert_allclose(outer[:, 0], 2, atol=0.02)
    np.testing.assert_allclose(outer[:, 4], 3 / 2, rtol=0.03)
    np.testing.assert_allclose(np.delete(outer, [0, 4], axis=1), 0, atol=0.05)


def test_turned_and_mirrored_patterns_have_the_same_features():
    pattern = np.random.default_rng(0).normal(size=(24, 24)).astype(np.float32)
    same = np.stack([pattern, np.rot90(pattern), pattern.T])

    features = angular_features(same)

    np.testing.assert_allclose(features[1], features[0], atol=1e-4)
    np.testing.assert_allclose(features[2], features[0], atol=1e-4)


def test_features_in_batches_are_those_at_once(monkeypatch):
    inputs = np.random.default_rng(0).normal(size=(10, 16, 16)).astype(np.float32)
    together = angular_features(inputs)

    monkeypatch.setattr("specklenn.core.baselines.bobkov2015.AT_ONCE", 3)

    np.testing.assert_allclose(angular_features(inputs), together, atol=1e-6)


def test_the_machine_is_principal_components_and_a_gaussian_kernel_by_hand():
    svm = pytest.importorskip("sklearn.svm")
    random = np.random.default_rng(0)
    classes = np.repeat([0, 1], 30)
    patterns = random.normal(size=(60, 6, 6)) + classes[:, None, None]
    queries = random.normal(size=(200, 36)) + 0.5

    flat = patterns.reshape(60, 36)
    axes = np.linalg.svd(flat - flat.mean(axis=0))[2][:20]
    reduced = (flat - flat.mean(axis=0)) @ axes.T
    by_hand = svm.SVC(kernel="rbf", C=1, gamma=1 / (20 * reduced.var()))
    wanted = by_hand.fit(reduced, classes).predict(
        (queries - flat.mean(axis=0)) @ axes.T
    )

    found = fit_machine(patterns.astype(np.float32), classes, seed=0).predict(
        queries.astype(np.float32)
    )
    assert 0 < wanted.mean() < 1
    np.testing.assert_array_equal(found, wanted)


def test_two_patterns_are_enough():
    pytest.importorskip("sklearn")
    features = np.array([[0, 0, 1], [5, 0, 1]], np.float32)

    machine = fit_machine(features, np.array([0, 1]), seed=0)

    assert machine.predict(features + 0.1).tolist() == [0, 1]


def test_a_missing_package_is_named_with_what_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.svm", None)

    with pytest.raises(MissingPackageError, match=r"pip install 'specklenn\[report\]'"):
        require_sklearn()
