"""Trains of pulses, without any package of the European XFEL."""

import sys

import numpy as np
import pytest
from pydantic import ValidationError

from specklenn.core.data.sources import ConfigFolder
from specklenn.core.errors import MissingPackageError
from specklenn.plugin.sources.euxfel.assembly import Geometry
from specklenn.plugin.sources.euxfel.bridge_endpoints import EndpointShare, endpoints_of
from specklenn.plugin.sources.euxfel.bridge_train import train_id, train_time_ns
from specklenn.plugin.sources.euxfel.extra_data import ExtraDataSettings
from specklenn.plugin.sources.euxfel.karabo_bridge import KaraboBridgeSettings
from specklenn.plugin.sources.euxfel.pulses import (
    arranged,
    chosen_pulses,
    masked,
    pulse_times_ns,
)


def bridge(**changes):
    settings = {"endpoints": "tcp://127.0.0.1:4545", "source": "cam", **changes}
    return KaraboBridgeSettings(kind="karabo-bridge", **settings)


def recorded(**changes):
    return ExtraDataSettings(kind="extra-data", **{"path": "r0001", **changes})


@pytest.mark.parametrize(
    ("pulses", "positions"),
    [
        (":", [0, 1, 2, 3, 4]),
        ("1:-1", [1, 2, 3]),
        ("::2", [0, 2, 4]),
        (" 1 : 9 : 3 ", [1, 4]),
        ("7:", []),
        ([0, 3], [0, 3]),
        ([3, 8], [3, 8]),
    ],
)
def test_pulses_are_chosen_as_in_python_and_numbered_ones_stay(pulses, positions):
    assert chosen_pulses(pulses, 5).tolist() == positions


@pytest.mark.parametrize(
    ("axes", "shape"),
    [
        (None, (5, 6)),
        (None, (3, 5, 6)),
        (None, (3, 4, 5, 6)),
        ("modules fs ss pulses", (4, 6, 5, 3)),
        ("pulses gain ss fs", (3, 2, 5, 6)),
        ("modules ss fs", (4, 5, 6)),
    ],
)
def test_a_pixel_stays_where_the_axes_say_that_it_is(axes, shape):
    train = np.arange(np.prod(shape)).reshape(shape)
    names = axes.split() if axes else ["pulses", "modules", "ss", "fs"][-len(shape) :]
    if shape == (3, 5, 6) and axes is None:
        names = ["pulses", "ss", "fs"]

    frames = arranged(train, axes)

    where = {"pulses": 2, "modules": 3, "ss": 4, "fs": 5, "gain": 0}
    expected = train[tuple(where[name] for name in names)]
    pulse = 2 if "pulses" in names else 0
    module = 3 if "modules" in names else 0
    assert frames.shape[2:] == (5, 6)
    assert frames[pulse, module, 4, 5] == expected
    assert np.shares_memory(frames, train)


@pytest.mark.parametrize(
    ("axes", "shape"), [(None, (5,)), (None, (1, 2, 3, 4, 5)), ("ss fs", (3, 5, 6))]
)
def test_an_array_with_other_axes_is_refused(axes, shape):
    with pytest.raises(ValueError, match=r"expected"):
        arranged(np.zeros(shape), axes)


def test_pulses_come_one_spacing_after_the_other():
    times = pulse_times_ns(1_700_000_000_000_000_007, np.array([0, 2, 352]), 221.5)

    assert times.dtype == np.uint64
    assert times.tolist() == [1_700_000_000_000_000_007 + n for n in (0, 443, 77968)]


def test_pulses_of_a_train_without_a_time_have_none():
    assert pulse_times_ns(0, np.arange(3), 221.5).tolist() == [0, 0, 0]


def test_bad_pixels_become_dark_and_others_stay():
    frames = np.array([[[[1.5, 2.5]]]], np.float32)

    cleaned = masked(frames, np.array([[[[0, 8]]]], np.uint32))

    assert cleaned.frames.tolist() == [[[[1.5, 0]]]]
    assert cleaned.bad.tolist() == [[[[False, True]]]]
    assert cleaned.frames.dtype == np.float32
    assert masked(frames, None).frames is frames
    assert masked(frames, None).bad is None


@pytest.mark.parametrize(
    ("meta", "time_ns"),
    [
        (
            {"timestamp.sec": "1700000001", "timestamp.frac": "012345678901234567"},
            1_700_000_001_012_345_678,
        ),
        ({"timestamp.sec": 5, "timestamp.frac": 0}, 5_000_000_000),
        ({"timestamp": 1.5}, 1_500_000_000),
        ({"timestamp.sec": "x", "timestamp.frac": "0", "timestamp": 2}, 2_000_000_000),
        ({"timestamp.sec": "9" * 30, "timestamp.frac": "0"}, 0),
        ({"timestamp": float("nan")}, 0),
        ({"timestamp": "yesterday"}, 0),
        ({}, 0),
    ],
)
def test_the_time_of_a_train_is_that_of_its_metadata(meta, time_ns):
    assert train_time_ns(meta) == time_ns


