from itertools import pairwise

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from specklenn.core.evaluation.disturbance_table import (
    UNDISTURBED,
    DisturbanceTable,
    DisturbedScores,
)
from specklenn.core.evaluation.disturbances import DISTURBANCES
from specklenn.core.reports.disturbance_figure import draw_disturbances
from specklenn.core.reports.plotting import as_bytes


@pytest.fixture
def table(make_summary):
    """Two disturbances, the second of which was not measured with one support."""

    def row(disturbance, **accuracies):
        found = {int(key[1:]): make_summary(value) for key, value in accuracies.items()}
        return DisturbedScores(disturbance=disturbance, by_n_shot=found, log_loss=None)

    return DisturbanceTable(
        undisturbed=row(UNDISTURBED, n1=0.9, n5=0.95),
        disturbed=(row(DISTURBANCES[0], n1=0.7, n5=0.8), row(DISTURBANCES[1], n5=0.96)),
        main_n_shot=5,
        unusable=0,
    )


def test_bars_are_as_long_as_accuracy_was_lost(table):
    (axes,) = draw_disturbances(table).axes

    one, five = ([bar.get_width() for bar in bars] for bars in axes.containers)

    np.testing.assert_allclose(one, [20, np.nan])
    np.testing.assert_allclose(five, [15, -1])
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == [DISTURBANCES[0].name, DISTURBANCES[1].name]


def test_every_number_of_supports_has_a_bar_of_its_own(table):
    (axes,) = draw_disturbances(table).axes

    bars = [bar for found in axes.containers for bar in found if bar.get_height()]
    ends = sorted((bar.get_y(), bar.get_y() + bar.get_height()) for bar in bars)
    for (_, end), (begin, _) in pairwise(ends):
        assert begin >= end - 1e-9


def test_the_figure_becomes_a_file(table):
    assert as_bytes(draw_disturbances(table), "png").startswith(b"\x89PNG")
