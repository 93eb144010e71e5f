import numpy as np
import pytest
import torch

from specklenn.core.preprocess import Preprocessing
from specklenn.core.training import episode_conditions
from specklenn.core.training.episode_conditions import (
    EpisodeConditions,
    apply_conditions,
    electronics,
    random_mask,
    stray_light,
)

SIDE = 48
NUMBER, GLOW_SIDE, EPISODES = 5, 32, 400


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


BINNED_BY_ONE = Preprocessing(crop=SIDE, bin=1)


def shown(
    settings,
    number=6,
    seed=0,
    read_noise=0.3,
    level=20.0,
    photons=1e5,
    preprocess=BINNED_BY_ONE,
):
    generator = torch.Generator().manual_seed(seed)
    axis = torch.arange(72) - 35.5
    blob = level * torch.exp(-(axis[:, None] ** 2 + axis**2) / 300)
    patterns = blob.expand(number, 72, 72).clone()
    means = torch.full((number,), photons)
    return apply_conditions(
        patterns, means, preprocess, settings, read_noise, generator
    )


def test_inputs_are_normalised_over_the_good_pixels():
    inputs = shown(EpisodeConditions(fluence=(1, 1)))

    assert inputs.shape == (6, 1, SIDE, SIDE)
    for picture in inputs[:, 0]:
        good = picture[picture != 0]
        assert float(good.mean()) == pytest.approx(0, abs=1e-3)
        assert float(good.std(correction=0)) == pytest.approx(1, abs=1e-2)


def test_without_standardising_bad_pixels_are_nan_and_the_rest_roots_of_photons():
    preprocess = Preprocessing(crop=SIDE, bin=1, standardise=False)
    settings = EpisodeConditions(fluence=(50, 50), jitter="focus", artefacts=False)

    inputs = shown(settings, preprocess=preprocess)

    good = ~inputs.isnan()
    assert 0.3 < float(good.float().mean()) < 1
    assert float(inputs[good].min()) >= 0
    assert 20 < float(inputs[good].max()) < 40  # the blob's top is 1000 photons


def test_the_mask_is_the_same_for_all_patterns_of_an_episode():
    """Bad pixels are exactly 0; a good one is so only by chance, not in all."""
    for seed in range(5):
        zero = shown(EpisodeConditions(), number=8, seed=seed)[:, 0] == 0

        assert (zero.all(dim=0) == zero.any(dim=0)).float().mean() > 0.99


def test_the_same_generator_shows_the_same_episode():
    settings = EpisodeConditions(jitter="focus")

    assert torch.equal(shown(settings, seed=3), shown(settings, seed=3))
    assert not torch.equal(shown(settings, seed=3), shown(settings, seed=4))


def test_photons_set_the_brightness_whatever_the_patterns_are():
    """Ten times the pattern and ten times its mean: the same fluence on the shot."""
    settings = EpisodeConditions(photons=(1e4, 1e4))

    weak = shown(settings, level=1.0, photons=1e3)
    strong = shown(settings, level=10.0, photons=1e4)

    torch.testing.assert_close(weak, strong, atol=0.2, rtol=0.2)


def dark_episodes(clean, number):
    """Show nothing at all, many times; returns how often nothing is seen."""
    preprocess = Preprocessing(crop=SIDE, bin=1, standardise=False)
    settings = EpisodeConditions(clean=clean)
    episodes = (
        shown(settings, seed=seed, level=0, preprocess=preprocess)
        for seed in range(number)
    )
    return sum(bool((episode.nan_to_num() == 0).all()) for episode in episodes) / number


def test_clean_episodes_are_counted_photons_and_nothing_else():
    preprocess = Preprocessing(crop=SIDE, bin=1, standardise=False)

    for seed in range(10):
        episode = shown(EpisodeConditions(clean=1), seed=seed, preprocess=preprocess)
        photons = episode[~episode.isnan()].square()
        torch.testing.assert_close(photons, photons.round(), atol=1e-3, rtol=1e-4)
    assert dark_episodes(clean=1, number=20) == 1
    assert dark_episodes(clean=0, number=100) < 0.3


def test_clean_is_the_share_of_the_episodes():
    dark_anyway = dark_episodes(clean=0, number=100)

    found = dark_episodes(clean=0.6, number=200)

    assert found == pytest.approx(0.6 + 0.4 * dark_anyway, abs=4 * 0.04)


def test_faults_are_the_share_of_the_episodes():
    """Nothing is seen in a dark, clean episode but what faults add."""
    preprocess = Preprocessing(crop=SIDE, bin=1, standardise=False)

    def lit(faults):
        settings = EpisodeConditions(clean=1, faults=faults)
        episodes = (
            shown(settings, seed=seed, level=0, preprocess=preprocess)
            for seed in range(150)
        )
        return sum(bool((one.nan_to_num() > 0).any()) for one in episodes) / 150

    always = lit(1)
    assert lit(0) == 0
    assert always > 0.3  # gaps, gains and a wandering beam leave the dark as it is
    assert lit(0.5) == pytest.approx(always / 2, abs=4 * 0.04)


