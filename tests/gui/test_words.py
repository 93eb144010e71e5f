"""Text, colours and arrangement: what people read, without a window."""

import time

import pytest

from specklenn.gui.common import formats, qt_check, theme
from specklenn.gui.monitor.thumbnail_grid import arrange


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


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [
        p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(first: str, second: str) -> float:
    dark, light = sorted((_luminance(first), _luminance(second)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("ground", [theme.BACKGROUND, theme.PANEL, theme.RAISED])
@pytest.mark.parametrize("text", [theme.TEXT, theme.MUTED, theme.AMBER])
def test_text_stands_out_from_its_ground(text, ground):
    assert _contrast(text, ground) >= 4.5


@pytest.mark.parametrize(
    "fill",
    [
        theme.GREEN_FILL,
        theme.AMBER_FILL,
        theme.RED_FILL,
        theme.BLUE_FILL,
        theme.GREY_FILL,
        theme.BANNER_FILL,
    ],
)
def test_white_text_stands_out_from_every_fill(fill):
    assert _contrast(theme.WHITE, fill) >= 4.5


def test_usual_classes_differ_in_colour_and_line_style():
    usual = ("single-hit", "multi-hit", "non-sample-hit", "no-hit", "unknown")
    styles = theme.class_styles(usual).values()

    assert len({style.colour for style in styles}) == 5
    assert len({style.dashes for style in styles}) == 5
    assert min(_contrast(style.colour, theme.PANEL) for style in styles) >= 3


def test_a_class_keeps_its_colour_whatever_stands_beside_it():
    alone = theme.class_styles(("multi-hit",))["multi-hit"]

    assert theme.class_styles(("drop", "multi-hit"))["multi-hit"] == alone


@pytest.mark.parametrize(
    ("width", "height", "rows"), [(700, 700, 4), (300, 900, 2), (1100, 1000, 5)]
)
def test_pictures_fit_their_area(width, height, rows):
    found = arrange(width, height, rows, 6, 6, 28)

    assert found.columns * found.lines >= 6
    assert found.columns * (found.side + 6) - 6 <= width
    assert rows * found.lines * (found.side + 28 + 6) <= height


def test_columns_follow_from_the_width():
    assert arrange(1200, 700, 4, 6, 6, 28).columns == 6
    assert arrange(300, 1200, 2, 6, 6, 28).columns < 6


def test_pyside_that_aborts_on_this_python_is_refused():
    assert "Python 3.12" in qt_check.version_refusal("6.12.0", (3, 11))
    assert qt_check.version_refusal("6.12.0", (3, 12)) == ""
    assert qt_check.version_refusal("6.11.3", (3, 10)) == ""


def test_missing_packages_are_named_with_the_command(monkeypatch):
    monkeypatch.setenv("PYQTGRAPH_QT_LIB", "PyQt9")

    assert qt_check.refusal() == f"the window needs PyQt9: {qt_check.INSTALL}"
