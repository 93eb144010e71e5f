import numpy as np

from specklenn.core.hitfinder import HitFinding, count_lit, is_hit


def test_lit_pixels_equal_a_count_pixel_by_pixel():
    photons = np.random.default_rng(0).normal(0.5, 0.4, (4, 9, 9)).astype(np.float32)
    photons[:, 2] = np.nan

    found = count_lit(photons, 0.7)

    assert found.tolist() == [
        sum(1 for value in picture.ravel() if value > 0.7) for picture in photons
    ]


def test_a_hit_needs_the_minimum_of_lit_pixels():
    lit = np.array([0, 99, 100, 5000], np.int32)

    assert is_hit(lit, HitFinding()).tolist() == [False, False, True, True]


def test_switched_off_every_shot_is_a_hit():
    assert is_hit(np.zeros(3, np.int32), HitFinding(enabled=False)).all()
