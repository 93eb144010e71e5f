import numpy as np
import pytest
import torch

from specklenn.core.training import detector_faults
from specklenn.core.training.detector_faults import (
    FAULTS,
    REACH,
    WANDERING,
    WEIGHTS,
    add_background,
    add_common_mode,
    add_offset,
    apply_faults,
    change_gain,
    cut_off,
    darken,
    draw_faults,
    split_photons,
    wander,
)

SIDE, NUMBER = 48, 6
LARGE = SIDE + 2 * REACH
OPEN = torch.zeros(SIDE, SIDE, dtype=torch.bool)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def counted(mean=3.0, number=NUMBER, side=SIDE, seed=1):
    """Poisson photons, brighter to the middle."""
    axis = torch.arange(side) - (side - 1) / 2
    glow = mean * torch.exp(-(axis[:, None] ** 2 + axis**2) / 200)
    return torch.poisson(glow.expand(number, side, side), generator=seeded(seed))


def episodes(fault, number=60, photons=None, bad=OPEN):
    """Give the same patterns with a fault as it is drawn again and again."""
    photons = counted() if photons is None else photons
    for seed in range(number):
        yield fault(photons, bad, seeded(seed))


def offsets_of(moved):
    """Where the one bright pixel of each pattern was moved to, (B, 2)."""
    places = torch.stack([torch.nonzero(one == one.max())[0] for one in moved])
    return places - SIDE // 2


