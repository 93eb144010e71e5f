import pytest

from specklenn.core.errors import ConfigError
from specklenn.core.evaluation.disturbances import (
    DISTURBANCES,
    NAMES,
    find_disturbances,
)


def test_disturbances_are_found_in_the_order_asked_for_and_once():
    found = find_disturbances(["offset", "gap", "offset"])

    assert [each.name for each in found] == ["offset", "gap"]


def test_unknown_names_are_refused_with_those_there_are():
    with pytest.raises(ConfigError, match=r"no disturbance 'gop', 'x'; there are wand"):
        find_disturbances(["gap", "gop", "x"])


def test_a_disturbance_is_of_frames_or_of_draws_and_draws_say_what_they_need():
    assert len(set(NAMES)) == len(NAMES)
    for each in DISTURBANCES:
        assert (each.frames is None) != (each.draws is None)
        assert bool(each.needs) == (each.draws is not None)
