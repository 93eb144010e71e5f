import numpy as np
import pytest

from specklenn.core.messages import VersionStatus
from specklenn.gui.monitor.panels.version_table import MOST_ROWS

pytestmark = pytest.mark.gui


def versions(number):
    return tuple(
        VersionStatus(
            model_version=i,
            model="default",
            rule="mean",
            support_version=1,
            support_hash="ab",
            fit_version=0,
            since_ns=(10**18 + i,),
            counts=np.array([i, 0, 0, 10 - i, 0]),
            skips=0,
        )
        for i in range(1, number + 1)
    )


@pytest.fixture
def table(watch, make_stream, make_snapshot):
    """The table of a window whose run has had so many versions."""

    def shown(number):
        stream = make_stream(make_snapshot(versions=versions(number)))
        return watch(stream).window.version_table

    return shown


def test_one_version_needs_no_table(table):
    assert not table(1).isVisible()


def test_every_version_has_a_row_of_rates(table):
    shown = table(2)

    assert shown.isVisible()
    texts = [[cell.full_text for cell in row] for row in shown.cells]
    assert texts[0][1:4] == ["shots", "single-hit", "multi-hit"]
    assert [row[:3] for row in texts[1:]] == [
        ["model v1 default by mean, support v1", "10", "10.0 %"],
        ["model v2 default by mean, support v1", "10", "20.0 %"],
    ]


def test_of_many_versions_the_last_are_shown_and_counted(table):
    shown = table(9)

    assert len(shown.cells) == 1 + MOST_ROWS
    assert shown.title.full_text.endswith("the last 4 of 9")
    assert shown.cells[-1][0].full_text.startswith("model v9")