def bright_pixel():
    photons = torch.zeros(NUMBER, LARGE, LARGE)
    photons[:, LARGE // 2, LARGE // 2] = 9
    return photons


def test_a_wandering_beam_moves_every_pattern_on_its_own():
    free = torch.zeros(LARGE, LARGE, dtype=torch.bool)
    lengths = []
    for moved in episodes(wander, photons=bright_pixel(), bad=free):
        steps = offsets_of(moved)
        assert moved.shape == (NUMBER, SIDE, SIDE)
        lengths += steps.float().norm(dim=1).tolist()
        assert len({tuple(step) for step in steps.tolist()}) > 1

    assert max(lengths) <= REACH + 0.8  # rounded to whole pixels
    assert np.mean(np.array(lengths) >= 2) > 0.3


def test_the_beam_wanders_in_all_directions_alike():
    free = torch.zeros(LARGE, LARGE, dtype=torch.bool)

    found = episodes(wander, number=200, photons=bright_pixel(), bad=free)
    steps = torch.cat([offsets_of(moved) for moved in found]).float()

    assert steps.mean(dim=0).abs().max() < 0.3
    assert steps.std(dim=0).min() > 0.9


def test_shadows_move_with_the_light_in_half_of_the_episodes():
    """Lit everywhere: what is dark beside the stop is its shadow."""
    stop = torch.zeros(LARGE, LARGE, dtype=torch.bool)
    stop[LARGE // 2 - 3 : LARGE // 2 + 3] = True
    lit = torch.ones(NUMBER, LARGE, LARGE)
    still = stop[REACH:-REACH, REACH:-REACH]

    moved = [
        bool((one[:, ~still] == 0).any())
        for one in episodes(wander, number=200, photons=lit, bad=stop)
    ]

    assert np.mean(moved) == pytest.approx(0.5, abs=4 * 0.036)


def test_the_mask_stays_where_it_is_when_the_beam_wanders():
    bad = torch.zeros(LARGE, LARGE, dtype=torch.bool)
    bad[30, 20] = True

    photons, left = apply_faults(counted(side=LARGE), bad, {WANDERING}, seeded())

    assert photons.shape == (NUMBER, SIDE, SIDE)
    assert torch.nonzero(left).tolist() == [[30 - REACH, 20 - REACH]]


def test_gaps_read_zero_at_the_same_place_in_all_patterns():
    lit = torch.ones(NUMBER, SIDE, SIDE)
    for dark in episodes(darken, photons=lit):
        assert torch.equal(dark, dark[:1].expand_as(dark))
        assert set(dark.unique().tolist()) <= {0.0, 1.0}


def test_gaps_lie_at_any_angle_and_leave_most_of_the_pattern():
    lit = torch.ones(1, SIDE, SIDE)
    gaps = torch.cat(list(episodes(darken, number=300, photons=lit))) == 0
    share = gaps.float().mean(dim=(1, 2))
    straight = gaps.all(dim=1).any(dim=1) | gaps.all(dim=2).any(dim=1)

    assert (share > 0).float().mean() > 0.9
    assert share.max() < 0.5
    assert 0.02 < share.median() < 0.25
    assert 0.25 < straight.float().mean() < 0.75


def test_half_of_the_cuts_are_at_the_mean_and_one_deviation_above():
    """The same as clip((x - mean) / deviation, 0, 1) of detector pixels."""
    photons = counted()
    like_that = []
    for seed in range(100):
        cut = cut_off(photons, OPEN, seeded(seed))
        pixels = split_photons(photons, seeded(seed)).numpy()
        mean = pixels.mean(axis=(0, 2, 3), keepdims=True)
        deviation = pixels.std(axis=(0, 2, 3), keepdims=True)
        expected = np.clip((pixels - mean) / deviation, 0, 1).sum(axis=0)
        like_that.append(np.allclose(cut.numpy(), expected, atol=1e-4))

    assert np.mean(like_that) == pytest.approx(0.5, abs=4 * 0.05)


def test_masked_pixels_do_not_say_where_a_pattern_is_cut():
    bad = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    bad[20:28, 20:28] = True
    photons = counted()
    photons[:, bad] = 0
    brighter = photons.masked_fill(bad, 0.5)

    for seed in range(20):
        one, other = (
            cut_off(given, bad, seeded(seed)) for given in (photons, brighter)
        )
        torch.testing.assert_close(one[:, ~bad], other[:, ~bad])


def test_what_is_cut_off_is_below_or_above():
    """A cut never brings values into another order."""
    ramp = torch.arange(SIDE * SIDE).float().reshape(1, SIDE, SIDE) * 4
    for cut in episodes(cut_off, photons=ramp):
        smooth = torch.nn.functional.avg_pool2d(cut[None], (1, SIDE))[0].flatten()
        assert (smooth.diff() > -1e-3 * smooth.max()).all()
        assert float(cut.min()) >= 0


def test_photons_are_shared_among_four_pixels_and_none_is_lost():
    photons = counted(mean=400.0)
    parts = split_photons(photons, seeded())

    torch.testing.assert_close(parts.sum(dim=0), photons)
    torch.testing.assert_close(parts, parts.round())
    excess = parts - photons / 4
    assert excess.mean().abs() < 0.05
    # Multinomial: the variance of each part is 3 / 16 of the photons.
    assert float(excess.square().mean() / photons.mean()) == pytest.approx(
        3 / 16, rel=0.05
    )


def test_what_is_no_photon_is_shared_evenly():
    photons = torch.full((1, SIDE, SIDE), -0.8)

    torch.testing.assert_close(
        split_photons(photons, seeded())[2], torch.full_like(photons, -0.2)
    )


def test_the_gain_is_one_number_from_a_tenth_to_ten():
    photons = counted()
    gains = []
    for changed in episodes(change_gain, number=200, photons=photons):
        gain = float(changed.sum() / photons.sum())
        torch.testing.assert_close(changed, photons * gain)
        gains.append(gain)

    assert 0.1 <= min(gains) < 0.2
    assert 5 < max(gains) <= 10
    assert np.median(gains) == pytest.approx(1, abs=0.5)


def test_an_offset_is_one_number_mostly_above_zero():
    photons = counted()
    found = [
        changed - photons for changed in episodes(add_offset, 200, photons=photons)
    ]

    assert all(float(one.std()) < 1e-5 for one in found)
    up = np.array([float(one.mean()) for one in found])
    assert (up > 0).mean() == pytest.approx(0.75, abs=4 * 0.031)
    assert 0.1 - 1e-3 <= np.abs(up).min() < 0.3
    assert 5 < np.abs(up).max() <= 10.001


def test_background_photons_are_counted_and_everywhere_alike():
    dark = torch.zeros(NUMBER, SIDE, SIDE)
    levels = []
    for lit in episodes(add_background, photons=dark):
        assert torch.equal(lit, lit.round())
        mean = float(lit.mean())
        assert float(lit.var()) == pytest.approx(mean, rel=0.1)
        inner = lit[:, 16:32, 16:32].mean()
        assert float(inner) == pytest.approx(mean, abs=6 * (mean / 1536) ** 0.5)
        levels.append(mean)

    assert max(levels) / min(levels) > 10


def test_common_mode_shifts_whole_rows_or_columns_anew_in_every_pattern():
    dark = torch.zeros(NUMBER, SIDE, SIDE)
    by_row = []
    for shifted in episodes(add_common_mode, number=100, photons=dark):
        rows, columns = shifted.std(dim=2).max() == 0, shifted.std(dim=1).max() == 0
        assert bool(rows) != bool(columns)
        assert not torch.equal(shifted[0], shifted[1])
        by_row.append(bool(rows))

    assert np.mean(by_row) == pytest.approx(0.5, abs=4 * 0.05)


@pytest.mark.parametrize("fault", [*FAULTS.values(), wander])
def test_faults_leave_the_patterns_that_they_are_given(fault):
    photons = counted(side=LARGE)
    given = photons.clone()

    fault(photons, torch.zeros(LARGE, LARGE, dtype=torch.bool), seeded())

    assert torch.equal(photons, given)


def test_one_to_three_faults_are_drawn_and_the_harmful_ones_twice_as_often():
    drawn = [draw_faults(seeded(seed)) for seed in range(2000)]
    often = {name: sum(name in one for one in drawn) for name in WEIGHTS}
    number = np.array([len(one) for one in drawn])

    assert set(number.tolist()) == {1, 2, 3}
    assert (number == 1).mean() == pytest.approx(
        (1 - detector_faults.SECOND_FAULT) ** 2, abs=0.05
    )
    assert often[WANDERING] > 1.4 * often["gain"]
    assert set(often) == {*FAULTS, WANDERING}
    assert min(often.values()) > 0


def test_without_faults_nothing_changes():
    photons = counted()

    same, bad = apply_faults(photons, OPEN, set(), seeded())

    assert torch.equal(same, photons)
    assert torch.equal(bad, OPEN)
