import sys

import numpy as np
import pytest

from specklenn.core.errors import DataError, MissingPackageError
from specklenn.core.reports.contact_sheet import (
    CAPTION_LINE,
    Scale,
    SheetRow,
    brightest,
    draw_contact_sheet,
)

pytest.importorskip("matplotlib")

from matplotlib import colormaps, image

GREY = (0x7F, 0x8A, 0x8F)
DARK = tuple(round(255 * part) for part in colormaps["inferno"](0.0)[:3])
BRIGHT = tuple(round(255 * part) for part in colormaps["inferno"](1.0)[:3])
SCALE = 290 // 8
"""Sheet pixels across a pixel of a single 8 x 8 pattern."""


def one(value, size=8):
    return np.full((1, size, size), value, np.float32)


def rows_of(patterns):
    """Rows of patterns by their labels."""
    return [SheetRow(label=name, patterns=each) for name, each in patterns.items()]


def drawn(tmp_path, rows, mask=None, **more):
    """The sheet as (H, W, 3) uint8."""
    path = tmp_path / "sheet.png"
    rows = rows_of(rows) if isinstance(rows, dict) else rows
    draw_contact_sheet(path, rows, mask, "A sheet", **more)
    assert [each.name for each in tmp_path.iterdir()] == ["sheet.png"]
    return np.round(255 * image.imread(path)[..., :3]).astype(np.uint8)


def count(sheet, colour):
    """How many pixels of a single picture have a colour, in detector pixels."""
    picture = sheet[40 : 40 + 8 * SCALE, 30 : 30 + 8 * SCALE]
    near = np.abs(picture.astype(int) - colour).max(axis=-1) <= 2
    return near.sum() / SCALE**2


def test_zero_and_negative_are_dark_bright_is_bright_and_masked_is_grey(tmp_path):
    pattern = one(0.0)
    pattern[0, :2] = 1000
    pattern[0, 2:4] = -0.4
    pattern[0, 7, 7] = np.nan
    mask = np.zeros((8, 8), bool)
    mask[1] = mask[3] = True

    sheet = drawn(tmp_path, {"single-hit": pattern}, mask)

    assert count(sheet, BRIGHT) == 8
    assert count(sheet, GREY) == 17
    assert count(sheet, DARK) == 64 - 8 - 17


def test_no_colour_of_the_map_is_the_grey_of_the_mask():
    colours = 255 * colormaps["inferno"](np.linspace(0, 1, 256))[:, :3]

    assert np.abs(colours - GREY).max(axis=1).min() > 30


def test_pictures_share_one_scale(tmp_path):
    weak, strong = one(2.0), one(2.0)
    strong[0, 4:] = 5000

    sheet = drawn(tmp_path, {"weak": weak, "strong": strong})

    first, second = sheet[50, 40], sheet[40 + 8 * SCALE + 6 + 10, 40]
    np.testing.assert_array_equal(first, second)


def test_every_class_adds_a_row_and_every_example_a_column(tmp_path):
    patterns = np.ones((3, 40, 40), np.float32)
    rows = {"single-hit": patterns, "multi-hit": patterns}

    two = drawn(tmp_path, rows).shape
    three = drawn(tmp_path, {**rows, "no-hit": patterns[:1]}).shape
    wider = drawn(tmp_path, {**rows, "no-hit": np.repeat(patterns, 2, 0)}).shape

    pitch = 280 + 6
    assert (three[0] - two[0], three[1] - two[1]) == (pitch, 0)
    assert (two[1], wider[1]) == (30 + 3 * pitch + 116, 30 + 6 * (200 + 6) + 116)


def test_words_are_written_as_they_are(tmp_path):
    rows = {"$x^": one(1.0), "empty": np.empty((0, 8, 8), np.float32)}

    assert drawn(tmp_path, rows).size


