"""Experts against explicit matrices, loops, SciPy and scikit-learn."""

import numpy as np
import pytest
import scipy.optimize
from scipy.spatial.distance import cdist

from specklenn.core.heads.experts import (
    KERNEL_SCALE,
    RIDGE,
    WITHIN_CLASS,
    class_means,
    discriminant_analysis,
    kernel_machine,
    prototypes,
    squared_distances,
)
from specklenn.core.heads.head import softmax

CLASSES = np.array([0, 0, 0, 1, 1, 2, 2, 2, 2])
EXPERTS = {
    "prototypes": prototypes(None, 0.2),
    "discriminant analysis": discriminant_analysis(),
    "kernel machine": kernel_machine(),
}
every_expert = pytest.mark.parametrize("expert", EXPERTS.values(), ids=EXPERTS)


def vectors(number, dimensions=5, seed=0):
    return np.random.default_rng(seed).normal(size=(number, dimensions))


def shrunk_covariance(supports, classes):
    """Mean of the classes' scatter, and the same variance everywhere."""
    own = [supports[classes == code] for code in range(classes.max() + 1)]
    scatter = sum((part - part.mean(0)).T @ (part - part.mean(0)) for part in own)
    covariance = scatter / (len(supports) - len(own))
    dimensions = len(covariance)
    same = np.eye(dimensions) * np.trace(covariance) / dimensions
    return WITHIN_CLASS * covariance + (1 - WITHIN_CLASS) * same


def test_squared_distances_are_those_of_scipy_and_never_negative():
    some, others = vectors(6), vectors(4, seed=1)

    np.testing.assert_allclose(
        squared_distances(some, others), cdist(some, others, "sqeuclidean")
    )
    far = 1e4 + 1e-5 * some
    assert (squared_distances(far, far) >= 0).all()


def test_prototypes_are_means_and_logits_are_distances_over_the_temperature():
    supports, queries = vectors(9), vectors(7, seed=1)
    means = np.array([supports[CLASSES == code].mean(0) for code in range(3)])

    found = prototypes(None, 0.2)(supports, CLASSES, 3)(queries)

    np.testing.assert_array_equal(class_means(supports, CLASSES, 3), means)
    np.testing.assert_allclose(found.distances, cdist(queries, means))
    np.testing.assert_allclose(found.logits, -cdist(queries, means) / 0.2)


def test_a_prototype_function_gets_means_and_counts_and_says_where_prototypes_are():
    supports, queries = vectors(9), vectors(7, seed=1)

    def move(means, counts):
        return means + counts[:, None]

    found = prototypes(move, 0.2)(supports, CLASSES, 3)(queries)

    moved = class_means(supports, CLASSES, 3) + np.array([[3], [2], [4]])
    np.testing.assert_allclose(found.distances, cdist(queries, moved))


@pytest.mark.parametrize("dimensions", [2, 5, 30])
def test_discriminant_analysis_is_that_of_the_shrunk_covariance_inverted(dimensions):
    """With fewer and with more dimensions than supports."""
    supports, queries = vectors(9, dimensions), vectors(7, dimensions, seed=1)
    means = class_means(supports, CLASSES, 3)
    inverse = np.linalg.inv(shrunk_covariance(supports, CLASSES))

    found = discriminant_analysis()(supports, CLASSES, 3)(queries)

    mahalanobis = cdist(queries, means, "mahalanobis", VI=inverse)
    np.testing.assert_allclose(found.distances, mahalanobis, rtol=1e-8)
    np.testing.assert_allclose(
        found.logits, -(mahalanobis**2) / np.sqrt(dimensions), rtol=1e-8
    )


def test_the_covariance_is_shrunk_as_by_scikit_learn():
    covariance = pytest.importorskip("sklearn.covariance")
    supports, queries = vectors(9), vectors(7, seed=1)
    means = class_means(supports, CLASSES, 3)
    residuals = supports - means[CLASSES]
    shrunk = covariance.shrunk_covariance(
        residuals.T @ residuals / 6, shrinkage=1 - WITHIN_CLASS
    )

    found = discriminant_analysis()(supports, CLASSES, 3)(queries)

    wanted = cdist(queries, means, "mahalanobis", VI=np.linalg.inv(shrunk))
    np.testing.assert_allclose(found.distances, wanted, rtol=1e-8)


def test_unlabelled_vectors_move_the_means_to_which_they_belong():
    """Supports at the edge of two clouds; their means get into the middle of them."""
    random = np.random.default_rng(4)
    clouds = np.array([[0.0, 0.0], [4.0, 0.0]])
    unlabelled = np.repeat(clouds, 200, axis=0) + 0.3 * random.normal(size=(400, 2))
    supports = np.array([[0.5, 0.4], [0.4, 0.6], [4.5, 0.5], [4.4, 0.6]])
    classes = np.array([0, 0, 1, 1])

    alone = discriminant_analysis()(supports, classes, 2)(clouds)
    moved = discriminant_analysis(unlabelled)(supports, classes, 2)(clouds)

    own = np.arange(2)
    assert (moved.distances[own, own] < 0.7 * alone.distances[own, own]).all()


def test_unlabelled_vectors_count_as_their_shares_and_at_most_like_the_supports():
    supports, queries = vectors(9, 3), vectors(7, 3, seed=1)
    unlabelled = vectors(50, 3, seed=2)
    means = class_means(supports, CLASSES, 3)
    inverse = np.linalg.inv(shrunk_covariance(supports, CLASSES))
    squares = cdist(unlabelled, means, "mahalanobis", VI=inverse) ** 2
    shares = softmax(-squares / np.sqrt(3))
    wanted = []
    for code in range(3):
        own, share = supports[CLASSES == code], shares[:, code]
        weight = min(1.0, len(own) / share.sum())
        total = own.sum(0) + weight * (share[:, None] * unlabelled).sum(0)
        wanted.append(total / (len(own) + weight * share.sum()))

    found = discriminant_analysis(unlabelled)(supports, CLASSES, 3)(queries)

    np.testing.assert_allclose(
        found.distances,
        cdist(queries, np.array(wanted), "mahalanobis", VI=inverse),
        rtol=1e-6,
    )


