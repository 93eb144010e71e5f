"""What OM's windows are sent."""

import numpy as np
import pytest
from msgspec.structs import replace

from specklenn.core.rows import empty_rows
from specklenn.plugin.live.report import Report, attach
from specklenn.plugin.live.run_state import RunFacts, RunState
from specklenn.plugin.live.versions import Version
from specklenn.plugin.om.viewer import OmFrames, hit_rates


class Socket:
    """Remembers what is sent."""

    def __init__(self):
        self.sent = []

    def send_data(self, *, tag, message):
        self.sent.append((tag, message))

    def tagged(self, wanted):
        return [message for tag, message in self.sent if tag == wanted]


@pytest.fixture
def snapshot():
    facts = RunFacts(
        experiment="om",
        run=1,
        classes=("single-hit", "no-hit", "unknown"),
        support_classes=("single-hit",),
    )
    first = Version(
        model="m", weights_sha256="", rule="mean", support_version=1, support_hash=""
    )
    state = RunState(
        facts=facts, first=first, workers=[1], examples_per_class=1, now_s=0.0
    )
    return replace(
        state.snapshot(0.0, 0),
        counts=np.array([6, 9, 0]),
        history_s=np.array([10.0, 11.0, 12.0, 13.0]),
        history_counts=np.array([[0, 0, 0], [1, 3, 0], [1, 3, 0], [6, 8, 0]]),
    )


def report(frames, times_s):
    rows = empty_rows(len(times_s), 1)
    rows["timestamp_ns"] = np.array(times_s) * 10**9
    positions = [position for position, _ in frames]
    pictures = [np.full((2, 3), value) for _, value in frames]
    attached = attach(positions, np.reshape(pictures, (-1, 2, 3)))
    return Report(rows=rows, frames=attached)


def test_the_newest_frame_goes_out_once_with_its_own_time(snapshot):
    socket = Socket()
    viewer = OmFrames(socket)

    viewer.write(report([(0, 5)], [20]))
    viewer.write(report([(0, 6), (1, 7)], [21, 22, 23]))
    viewer.write(report([], [24]))
    viewer.publish(snapshot)
    viewer.publish(snapshot)

    (picture,) = socket.tagged("omframedata")
    np.testing.assert_array_equal(picture["frame_data"], np.full((2, 3), 7))
    assert picture["frame_data"].dtype == np.float32
    assert picture["timestamp"] == 22
    assert picture["peak_list_x_in_frame"] == picture["peak_list_y_in_frame"] == []


def test_the_rates_go_out_with_every_snapshot(snapshot):
    socket = Socket()
    viewer = OmFrames(socket)

    viewer.publish(snapshot)
    viewer.write(report([], [24]))
    viewer.publish(snapshot)

    first, second = socket.tagged("omdata")
    assert first["class_counts"] == {"single-hit": 6, "no-hit": 9, "unknown": 0}
    assert first["num_events"] == 15
    assert [first["timestamp"], second["timestamp"]] == [0, 24]


def test_the_hit_rate_is_the_share_of_hits_of_each_second_with_shots(snapshot):
    times, rates = hit_rates(snapshot)

    assert times == [11, 13]
    assert rates == [25, 50]


def test_a_run_without_history_has_no_hit_rate(snapshot):
    empty = replace(
        snapshot, history_s=np.zeros(0), history_counts=np.zeros((0, 3), np.int64)
    )

    assert hit_rates(empty) == ([], [])
