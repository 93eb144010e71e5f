import numpy as np
import pytest
import torch

from specklenn.core.preprocess import Preprocessing
from specklenn.core.training.episode_conditions import (
    EpisodeConditions,
    random_mask,
    show,
)

SIDE = 48


def shown(
    settings,
    number=6,
    seed=0,
    read_noise=0.3,
    level=20.0,
    photons=1e5,
    preprocess=Preprocessing(crop=SIDE, bin=1),  # noqa: B008, it is frozen
):
    generator = torch.Generator().manual_seed(seed)
    axis = torch.arange(72) - 35.5
    blob = level * torch.exp(-(axis[:, None] ** 2 + axis**2) / 300)
    patterns = blob.expand(number, 72, 72).clone()
    means = torch.full((number,), photons)
    return show(patterns, means, preprocess, settings, read_noise, generator)


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


def test_the_mask_is_the_same_for_all_patterns_of_a_scene():
    """Bad pixels are exactly 0; a good one is so only by chance, not in all."""
    for seed in range(5):
        zero = shown(EpisodeConditions(), number=8, seed=seed)[:, 0] == 0

        assert (zero.all(dim=0) == zero.any(dim=0)).float().mean() > 0.99


def test_the_same_generator_shows_the_same_scene():
    settings = EpisodeConditions(jitter="focus")

    assert torch.equal(shown(settings, seed=3), shown(settings, seed=3))
    assert not torch.equal(shown(settings, seed=3), shown(settings, seed=4))


def test_photons_set_the_brightness_whatever_the_patterns_are():
    """Ten times the pattern and ten times its mean: the same fluence on the shot."""
    settings = EpisodeConditions(photons=(1e4, 1e4))

    weak = shown(settings, level=1.0, photons=1e3)
    strong = shown(settings, level=10.0, photons=1e4)

    torch.testing.assert_close(weak, strong, atol=0.2, rtol=0.2)


def dark_scenes(clean, number):
    """Show nothing at all, many times; returns how often nothing is seen."""
    preprocess = Preprocessing(crop=SIDE, bin=1, standardise=False)
    settings = EpisodeConditions(clean=clean)
    scenes = (
        shown(settings, seed=seed, level=0, preprocess=preprocess)
        for seed in range(number)
    )
    return sum(bool((scene.nan_to_num() == 0).all()) for scene in scenes) / number


def test_clean_scenes_are_counted_photons_and_nothing_else():
    preprocess = Preprocessing(crop=SIDE, bin=1, standardise=False)

    for seed in range(10):
        scene = shown(EpisodeConditions(clean=1), seed=seed, preprocess=preprocess)
        photons = scene[~scene.isnan()].square()
        torch.testing.assert_close(photons, photons.round(), atol=1e-3, rtol=1e-4)
    assert dark_scenes(clean=1, number=20) == 1
    assert dark_scenes(clean=0, number=100) < 0.3


def test_clean_is_the_share_of_the_scenes():
    dark_anyway = dark_scenes(clean=0, number=100)

    found = dark_scenes(clean=0.6, number=200)

    assert found == pytest.approx(0.6 + 0.4 * dark_anyway, abs=4 * 0.04)


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