def kernel(some, others, width):
    return np.exp(-cdist(some, others, "sqeuclidean") / width)


def test_the_kernel_machine_minimises_its_squared_errors():
    """Solved here as an optimisation, not by the equations of Karush, Kuhn, Tucker.

    The error of a support weighs so much less the larger its class is.
    """
    supports, queries = vectors(9), vectors(7, seed=1)
    squares = cdist(supports, supports, "sqeuclidean")
    width = np.median(squares[np.triu_indices(9, 1)])
    within = kernel(supports, supports, width)
    counts = np.array([3, 3, 3, 2, 2, 4, 4, 4, 4])
    weights = 1 / (RIDGE * counts * np.mean(1 / counts))
    root = np.linalg.cholesky(within + 1e-12 * np.eye(9))

    found = kernel_machine()(supports, CLASSES, 3)(queries)

    for code in range(3):
        targets = np.where(CLASSES == code, 1.0, -1.0)

        def residuals(unknowns, targets=targets):
            errors = within @ unknowns[:9] + unknowns[9] - targets
            return np.concatenate((np.sqrt(weights) * errors, root.T @ unknowns[:9]))

        best = scipy.optimize.least_squares(
            residuals, np.zeros(10), xtol=1e-15, ftol=1e-15, gtol=1e-15
        ).x
        wanted = kernel(queries, supports, width) @ best[:9] + best[9]
        np.testing.assert_allclose(
            found.logits[:, code], KERNEL_SCALE * wanted, atol=1e-5
        )


def test_of_two_supports_the_kernel_machine_has_a_closed_form():
    """f = b + a (k1 - k2): by symmetry b = 0 and a = 1 / (1 + ridge - exp(-1))."""
    supports, queries = vectors(2), vectors(7, seed=1)
    width = cdist(supports, supports, "sqeuclidean")[0, 1]
    one, two = kernel(queries, supports, width).T

    found = kernel_machine()(supports, np.array([0, 1]), 2)(queries)

    wanted = KERNEL_SCALE * (one - two) / (1 + RIDGE - np.exp(-1))
    np.testing.assert_allclose(found.logits, np.stack((wanted, -wanted), axis=1))


def test_the_kernel_machines_distance_is_that_to_the_nearest_support_of_a_class():
    supports, queries = vectors(9), vectors(7, seed=1)

    found = kernel_machine()(supports, CLASSES, 3)(queries)

    wanted = [
        cdist(queries, supports[CLASSES == code]).min(axis=1) for code in range(3)
    ]
    np.testing.assert_allclose(found.distances.T, wanted)


def test_only_the_kernel_machine_lets_a_class_have_two_places():
    random = np.random.default_rng(5)
    middles = np.array([[-3.0, 0], [3.0, 0], [0.0, 0]])
    rows = np.repeat(np.arange(3), 8)
    classes = np.array([0, 0, 1])[rows]
    supports = middles[rows] + 0.3 * random.normal(size=(24, 2))

    right = {
        name: expert(supports, classes, 2)(middles).logits.argmax(axis=1).tolist()
        for name, expert in EXPERTS.items()
    }

    assert right["kernel machine"] == [0, 0, 1]
    assert right["prototypes"] != [0, 0, 1]


def test_a_rare_class_keeps_its_place_in_the_kernel_machine():
    """Nineteen supports to one, as far apart: half way between, neither wins."""
    middles = np.array([[0.0, 0.0], [2.0, 0.0]])
    classes = np.repeat([0, 1], [19, 1])
    supports = middles[classes]

    found = kernel_machine()(supports, classes, 2)(middles)

    assert found.logits.argmax(axis=1).tolist() == [0, 1]


@every_expert
def test_permuting_classes_permutes_what_an_expert_says(expert):
    supports, queries = vectors(9), vectors(7, seed=1)
    order = np.array([2, 0, 1])

    found = expert(supports, CLASSES, 3)(queries)
    permuted = expert(supports, order[CLASSES], 3)(queries)

    np.testing.assert_allclose(permuted.logits[:, order], found.logits, atol=1e-9)
    np.testing.assert_allclose(permuted.distances[:, order], found.distances)


@every_expert
def test_what_an_expert_says_of_a_vector_does_not_depend_on_others(expert):
    predict = expert(vectors(9), CLASSES, 3)
    queries = vectors(7, seed=1)

    alone = [predict(queries[[row]]).logits[0] for row in range(7)]

    np.testing.assert_allclose(predict(queries).logits, alone, rtol=1e-9)


@every_expert
@pytest.mark.parametrize(
    "supports",
    [
        vectors(3),
        np.repeat(vectors(3), 2, axis=0),
        np.ones((6, 5)),
        np.zeros((3, 5)),
    ],
    ids=["one a class", "every one twice", "all alike", "nothing"],
)
def test_supports_that_say_little_still_give_finite_numbers(expert, supports):
    classes = np.repeat(np.arange(3), len(supports) // 3)

    found = expert(supports, classes, 3)(vectors(7, seed=1))

    assert np.isfinite(found.logits).all()
    assert np.isfinite(found.distances).all()
    assert (found.distances >= 0).all()
