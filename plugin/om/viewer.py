"""What OM's stock frame viewer shows: the newest frame of the classes that are saved.

OM's windows take pickled dictionaries. Only OM's own broadcaster makes them, and
nothing is read from its socket.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from specklenn.core.labels import NO_HIT
from specklenn.core.messages import Snapshot
from specklenn.core.rows import known_times
from specklenn.plugin.live.report import Report
from specklenn.plugin.live.versions import Version
from specklenn.plugin.om.host import Broadcaster


class OmFrames:
    """A sink that remembers frames and a publisher that gives them to OM's windows."""

    def __init__(self, socket: Broadcaster) -> None:
        self._socket = socket
        self._picture: dict[str, Any] | None = None
        self._time_s = 0.0

    def use(self, version: Version) -> None:
        """Frames do not depend on the version."""

    def write(self, report: Report) -> None:
        """Keep the newest whole frame of a report, and the time of its newest shot."""
        times = known_times(report.rows)
        self._time_s = float(times[-1]) / 1e9
        frames = report.frames
        if len(frames.positions):
            taken = times[frames.positions[-1]]
            self._picture = _picture(frames.pictures[-1], float(taken) / 1e9)

    def flush(self) -> None:
        """Frames leave with the snapshots."""

    def publish(self, snapshot: Snapshot) -> None:
        """Send the hit rate, and the newest frame if there is a new one."""
        self._socket.send_data(tag="omdata", message=self._rates(snapshot))
        if self._picture is not None:
            self._socket.send_data(tag="omframedata", message=self._picture)
            self._picture = None

    def close(self) -> None:
        """OM's socket closes with its process."""

    def _rates(self, snapshot: Snapshot) -> dict[str, Any]:
        times, rates = hit_rates(snapshot)
        counts = zip(snapshot.classes, snapshot.counts.tolist(), strict=True)
        return {
            "timestamp": self._time_s,
            "num_events": snapshot.shots,
            "class_counts": dict(counts),
            "hit_rate_timestamp_history": times,
            "hit_rate_history": rates,
        }


def _picture(frame: npt.NDArray[np.float32], time_s: float) -> dict[str, Any]:
    """Return a frame as OM's frame viewer takes it, without any Bragg peaks."""
    return {
        "frame_data": frame,
        "timestamp": time_s,
        "peak_list_x_in_frame": [],
        "peak_list_y_in_frame": [],
    }


def hit_rates(snapshot: Snapshot) -> tuple[list[float], list[float]]:
    """Return the seconds that had shots, and the hits among them in percent."""
    new = np.diff(snapshot.history_counts, axis=0)
    shots = new.sum(axis=1)
    misses = new[:, snapshot.classes.index(NO_HIT)]
    seen = shots > 0
    times = snapshot.history_s[1:][seen]
    rates = 100 * (1 - misses[seen] / shots[seen])
    return times.tolist(), rates.tolist()