def test_patterns_with_faults_are_as_large_and_masked_as_others():
    preprocess = Preprocessing(crop=SIDE, bin=1, standardise=False)
    settings = EpisodeConditions(faults=1)

    for seed in range(30):
        episode = shown(settings, seed=seed, preprocess=preprocess)
        bad = episode.isnan()
        assert episode.shape == (6, 1, SIDE, SIDE)
        assert torch.equal(bad, bad[:1].expand_as(bad))
        assert float(episode.nan_to_num().min()) >= 0


def test_masks_differ_and_leave_most_of_most_detectors():
    generator = torch.Generator().manual_seed(0)
    masks = torch.stack([random_mask(SIDE, generator) for _ in range(400)])
    shares = masks.float().mean(dim=(1, 2)).numpy()

    assert masks.shape == (400, SIDE, SIDE)
    assert np.median(shares) < 0.12
    # 8 % lack a half or three quarters.
    assert (shares > 0.45).mean() == pytest.approx(0.08, abs=4 * 0.0136)
    assert len({mask.numpy().tobytes() for mask in masks}) > 200


@pytest.mark.parametrize("key", ["fluence", "photons", "zoom"])
def test_ranges_are_above_zero_and_in_order(key):
    with pytest.raises(ValueError, match="0 < smallest <= largest"):
        EpisodeConditions(**{key: (2.0, 1.0)})


@pytest.fixture(scope="module")
def glows():
    generator = seeded()
    return torch.stack(
        [stray_light(NUMBER, GLOW_SIDE, generator) for _ in range(EPISODES)]
    )


def only(monkeypatch, wanted):
    for name in ("ROW_CHANCE", "HOT_CHANCE", "GAIN_CHANCE"):
        monkeypatch.setattr(episode_conditions, name, float(name == wanted))


def bare_episodes():
    generator = seeded(1)
    dark = torch.zeros(NUMBER, GLOW_SIDE, GLOW_SIDE)
    return torch.stack([electronics(dark, generator) for _ in range(EPISODES)])


def test_a_quarter_of_the_episodes_has_stray_light(glows):
    share = (glows.amax(dim=(1, 2, 3)) > 0).float().mean()

    assert float(share) == pytest.approx(episode_conditions.STRAY_CHANCE, abs=0.07)


def test_stray_light_is_symmetric_about_the_beam_and_falls_off(glows):
    lit = glows[glows.amax(dim=(1, 2, 3)) > 0].flatten(0, 1)
    inner = lit[
        :, GLOW_SIDE // 4 : -GLOW_SIDE // 4, GLOW_SIDE // 4 : -GLOW_SIDE // 4
    ].mean(dim=(1, 2))

    torch.testing.assert_close(lit, lit.flip(1, 2))
    assert float(glows.min()) >= 0
    assert bool((inner > 1.5 * lit.mean(dim=(1, 2))).all())


def test_stray_light_of_an_episode_has_one_shape(glows):
    lit = glows[glows.amax(dim=(1, 2, 3)) > 0]
    shapes = lit / lit.sum(dim=(2, 3), keepdim=True)

    assert float((shapes - shapes[:, :1]).abs().max()) < 1e-5


def test_rows_or_columns_are_off_together(monkeypatch):
    only(monkeypatch, "ROW_CHANCE")
    episodes = bare_episodes()
    by_row = episodes.std(dim=3).amax(dim=(1, 2)) == 0
    by_column = episodes.std(dim=2).amax(dim=(1, 2)) == 0

    assert bool((by_row ^ by_column).all())
    assert 0.4 < float(by_row.float().mean()) < 0.6


def test_hot_pixels_stay_where_they_are_in_an_episode(monkeypatch):
    only(monkeypatch, "HOT_CHANCE")
    hot = bare_episodes() > 0
    number = hot[:, 0].sum(dim=(1, 2))

    assert torch.equal(hot.all(dim=1), hot.any(dim=1))
    assert int(number.min()) == 1
    assert int(number.max()) == episode_conditions.MOST_HOT_PIXELS


def test_artefacts_of_the_electronics_are_the_exception():
    untouched = (bare_episodes() == 0).flatten(1).all(dim=1).float().mean()

    expected = (1 - episode_conditions.ROW_CHANCE) * (1 - episode_conditions.HOT_CHANCE)
    assert float(untouched) == pytest.approx(expected, abs=0.08)


def test_an_unknown_gain_scales_a_whole_episode():
    generator = seeded(2)
    bright = torch.full((NUMBER, GLOW_SIDE, GLOW_SIDE), 1e5)
    factors = torch.stack(
        [electronics(bright, generator).median() / 1e5 for _ in range(EPISODES)]
    )
    scaled = (factors - 1).abs() > 1e-3

    assert float(scaled.float().mean()) == pytest.approx(
        episode_conditions.GAIN_CHANCE, abs=0.06
    )
    assert 10**-0.5 <= float(factors.min()) < 0.9
    assert 3 < float(factors.max()) <= 10.001
