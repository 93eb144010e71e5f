import numpy as np

from specklenn.core.evaluation.draw_disturbances import (
    mislabel,
    mix_samples,
    thin_out,
)
from specklenn.core.evaluation.few_shot import draw_samples

CLASSES = 3
OF_CLASS = 100
OF_SAMPLE = 1000


def draws_of(n_shot, samples=2):
    """Row 1234 is of sample 1 and class 2."""
    groups = {
        f"sample {sample}": [
            OF_SAMPLE * sample + OF_CLASS * number + np.arange(30)
            for number in range(CLASSES)
        ]
        for sample in range(samples)
    }
    return draw_samples(groups, n_shot=n_shot, draws=3, seed=0)


def classes_of(rows):
    return rows % OF_SAMPLE // OF_CLASS


def samples_of(rows):
    return rows // OF_SAMPLE


def test_half_of_the_supports_are_of_another_sample_and_both_are_queried():
    draws = draws_of(5, samples=3)

    mixed = mix_samples(draws)

    assert list(mixed) == [
        "sample 0 + sample 1",
        "sample 1 + sample 2",
        "sample 2 + sample 0",
    ]
    for draw in mixed["sample 1 + sample 2"]:
        for number in range(CLASSES):
            supports = draw.supports_by_class[number]
            assert np.bincount(samples_of(supports)).tolist() == [0, 3, 2]
            assert (classes_of(supports) == number).all()
        assert np.bincount(samples_of(draw.queries)).tolist() == [0, 75, 75]
        np.testing.assert_array_equal(classes_of(draw.queries), draw.query_classes)
        assert not set(draw.supports) & set(draw.queries)


def test_every_sample_gives_the_first_half_once():
    mixed = mix_samples(draws_of(4))

    assert list(mixed) == ["sample 0 + sample 1", "sample 1 + sample 0"]


def test_one_sample_or_one_support_cannot_be_mixed():
    assert mix_samples(draws_of(5, samples=1)) == {}
    assert mix_samples(draws_of(1)) == {}


def test_one_support_in_five_of_every_class_has_the_label_of_another():
    for n_shot, wrong in ((5, 1), (9, 1), (20, 4)):
        draws = draws_of(n_shot)

        for name, found in mislabel(draws).items():
            for before, after in zip(draws[name], found, strict=True):
                assert sorted(after.supports) == sorted(before.supports)
                differ = classes_of(after.supports) != after.support_classes
                by_class = [
                    differ[after.support_classes == each].sum() for each in range(3)
                ]
                assert by_class == [wrong] * 3
                np.testing.assert_array_equal(after.queries, before.queries)


def test_fewer_than_five_supports_have_no_wrong_label():
    assert mislabel(draws_of(4)) == {}


def test_the_first_class_keeps_one_support_in_five():
    for n_shot, kept in ((2, 1), (5, 1), (20, 4)):
        draws = draws_of(n_shot)

        for name, found in thin_out(draws).items():
            for before, after in zip(draws[name], found, strict=True):
                assert np.bincount(after.support_classes).tolist() == [
                    kept,
                    n_shot,
                    n_shot,
                ]
                assert set(after.supports) <= set(before.supports)
                np.testing.assert_array_equal(after.queries, before.queries)


def test_one_support_per_class_cannot_be_thinned_out():
    assert thin_out(draws_of(1)) == {}
