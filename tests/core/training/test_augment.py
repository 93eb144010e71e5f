import itertools

import numpy as np
import pytest
import torch

from specklenn.core.preprocess import Preprocessing, prepare
from specklenn.core.training.augment import (
    Augmentation,
    add_noise,
    normalise,
    random_patches,
    turn_and_mirror,
    warp,
)

STILL = Augmentation(rotate=False, zoom=(1.0, 1.0), shift_pixels=0.0, patches=0)


def blob(side: int, row: float, column: float, width: float) -> torch.Tensor:
    rows = torch.arange(side)[:, None] - row
    columns = torch.arange(side) - column
    return torch.exp(-(rows**2 + columns**2) / (2 * width**2))[None, None]


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def centre_of(picture: torch.Tensor) -> tuple[float, float]:
    side = torch.arange(picture.shape[-1], dtype=torch.float32)
    total = picture.sum()
    row = (picture.sum(dim=-1) * side).sum() / total
    column = (picture.sum(dim=-2) * side).sum() / total
    return row.item(), column.item()


def test_nothing_varied_is_the_centre_crop():
    patterns = torch.rand(2, 3, 20, 24)

    found = warp(patterns, 16, STILL)

    torch.testing.assert_close(found, patterns[:, :, 2:18, 4:20])


def test_rotation_keeps_a_pattern_that_is_round():
    round_one = blob(40, 19.5, 19.5, 4.0)
    settings = Augmentation(zoom=(1, 1), shift_pixels=0)

    turned = warp(round_one.expand(6, 1, 40, 40), 24, settings, seeded())

    expected = blob(24, 11.5, 11.5, 4.0).expand(6, 1, 24, 24)
    torch.testing.assert_close(turned, expected, atol=0.02, rtol=0)


def test_rotation_moves_a_spot_around_the_centre_at_its_distance():
    spot = blob(64, 31.5, 41.5, 2.0).expand(8, 1, 64, 64)
    settings = Augmentation(zoom=(1, 1), shift_pixels=0)

    turned = warp(spot, 48, settings, seeded())

    offsets = np.array([centre_of(picture[0]) for picture in turned]) - 23.5
    np.testing.assert_allclose(np.hypot(*offsets.T), 10.0, atol=0.2)
    assert offsets[:, 0].std() > 3


def test_zoom_widens_a_pattern():
    settings = Augmentation(rotate=False, zoom=(2.0, 2.0), shift_pixels=0)

    wide = warp(blob(64, 31.5, 31.5, 3.0), 64, settings)[0, 0]

    torch.testing.assert_close(wide, blob(64, 31.5, 31.5, 6.0)[0, 0], atol=0.03, rtol=0)


def test_shift_stays_within_its_limit():
    settings = Augmentation(rotate=False, zoom=(1, 1), shift_pixels=3.0)

    moved = warp(
        blob(48, 23.5, 23.5, 3.0).expand(40, 1, 48, 48), 40, settings, seeded()
    )

    offsets = np.array([centre_of(picture[0]) for picture in moved]) - 19.5
    assert abs(offsets).max() <= 3.05
    assert abs(offsets).max() > 1.5


def test_channels_move_together():
    patterns = torch.rand(4, 1, 40, 40).expand(4, 2, 40, 40)

    moved = warp(patterns, 32, Augmentation())

    torch.testing.assert_close(moved[:, 0], moved[:, 1])


def test_patterns_smaller_than_the_input_are_refused():
    with pytest.raises(ValueError, match="at least 32"):
        warp(torch.zeros(1, 1, 20, 40), 32, STILL)


def test_patches_are_at_most_as_many_and_as_large_as_allowed():
    settings = Augmentation(patches=1, patch_share=0.25)

    bad = random_patches(200, 40, settings, seeded())

    assert bad.sum(dim=(1, 2)).max() <= 11 * 11
    assert bad.any(dim=2).sum(dim=1).max() <= 11
    covered = bad.flatten(1).any(dim=1).float().mean()
    assert 0.3 < covered < 0.6


def test_no_patches_mask_nothing():
    assert not random_patches(3, 8, STILL).any()


def test_exposure_counts_photons():
    expected = torch.full((1, 200, 200), 2.0)

    shot = add_noise(expected, torch.tensor([3.0]), 0.3, seeded())

    assert shot.mean().item() == pytest.approx(6.0, abs=0.06)
    assert shot.var().item() == pytest.approx(6.09, rel=0.04)


@pytest.mark.parametrize("standardise", [True, False])
@pytest.mark.parametrize("scale", ["linear", "sqrt", "log1p"])
def test_normalisation_is_that_of_the_live_path(scale, standardise):
    patterns = np.random.default_rng(0).poisson(2.0, (3, 16, 16)).astype(np.float32)
    mask = np.zeros((16, 16), bool)
    mask[:, 6:10] = True

    settings = Preprocessing(crop=16, bin=1, scale=scale, standardise=standardise)

    found = normalise(
        torch.from_numpy(patterns), torch.from_numpy(mask).expand(3, 16, 16), settings
    )

    expected = prepare(patterns, mask, settings).inputs
    np.testing.assert_allclose(found[:, 0], expected, atol=1e-5)


def all_eight(pattern):
    """Every way to turn by quarters and to mirror, by NumPy."""
    sides = (pattern, pattern.T)
    return [np.rot90(one, k) for one, k in itertools.product(sides, range(4))]


def test_a_pattern_comes_in_all_eight_orientations_and_no_other():
    pattern = np.arange(36.0, dtype=np.float32).reshape(6, 6)
    many = turn_and_mirror(
        torch.from_numpy(pattern).expand(400, 6, 6), seeded()
    ).numpy()

    found = {one.tobytes() for one in many}

    assert found == {np.ascontiguousarray(one).tobytes() for one in all_eight(pattern)}


def test_every_orientation_is_as_likely():
    pattern = torch.arange(16.0).reshape(4, 4)
    many = turn_and_mirror(pattern.expand(8000, 4, 4), seeded()).reshape(8000, -1)

    counts = torch.unique(many, dim=0, return_counts=True)[1]

    assert len(counts) == 8
    assert counts.float().sub(1000).abs().max() < 5 * (1000 * 7 / 8) ** 0.5


def test_the_given_patterns_stay_as_they_are():
    patterns = torch.rand(20, 8, 8)
    before = patterns.clone()

    turn_and_mirror(patterns, seeded())

    assert torch.equal(patterns, before)
