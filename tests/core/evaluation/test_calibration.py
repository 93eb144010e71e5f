"""Scores against frequencies; closed forms and draws from known probabilities."""

import numpy as np
import pytest

from specklenn.core.distances import softmax_scores
from specklenn.core.evaluation.calibration import (
    LEAST_SCORE,
    TEMPERATURES,
    fit_temperature,
    log_loss,
    reliability,
)


def drawn(temperature, number=20_000, classes=3):
    """Distances, and right classes drawn with the scores at this temperature."""
    random = np.random.default_rng(0)
    distances = random.uniform(0.2, 1.2, (number, classes)).astype(np.float32)
    scores = softmax_scores(distances, temperature)
    reached = scores.cumsum(axis=1) < random.random(number)[:, None]
    return distances, np.minimum(reached.sum(axis=1), classes - 1)


@pytest.mark.parametrize("temperature", [0.05, 0.2, 0.8])
@pytest.mark.parametrize("supposed", [0.1, 0.2, 0.4])
def test_the_temperature_that_drew_the_classes_is_found(temperature, supposed):
    distances, codes = drawn(temperature)

    factor = fit_temperature(softmax_scores(distances, supposed), codes)

    assert supposed * factor == pytest.approx(temperature, rel=0.06)


def test_scores_that_are_probabilities_are_left_alone():
    distances, codes = drawn(0.2)

    assert fit_temperature(softmax_scores(distances, 0.2), codes) == pytest.approx(
        1.0, rel=0.06
    )


def test_scores_at_the_right_temperature_are_probabilities():
    distances, codes = drawn(0.2)

    assert reliability(softmax_scores(distances, 0.2), codes).error < 0.01
    assert reliability(softmax_scores(distances, 0.02), codes).error > 0.1


def test_the_calibration_error_is_that_of_a_count_by_hand():
    """Two bins: four shots at 0.92, two of them right, and one at 0.64 that is."""
    scores = np.array([[0.92, 0.08]] * 4 + [[0.64, 0.36]])
    codes = np.array([0, 0, 1, 1, 0])

    found = reliability(scores, codes)

    assert found.shots.tolist() == [0, 0, 0, 0, 0, 0, 1, 0, 0, 4]
    assert found.right[[6, 9]].tolist() == [1.0, 0.5]
    np.testing.assert_allclose(found.score[[6, 9]], [0.64, 0.92], rtol=1e-6)
    assert found.error == pytest.approx((4 * 0.42 + 1 * 0.36) / 5, rel=1e-6)


def test_surprise_is_the_mean_logarithm_of_the_right_score():
    distances, codes = drawn(0.3, number=50)
    scores = softmax_scores(distances, 0.3)

    expected = -np.log(scores[np.arange(50), codes]).mean()

    assert log_loss(scores, codes) == pytest.approx(expected, rel=1e-5)


def test_being_certain_and_wrong_is_not_infinitely_surprising():
    found = log_loss(np.array([[1.0, 0.0]]), np.array([1]))

    assert found == pytest.approx(-np.log(LEAST_SCORE), rel=1e-3)


def test_a_few_shots_without_an_error_do_not_make_scores_certain():
    distances = np.array([[0.1, 1.0], [1.0, 0.1]] * 15, np.float32)
    codes = np.array([0, 1] * 15)

    temperature = fit_temperature(softmax_scores(distances, 1.0), codes)

    score = softmax_scores(distances, temperature).max()
    assert TEMPERATURES[0] < temperature < TEMPERATURES[-1]
    assert score == pytest.approx(30.5 / 31, abs=0.003)
