import pytest

from specklenn.gui.monitor.panels.thumbnail_grid import fitting_grid


@pytest.mark.parametrize(
    ("width", "height", "rows"), [(700, 700, 4), (300, 900, 2), (1100, 1000, 5)]
)
def test_pictures_fit_their_area(width, height, rows):
    found = fitting_grid(width, height, rows, 6, 6, 28)

    assert found.columns * found.lines >= 6
    assert found.columns * (found.side + 6) - 6 <= width
    assert rows * found.lines * (found.side + 28 + 6) <= height


def test_columns_follow_from_the_width():
    assert fitting_grid(1200, 700, 4, 6, 6, 28).columns == 6
    assert fitting_grid(300, 1200, 2, 6, 6, 28).columns < 6
