import numpy as np
import pytest

from specklenn.core.labelling.pictures import brightness, coarser, fitting_width


def test_coarser_pixels_hold_the_photons_of_all_their_pixels():
    picture = np.arange(16, dtype=np.float32).reshape(4, 4)

    assert coarser(picture, 2).tolist() == [[10, 18], [42, 50]]
    assert coarser(picture, 1) is picture


def test_bad_pixels_count_as_their_neighbours_and_bad_squares_stay_bad():
    picture = np.ones((4, 5), np.float32)
    picture[0, 0] = np.nan
    picture[2:, :2] = np.nan

    found = coarser(picture, 2)

    np.testing.assert_array_equal(found, [[4, 4, 4], [np.nan, 4, 4]])


@pytest.mark.parametrize(
    ("shape", "most", "width"), [((96, 96), 96, 1), ((172, 100), 60, 3), ((5, 5), 2, 3)]
)
def test_the_width_is_the_smallest_that_fits(shape, most, width):
    assert fitting_width(shape, most) == width


def test_brightness_runs_from_the_lowest_value_to_the_high_quantile():
    picture = np.arange(1001, dtype=np.float32).reshape(7, 143)
    picture[0, 5] = np.nan

    shown = brightness(picture, "linear")

    assert shown[0, 0] == 0
    assert np.isnan(shown[0, 5])
    assert shown[6, 142] == 1
    assert shown.flat[500] == pytest.approx(500 / 995, rel=1e-3)


def test_log_and_root_are_of_the_photons():
    picture = np.full((20, 20), 9.0, np.float32)
    picture[0] = [0, *[3] * 19]

    assert brightness(picture, "log")[0, 1] == pytest.approx(np.log(4) / np.log(10))
    assert brightness(picture, "sqrt")[0, 1] == pytest.approx(np.sqrt(3) / 3)


@pytest.mark.parametrize(
    "picture",
    [np.zeros((3, 3)), np.full((3, 3), np.nan), np.full((3, 3), -4.0), np.ones((0, 0))],
    ids=["zero", "bad", "negative", "empty"],
)
def test_any_picture_gives_one(picture):
    shown = brightness(picture.astype(np.float32), "log")

    assert shown.shape == picture.shape
    assert not (shown > 0).any()
