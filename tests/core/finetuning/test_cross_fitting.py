"""Labels that all train and all say how good a candidate is."""

import numpy as np
import pytest

from specklenn.core.finetuning.cross_fitting import (
    CrossFitted,
    Improvement,
    choose,
    cross_fit,
    improvement,
    stratified_folds,
)
from specklenn.core.heads.head import ClassScores


def result(right_scores):
    """What gives the right one of two classes these scores."""
    right = np.asarray(right_scores, np.float32)
    scores = np.stack((right, 1 - right), axis=1)
    found = ClassScores(distances=1 - scores, scores=scores)
    return CrossFitted(found=found, codes=np.zeros(len(right), np.int64))


@pytest.mark.parametrize("numbers", [(2, 2), (20, 20, 20), (3, 11)])
def test_every_fold_leaves_every_class_to_train_on(numbers):
    codes = np.repeat(np.arange(len(numbers)), numbers)

    folds = stratified_folds(codes, 4, np.random.default_rng(0))

    for fold in np.unique(folds):
        assert {*codes[folds != fold]} == {*codes}
        held = np.bincount(codes[folds == fold], minlength=len(numbers))
        assert (np.abs(held - np.array(numbers) / 4) < 1).all()


def test_the_seed_decides_which_fold_a_label_is_in():
    codes = np.repeat([0, 1], 20)
    first, again, other = (
        stratified_folds(codes, 4, np.random.default_rng(seed)) for seed in (0, 0, 1)
    )

    assert (first == again).all()
    assert (first != other).any()


def test_every_label_is_classified_once_by_what_has_not_seen_it():
    codes, folds = np.array([0, 0, 1, 1, 0, 1]), np.array([0, 1, 0, 1, 2, 2])
    asked = []

    def fit(rows):
        def score(queries):
            assert not {*rows} & {*queries}
            assert len(rows) + len(queries) == len(codes)
            asked.extend(queries)
            scores = np.eye(2, dtype=np.float32)[codes[queries]]
            return ClassScores(distances=1 - scores, scores=scores)

        return score

    found = cross_fit(fit, codes, folds)

    assert sorted(asked) == list(range(6))
    assert found.accuracy == 1
    assert found.log_loss == 0


def test_figures_are_those_of_the_right_classes():
    found = result([0.9, 0.8, 0.4, 0.7])

    assert found.accuracy == 0.75
    assert found.log_loss == pytest.approx(-np.log([0.9, 0.8, 0.4, 0.7]).mean())
    expected = np.quantile([0.1, 0.2, 0.4, 0.3], 0.95)
    assert found.suggested_reject_above_distance == pytest.approx(expected)


def test_one_certain_error_is_not_infinitely_bad():
    assert 1 < result([1.0, 1.0, 0.0, 1.0]).log_loss < 10


def test_the_standard_error_is_that_of_the_paired_difference():
    gain = improvement(result([0.5, 0.5, 0.2]), result([0.6, 0.7, 0.2]))

    differences = np.log([0.6 / 0.5, 0.7 / 0.5, 1.0])
    assert gain.mean == pytest.approx(differences.mean(), rel=1e-5)
    expected = differences.std(ddof=1) / np.sqrt(3)
    assert gain.standard_error == pytest.approx(expected, rel=1e-5)


def test_a_gain_says_which_way_it_goes():
    assert Improvement(0.03, 0.01).words == "0.030 nats lower, standard error 0.010"
    assert Improvement(-0.03, 0.2).words == "0.030 nats higher, standard error 0.200"


@pytest.mark.parametrize(
    ("candidates", "kept"),
    [
        ([[0.8, 0.7, 0.6, 0.5]], 0),
        ([[0.8] * 4, [0.8] * 4, [0.8] * 4], 0),  # no gain at all
        ([[0.8] * 4, [0.9] * 4, [0.9] * 4], 1),
        ([[0.8] * 4, [0.7] * 4, [0.9] * 4], 2),
        ([[0.8] * 4, [0.99, 0.99, 0.7, 0.65], [0.1] * 4], 0),  # better by chance
    ],
)
def test_the_simplest_wins_unless_another_is_better_beyond_chance(candidates, kept):
    assert choose([result(one) for one in candidates]).kept == kept


def test_a_candidate_is_compared_with_the_one_kept_before_it():
    choice = choose([result([score] * 4) for score in (0.8, 0.9, 0.95)])

    assert [(one.candidate, one.kept) for one in choice.compared] == [(1, 0), (2, 1)]
    assert choice.compared[0].gain.mean == pytest.approx(np.log(0.9 / 0.8), rel=1e-4)
