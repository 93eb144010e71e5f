import numpy as np
import pytest

pytest.importorskip("matplotlib")

from specklenn.core.reports.figures import (
    draw_accuracy,
    draw_confusion,
    draw_fluence,
    draw_sizes,
)
from specklenn.core.reports.plotting import as_bytes
from specklenn.core.reports.sample_sizes import Sizes
from specklenn.core.reports.tsne import SampleMap
from specklenn.core.reports.tsne_figure import draw_maps


def lines(axes):
    """The data of each line by its label."""
    return {line.get_label(): line.get_xydata().tolist() for line in axes.lines}


def drawn(axes):
    return [point for line in axes.lines for point in line.get_xydata().tolist()]


def words(axes):
    return [text.get_text() for text in axes.texts]


def test_accuracy_is_drawn_for_every_number_of_supports_and_every_sample(make_summary):
    scores = {1: make_summary(0.6, x=0.5, y=0.7), 5: make_summary(0.8, x=0.8, y=0.8)}

    accuracy, f1 = draw_accuracy(scores, "single-hit").axes

    assert words(accuracy) == ["0.600", "0.800"]
    assert [tick.get_text() for tick in accuracy.get_xticklabels()] == ["1", "5"]
    points = np.concatenate([line.get_ydata() for line in accuracy.lines])
    assert {0.5, 0.6, 0.7, 0.8} <= set(points.tolist())
    assert f1.get_ylabel() == "F1 of single-hit"
    assert words(f1) == ["0.500", "0.500"]


def test_confusion_has_a_matrix_for_every_number_of_supports(make_summary):
    figure = draw_confusion({1: make_summary(0.6), 20: make_summary(0.8)})

    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == ["1 support per class", "20 supports per class"]
    for axes in figure.axes:
        assert words(axes) == ["75.0 %", "25.0 %", "12.5 %", "87.5 %"]
        assert axes.get_xlabel() == "found"
    assert figure.axes[0].get_ylabel() == "true"


def test_fluence_has_a_line_for_every_number_of_supports(make_summary):
    scan = {
        10.0: {1: make_summary(0.8), 5: make_summary(0.9)},
        0.1: {1: make_summary(0.5), 5: make_summary(0.6)},
    }

    accuracy, f1 = draw_fluence(scan, 2, "single-hit").axes

    found = lines(accuracy)
    assert found["1 support per class"] == [[0.1, 0.5], [10, 0.8]]
    assert found["5 supports per class"] == [[0.1, 0.6], [10, 0.9]]
    assert lines(f1)["1 support per class"] == [[0.1, 0.5], [10, 0.5]]
    assert accuracy.get_xscale() == "log"
    assert len(accuracy.collections) == 2


def test_supports_that_not_every_fluence_allows_have_no_line(make_summary):
    scan = {
        0.1: {1: make_summary(0.5)},
        1.0: {1: make_summary(0.6), 5: make_summary(0.9)},
    }

    _, f1 = draw_fluence(scan, 2, "single-hit").axes

    assert set(lines(f1)) == {"1 support per class"}


def test_size_has_a_point_for_every_sample_whose_size_is_known(make_summary):
    sizes = Sizes(of={"x": 1000.0, "y": 3000.0, "z": 9.0}, quantity="atoms")
    shown = {
        "fluence 1": {5: make_summary(0.6, x=0.5, y=0.7, w=0.1)},
        "fluence 100": {5: make_summary(0.8, x=0.8, y=0.9)},
    }

    figure = draw_sizes(shown, sizes, "single-hit")

    assert [(axes.get_ylabel(), *drawn(axes)) for axes in figure.axes] == [
        ("accuracy,\nfluence 1", [1, 0.5], [3, 0.7]),
        ("accuracy,\nfluence 100", [1, 0.8], [3, 0.9]),
        ("F1 of single-hit,\nfluence 1", [1, 0.25], [3, 0.35]),
        ("F1 of single-hit,\nfluence 100", [1, 0.4], [3, 0.45]),
    ]
    assert figure.axes[-1].get_xlabel() == "number of atoms (thousands)"


@pytest.mark.parametrize(("largest", "scale"), [(250.0, "linear"), (4000.0, "log")])
def test_sizes_that_differ_much_are_on_a_logarithmic_axis(make_summary, largest, scale):
    sizes = Sizes(of={"x": 100.0, "y": largest}, quantity="radius_angstrom")

    accuracy, _ = draw_sizes(
        {"": {5: make_summary(0.6, x=0.5, y=0.7)}}, sizes, "a"
    ).axes

    assert accuracy.get_xscale() == scale
    assert drawn(accuracy) == [[100, 0.5], [largest, 0.7]]


@pytest.fixture
def sample_map():
    return SampleMap(
        name="1ABC_$x$",
        accuracy=0.75,
        classes=("single-hit", "multi-hit"),
        n_shot=1,
        points=np.arange(12, dtype=np.float32).reshape(6, 2),
        true=np.array([0, 0, 0, 1, 1, 1]),
        found=np.array([0, 0, 1, 1, 1, 1]),
        supports=np.array([True, False, False, True, False, False]),
        margins=np.float32([0, -1, 0.5, 0, -1, -0.5]),
        rows=np.arange(6),
    )


def test_a_map_has_its_points_its_supports_and_its_pictures(sample_map):
    pictures = np.ones((4, 8, 8), np.float32)
    pictures[:, 3:5] = np.nan

    board, *panels = draw_maps([sample_map], [pictures]).axes

    points = np.concatenate([part.get_offsets() for part in board.collections])
    np.testing.assert_array_equal(np.sort(points[:, 0]), sample_map.points[:, 0])
    assert words(board) == ["1", "2", "3", "4"]
    assert board.get_title(loc="left") == "1ABC_$x$: accuracy 0.750"
    assert [panel.get_title(loc="left") for panel in panels] == [
        "1  single-hit",
        "3  multi-hit",
        "2  single-hit,\ntaken for multi-hit",
        "4  multi-hit",
    ]
    assert all(len(panel.images) == 1 for panel in panels)


def test_a_figure_becomes_the_same_bytes_every_time(sample_map):
    pictures = np.ones((4, 8, 8), np.float32)

    for kind, sign in (("png", b"\x89PNG"), ("pdf", b"%PDF")):
        first, again = (
            as_bytes(draw_maps([sample_map], [pictures]), kind) for _ in range(2)
        )
        assert first.startswith(sign)
        assert first == again
