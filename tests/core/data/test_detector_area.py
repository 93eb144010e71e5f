import numpy as np
import pytest
from pydantic import ValidationError

from specklenn.core.data.detector_area import Area, area_mask, modules_with
from specklenn.core.errors import ConfigError


@pytest.mark.parametrize(
    ("quadrant", "corner"), [(0, (0, 0)), (1, (0, 7)), (2, (5, 0)), (3, (5, 7))]
)
def test_a_quadrant_of_the_middle_is_the_quarter_with_its_corner(quadrant, corner):
    used = ~area_mask(Area(quadrant=quadrant), (6, 8))

    assert used.sum() == 12
    assert used[corner]


def test_the_four_quadrants_around_any_beam_hold_every_pixel_once():
    areas = [Area(quadrant=number) for number in (0, 1, 2, 3)]

    used = sum((~area_mask(area, (9, 7), 1, (2.3, 5.8))).astype(int) for area in areas)

    assert used.tolist() == np.ones((9, 7)).tolist()


def test_quadrants_meet_at_the_pixel_edges_nearest_to_the_beam():
    used = ~area_mask(Area(quadrant=0), (9, 7), 1, (2.3, 5.8))

    np.testing.assert_array_equal(np.argwhere(used).max(axis=0), (1, 5))


def test_modules_are_those_of_the_stack_in_its_order():
    used = ~area_mask(Area(modules=(0, 2)), (12, 5), modules=4)

    assert (
        used.all(axis=1).tolist() == [True] * 3 + [False] * 3 + [True] * 3 + [False] * 3
    )


def test_with_a_quadrant_and_modules_what_lies_in_both_is_used():
    used = ~area_mask(Area(quadrant=1, modules=(1, 2)), (8, 4), modules=4)

    assert np.argwhere(used).tolist() == [[2, 2], [2, 3], [3, 2], [3, 3]]


def test_without_values_the_whole_detector_is_used():
    assert not Area().chosen
    assert not area_mask(Area(), (4, 4)).any()


def test_modules_with_a_pixel_are_told():
    pixels = np.zeros((6, 4), bool)
    pixels[3, 1] = True

    assert modules_with(pixels, 3).tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("area", "centre", "words"),
    [
        (Area(modules=(0, 4)), None, "area.modules: 4 found, expected 0 to 3"),
        (Area(quadrant=0), (0, 9), "area: quadrant 0 found, which holds no pixel"),
        (
            Area(quadrant=0, modules=(3,)),
            None,
            "area: quadrant 0, modules 3 found, which holds no pixel",
        ),
    ],
)
def test_an_area_that_is_not_there_is_refused(area, centre, words):
    with pytest.raises(ConfigError, match=words):
        area_mask(area, (8, 8), 4, centre)


@pytest.mark.parametrize("values", [{"quadrant": 4}, {"modules": [-1]}, {"side": 1}])
def test_values_that_mean_nothing_are_refused(values):
    with pytest.raises(ValidationError):
        Area.model_validate(values)
