import pytest

from specklenn.gui.common import theme


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