@pytest.mark.parametrize(
    ("meta", "found"),
    [({"timestamp.tid": 7}, 7), ({"timestamp.tid": "7"}, None), ({}, None)],
)
def test_a_train_has_the_number_that_it_says(meta, found):
    assert train_id(meta) == found


@pytest.mark.parametrize(
    ("number", "workers", "expected"),
    [
        (1, 1, [["0"]]),
        (1, 3, [["0"], ["0"], ["0"]]),
        (2, 3, [["0"], ["1"], ["0"]]),
        (3, 2, [["0", "2"], ["1"]]),
    ],
)
def test_every_endpoint_has_a_reader_and_every_worker_one(number, workers, expected):
    names = [str(i) for i in range(number)]

    shares = [endpoints_of(names, worker, workers) for worker in range(workers)]

    assert [[share.endpoint for share in mine] for mine in shares] == expected


@pytest.mark.parametrize(("number", "workers"), [(1, 3), (2, 3), (2, 5), (3, 2)])
def test_every_train_of_a_broadcast_has_one_reader(number, workers):
    names = [str(i) for i in range(number)]
    shares = [s for w in range(workers) for s in endpoints_of(names, w, workers)]

    takers = [
        [share.endpoint for share in shares if share.has(train)] for train in range(12)
    ]

    assert all(sorted(taken) == names for taken in takers)


@pytest.mark.parametrize("reader", range(3))
@pytest.mark.parametrize(("before", "after"), [(0, 1), (4, 12), (5, 6), (9, 9), (9, 2)])
def test_trains_that_a_reader_lost_are_those_of_its_own_between_two(
    reader, before, after
):
    share = EndpointShare(endpoint="a", reader=reader, readers=3)

    lost = [train for train in range(before + 1, after) if train % 3 == reader]

    assert share.between(before, after) == len(lost)


@pytest.mark.parametrize(
    "changes",
    [
        {"pulses": "1-3"},
        {"pulses": "::0"},
        {"pulses": "::-1"},
        {"pulses": [2, 1]},
        {"pulses": []},
        {"pulses": [-1]},
        {"axes": "pulses ss"},
        {"axes": "ss fs trains"},
        {"axes": "ss ss fs"},
        {"only_modules": [1, 1]},
        {"endpoints": []},
        {"endpoints": "127.0.0.1:4545"},
        {"pattern": "PUSH"},
        {"pulse_spacing_ns": 0},
        {"geometry": {"detector": "AGIPD-1M"}},
        {"geometry": {"detector": "AGIPD-2M", "file": "a.geom"}},
        {"geometry": {"detector": "JUNGFRAU", "quadrants": [[0, 0]] * 4}},
        {"geometry": {"detector": "LPD-1M", "quadrants": [[0, 0]] * 3}},
        {"geometry": {"detector": "LPD-1M", "file": "a.h5"}},
        {
            "geometry": {
                "detector": "AGIPD-1M",
                "file": "a.h5",
                "quadrants": [[0, 0]] * 4,
            }
        },
        {"nosuch": 1},
    ],
)
def test_settings_that_cannot_be_meant_are_refused(changes):
    with pytest.raises(ValidationError):
        bridge(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"path": None},
        {"path": None, "proposal": 700000},
        {"proposal": 700000, "run": 1},
        {"source": "a", "detector": "b"},
    ],
)
def test_a_run_has_one_name_and_one_detector(changes):
    with pytest.raises(ValidationError):
        recorded(**changes)


def test_one_endpoint_may_stand_alone_and_shots_may_be_known():
    settings = bridge(shots=400)

    assert settings.endpoints == ["tcp://127.0.0.1:4545"]
    assert settings.expected_shots == 400
    assert bridge().expected_shots == 0
    assert bridge().mask(ConfigFolder()) is None
    assert bridge(only_modules=[0, 5]).modules(ConfigFolder()) == 2
    assert bridge().modules(ConfigFolder()) == 1


@pytest.mark.parametrize(
    ("package", "ask"),
    [
        ("karabo_bridge", lambda: bridge().check(ConfigFolder())),
        ("extra_data", lambda: recorded().open(ConfigFolder())),
        (
            "extra_geom",
            lambda: Geometry(detector="JUNGFRAU", file="a.geom").assembled(
                ConfigFolder()
            ),
        ),
    ],
)
def test_a_missing_package_is_one_sentence_with_the_remedy(monkeypatch, package, ask):
    monkeypatch.setitem(sys.modules, package, None)

    with pytest.raises(MissingPackageError, match="source") as caught:
        ask()

    assert caught.value.exit_code == 2
    assert str(caught.value).endswith('; pip install "specklenn[euxfel]"')
    assert "\n" not in str(caught.value)
