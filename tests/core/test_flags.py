import numpy as np

from specklenn.core.flags import NAMES, REASONS, Flag, flag_names, skip_reasons


def test_every_flag_has_a_name():
    assert set(NAMES) == set(Flag)


def test_flags_are_named_in_words_all_of_them():
    flags = np.array(
        [0, Flag.NO_HIT, Flag.REJECTED | Flag.FAR | Flag.UNSURE, Flag.EMPTY], np.uint16
    )

    assert flag_names(flags).tolist() == [
        "",
        "no-hit",
        "rejected, far, unsure",
        "empty",
    ]


def test_a_flag_of_a_later_version_is_told_by_its_number():
    assert flag_names(np.array([0x8000], np.uint16)).tolist() == ["bit 32768"]


def test_the_first_reason_to_skip_is_told_and_nothing_of_other_flags():
    flags = np.array([Flag.NO_HIT, Flag.FLAT | Flag.NOT_FINITE | Flag.FAR], np.uint16)

    assert skip_reasons(flags).tolist() == ["", REASONS[Flag.NOT_FINITE]]


def test_no_flags_give_no_names():
    none = np.zeros(0, np.uint16)

    assert flag_names(none).shape == skip_reasons(none).shape == (0,)
