"""No-hits are told from hits by their lit pixels, whatever the share of each."""

import numpy as np
import pytest

from specklenn.core.hitfinder import HitFinding
from specklenn.core.survey.lit_pixels import find_no_hits


def no_hits(mean, dispersion, number, seed=0):
    random = np.random.default_rng([seed, int(100 * mean)])
    if dispersion == 1:
        return random.poisson(mean, number)
    rates = random.gamma(mean / (dispersion - 1), dispersion - 1, number)
    return random.poisson(rates)


def hits(number, lowest, seed=0):
    """Draw lit pixels of hits: as many in every decade up to 40 times the lowest."""
    random = np.random.default_rng([seed, 1])
    logarithms = random.uniform(np.log(lowest), np.log(40 * lowest), number)
    return np.exp(logarithms).astype(np.int64)


def shots(mean, dispersion, share_of_hits, number=256, seed=0):
    of_hits = round(share_of_hits * number)
    lowest = 2 * mean + 6 * np.sqrt(mean * dispersion) + 10
    dark = no_hits(mean, dispersion, number - of_hits, seed)
    return np.concatenate([dark, hits(of_hits, lowest, seed)]).astype(np.int32)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("share_of_hits", [0, 0.02, 0.1, 0.5])
@pytest.mark.parametrize(
    ("mean", "dispersion"),
    [(0.1, 1), (1, 1), (6, 1), (6, 3), (30, 1), (30, 3), (900, 3)],
)
def test_few_no_hits_reach_the_threshold_and_it_is_no_higher_than_needed(
    mean, dispersion, share_of_hits, seed
):
    lit = shots(mean, dispersion, share_of_hits, seed=seed)

    threshold = find_no_hits(lit).threshold

    others = np.sort(no_hits(mean, dispersion, 200_000, seed=99))
    assert (others >= threshold).mean() < 1e-2
    highest = others[-200]  # 1 in 1,000
    assert threshold <= highest + 5 + 2 * np.sqrt(mean * dispersion)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("lowest", [20, 100, 500])
def test_hits_alone_have_no_no_hits(lowest, seed):
    found = find_no_hits(hits(256, lowest, seed).astype(np.int32))

    assert found is None


@pytest.mark.parametrize("lit", [[], [3] * 10, list(range(15))])
def test_of_few_shots_nothing_is_said(lit):
    assert find_no_hits(np.array(lit, np.int32)) is None


def test_pixels_that_are_always_lit_raise_the_threshold_by_their_number():
    lit = shots(6, 1, 0.3)

    threshold = find_no_hits(lit).threshold
    with_hot = find_no_hits(lit + 20).threshold

    assert 20 + threshold - 3 <= with_hot <= 20 + threshold + 12


def test_all_shots_with_the_same_lit_pixels_are_no_hits():
    assert find_no_hits(np.zeros(64, np.int32)).threshold <= 3


@pytest.mark.parametrize("live", [1.0, 0.956, 0.25, 0.1])
def test_the_setting_gives_the_threshold_on_the_live_area(live):
    found = find_no_hits(shots(6, 2, 0.3))

    setting = HitFinding(minimum_lit_pixels=found.minimum_lit_pixels(live))

    minimum = setting.on_area(live).minimum_lit_pixels
    assert found.threshold <= minimum <= found.threshold + 1


def test_false_hits_are_the_tail_of_the_counts():
    found = find_no_hits(no_hits(6, 1, 4000).astype(np.int32))
    many = no_hits(6, 1, 400_000, seed=1)

    for minimum in (1, 6, 10, 12):
        share = found.false_hits(minimum)
        assert share == pytest.approx((many >= minimum).mean(), rel=0.25)


def test_no_hits_far_below_bright_hits_are_told():
    lit = np.concatenate([no_hits(13, 1, 25), hits(75, 870)]).astype(np.int32)

    assert 25 <= find_no_hits(lit).threshold <= 45


def test_weak_hits_that_overlap_with_a_varying_background_have_no_threshold():
    random = np.random.default_rng(0)
    rates = np.concatenate([85 * random.gamma(2.5, 0.4, 150), 90 + hits(100, 1)])

    assert find_no_hits(random.poisson(rates).astype(np.int32)) is None
