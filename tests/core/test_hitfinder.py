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


def test_a_part_of_the_crop_needs_as_much_fewer_lit_pixels():
    finding = HitFinding(minimum_lit_pixels=30, lit_above_photons=0.6)

    assert finding.on_area(1.0) == finding
    assert finding.on_area(0.26).minimum_lit_pixels == 8
    assert finding.on_area(0.26).lit_above_photons == 0.6
    assert finding.on_area(0.001).minimum_lit_pixels == 1


def test_it_is_said_what_makes_a_hit_on_a_part_of_the_crop():
    finding = HitFinding(minimum_lit_pixels=30)

    assert finding.words(1.0) == "30 lit pixels make a hit"
    assert finding.words(0.26) == (
        "8 lit pixels make a hit (30 of the whole crop, of which 26.0% are good)"
    )
    assert "enabled: false" in HitFinding(enabled=False).words(0.26)
