import os
import time
from collections.abc import Callable

import numpy as np
import pytest

from specklenn.core.messages import Example, RankStatus, Snapshot

os.environ["QT_QPA_PLATFORM"] = "offscreen"
os.environ["QT_FONT_DPI"] = "96"
os.environ["PYQTGRAPH_QT_LIB"] = "PySide6"

START_S = 1_700_000_000.0
CLASSES = ("single-hit", "multi-hit", "non-sample-hit", "no-hit", "unknown")


@pytest.fixture(autouse=True)
def _known_surroundings(monkeypatch, tmp_path):
    monkeypatch.setenv("TZ", "America/Los_Angeles")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("QT_SCALE_FACTOR", raising=False)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


class FakeClock:
    """A clock that stands until it is told to go on."""

    def __init__(self) -> None:
        self.now = START_S

    def __call__(self) -> float:
        return self.now


class ListStream:
    """Hands out the given snapshots, one per call."""

    endpoint = "a list"
    bad_messages = 0
    last_problem = ""

    def __init__(self, *snapshots: Snapshot) -> None:
        self.snapshots = list(snapshots)

    def newest(self) -> Snapshot | None:
        return self.snapshots.pop(0) if self.snapshots else None

    def close(self) -> None:
        self.snapshots.clear()


def _example(**changes) -> Example:
    values = {
        "index": 7,
        "timestamp_ns": int((START_S - 3) * 1e9),
        "label": "single-hit",
        "score": 0.93,
        "distances": (0.3, 1.0, 1.2),
        "photons": 1842.0,
        "rank": 3,
        "pattern": np.arange(64, dtype=np.float32).reshape(8, 8),
    }
    return Example(**{**values, **changes})


def _snapshot(**changes) -> Snapshot:
    classes = changes.get("classes", CLASSES)
    now_s = changes.pop("now_s", START_S)
    values = {
        "session": "a",
        "sequence": 1,
        "wall_ns": int(now_s * 1e9),
        "state": "running",
        "experiment": "amo06516",
        "run": "94",
        "classes": classes,
        "counts": np.arange(len(classes)) * 100,
        "support_classes": CLASSES[:3],
        "expected_shots": 0,
        "missed_shots": 0,
        "skipped": {},
        "latency_edges_ms": np.array([0.0, 10.0, 20.0]),
        "latency_counts": np.array([10, 10]),
        "ranks": (
            RankStatus(rank=1, host="node01", shots=5, silent_s=0.1, failure=""),
        ),
        "support_version": 7,
        "support_hash": "3f9a",
        "model_version": 1,
        "model": "default",
        "fit_version": 0,
        "versions": (),
        "history_s": np.zeros(0),
        "history_counts": np.zeros((0, len(classes)), np.int64),
        "examples": (),
        "failures": (),
    }
    return Snapshot(**{**values, **changes})


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def make_example() -> Callable[..., Example]:
    return _example


@pytest.fixture
def make_snapshot() -> Callable[..., Snapshot]:
    return _snapshot


@pytest.fixture
def make_stream() -> Callable[..., ListStream]:
    return ListStream