def test_captions_take_their_lines_and_nothing_of_the_pictures(tmp_path):
    patterns = np.full((2, 40, 40), 1000, np.float32)
    plain = drawn(tmp_path, [SheetRow(label="a", patterns=patterns)] * 3)
    captions = (
        "shot 7\nsingle-hit 0.97",
        "shot 1234567890123456789012345678901234567890",
    )
    row = SheetRow(label="a", patterns=patterns, captions=captions)

    sheet = drawn(tmp_path, [row] * 3)

    assert sheet.shape[0] == plain.shape[0] + 3 * 2 * CAPTION_LINE
    below = 40 + 280
    np.testing.assert_array_equal(sheet[40:below], plain[40:below])
    caption = sheet[below : below + 2 * CAPTION_LINE, 30 : 30 + 2 * 286]
    assert (caption < 100).all(axis=2).any()
    assert (caption[:, [0, 280]] > 250).all()  # nothing beyond its own picture


def test_values_of_which_nobody_knows_the_unit_get_their_own_scale():
    pedestal = np.linspace(1000, 2000, 8 * 8, dtype=np.float32).reshape(1, 8, 8)
    small = np.linspace(-0.2, 0.5, 8 * 8, dtype=np.float32).reshape(1, 8, 8)
    dark = one(0.0)

    scales = [
        Scale.of_values(rows_of({"": each}), "ADU") for each in (pedestal, small, dark)
    ]

    assert 1000 <= scales[0].floor < 1050
    assert 1950 < scales[0].top <= 2000
    assert scales[1].floor == pytest.approx(scales[1].top / 100)
    assert all(0 < scale.floor < scale.top for scale in scales)
    assert all(len(scale.ticks) >= 3 for scale in scales)
    assert scales[0].ticks[0] == scales[0].floor
    assert scales[0].unit == "ADU"


def test_large_patterns_fit_a_sheet(tmp_path):
    patterns = np.ones((12, 300, 600), np.float32)

    height, width = drawn(tmp_path, {"a": patterns}).shape[:2]

    assert 1000 < width < 1600
    assert height < 400


def test_bright_is_the_geometric_mean_of_the_classes():
    rows = [one(20.0), one(2000.0), one(0.1)]

    assert brightest(rows, None) == pytest.approx(200)


def test_noise_alone_and_masked_glare_do_not_set_the_scale():
    glare = one(0.5)
    glare[0, 0, 0] = 1e6
    mask = np.zeros((8, 8), bool)
    mask[0, 0] = True

    assert brightest([glare], mask) == 10
    assert brightest([one(0.0)], None) == 10


@pytest.mark.parametrize(
    ("rows", "mask", "message"),
    [
        ({}, None, "no patterns"),
        ({"a": one(1.0)[:0]}, None, "no patterns"),
        ({"a": one(1.0)[0]}, None, r"patterns of a have the shape \(8, 8\)"),
        ({"a": one(1.0), "b": one(1.0, 9)}, None, r"of b have the shape \(1, 9, 9\)"),
        ({"a": one(1.0)}, np.zeros((8, 9), bool), r"mask of shape \(8, 9\), \(8, 8\)"),
    ],
)
def test_shapes_that_do_not_agree_are_refused(tmp_path, rows, mask, message):
    with pytest.raises(DataError, match=message):
        draw_contact_sheet(tmp_path / "sheet.png", rows_of(rows), mask, "A sheet")


def test_missing_folder_and_folder_of_that_name_are_refused(tmp_path):
    (tmp_path / "folder.png").mkdir()
    for path in (tmp_path / "gone" / "sheet.png", tmp_path / "folder.png"):
        with pytest.raises(DataError, match=f"{path}: cannot be written: "):
            draw_contact_sheet(path, rows_of({"a": one(1.0)}), None, "A sheet")

    assert [each.name for each in tmp_path.iterdir()] == ["folder.png"]


def test_pyplot_is_never_touched(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)

    assert drawn(tmp_path, {"a": one(1.0)}).size


def test_missing_matplotlib_is_told_with_its_remedy(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)

    with pytest.raises(MissingPackageError, match=r"pip install 'specklenn\[report\]'"):
        draw_contact_sheet(
            tmp_path / "sheet.png", rows_of({"a": one(1.0)}), None, "A sheet"
        )
