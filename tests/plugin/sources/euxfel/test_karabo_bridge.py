"""The bridge source against karabo-bridge's own server and serializer."""

import itertools
import pickle
import queue
import re
import socket
import threading
import time

import msgpack
import numpy as np
import pytest
import zmq

from specklenn.core.data.sources import ConfigFolder, Share
from specklenn.core.errors import EndOfRun
from specklenn.core.flags import Flag
from specklenn.plugin.sources.euxfel import karabo_bridge as source
from specklenn.plugin.sources.euxfel.bridge_train import TrainReader
from specklenn.plugin.sources.euxfel.karabo_bridge import KaraboBridgeSettings

pytestmark = pytest.mark.hosts

karabo_bridge = pytest.importorskip("karabo_bridge")

PATIENCE_S = 60
SOCKETS = {"REQ": "REP", "PULL": "PUSH", "SUB": "PUB"}
SOURCE = "SPB_DET_AGIPD1M-1/CAL/APPEND_CORRECTED"
ARRIVED_NS = 1_800_000_000_000_000_000


def settings(**changes):
    given = {
        "kind": "karabo-bridge",
        "endpoints": "tcp://127.0.0.1:4545",
        "source": SOURCE,
        "trouble_after_s": 0.2,
        **changes,
    }
    return KaraboBridgeSettings(**given)


def metadata(train):
    time = {
        "timestamp.sec": "1700000000",
        "timestamp.frac": f"{train}".zfill(9) + "0" * 9,
    }
    return {SOURCE: {"source": SOURCE, "timestamp.tid": train, **time}}


def message(data, meta=None, **options):
    parts = karabo_bridge.serialize(data, meta or metadata(0), **options)
    return [bytes(part) for part in parts]


def read(parts, **changes):
    return TrainReader(settings(**changes), SOURCE).read(parts, ARRIVED_NS)


def train_of(array, **more):
    return message({SOURCE: {"image.data": array, **more}})


@pytest.fixture
def pixels():
    """(pulses, modules, ss, fs) as in files."""
    return np.random.default_rng(0).normal(size=(5, 3, 8, 4)).astype(np.float32)


def test_pulses_of_a_train_are_its_shots_with_modules_stacked(pixels):
    train = read(train_of(pixels))

    assert train.problem == ""
    assert train.train_id == 0
    np.testing.assert_array_equal(train.frames, pixels.reshape(5, 24, 4))
    assert train.flags.tolist() == [0] * 5
    gaps = np.diff(train.timestamp_ns.astype(np.int64))
    assert train.timestamp_ns[0] == 1_700_000_000_000_000_000
    assert set(gaps) <= {221, 222}


def test_the_order_of_online_calibration_gives_the_same_pictures(pixels):
    online = pixels.transpose(1, 3, 2, 0)

    train = read(train_of(online), axes="modules fs ss pulses")

    np.testing.assert_array_equal(train.frames, pixels.reshape(5, 24, 4))


def test_chosen_pulses_and_modules_are_what_is_read(pixels):
    ids = np.array([[0], [8], [16], [20], [24]], np.uint64)

    train = read(
        train_of(pixels, **{"image.pulseId": ids}),
        pulses="1::2",
        only_modules=[0, 2],
        pulse_id_key="image.pulseId",
        pulse_spacing_ns=100.0,
    )

    np.testing.assert_array_equal(train.frames, pixels[1::2, [0, 2]].reshape(2, 16, 4))
    assert (train.timestamp_ns - 1_700_000_000_000_000_000).tolist() == [800, 2000]


def test_bad_pixels_of_a_pulse_are_dark(pixels):
    bad = np.zeros(pixels.shape, np.uint32)
    bad[2, 1, 3] = 4

    train = read(train_of(pixels, **{"image.mask": bad}), mask_key="image.mask")

    expected = np.where(bad, 0, pixels).reshape(5, 24, 4)
    np.testing.assert_array_equal(train.frames, expected)
    np.testing.assert_array_equal(train.bad, bad.reshape(5, 24, 4) != 0)
    assert read(train_of(pixels)).bad is None


def test_masks_of_pulses_go_with_the_pulses_that_are_there(pixels):
    bad = np.zeros(pixels.shape, np.uint32)
    bad[1, 1, 3] = 4

    train = read(
        train_of(pixels, **{"image.mask": bad}), mask_key="image.mask", pulses=[1, 7]
    )

    np.testing.assert_array_equal(train.bad[0], bad[1].reshape(24, 4) != 0)
    assert not train.bad[1].any()


def test_a_numbered_pulse_that_is_not_there_is_a_skipped_shot(pixels):
    train = read(train_of(pixels), pulses=[1, 7])

    assert train.flags.tolist() == [0, Flag.UNREADABLE]
    assert "5 pulses" in train.problem
    np.testing.assert_array_equal(train.frames[0], pixels[1].reshape(24, 4))


def test_a_train_that_does_not_say_when_it_was_has_the_time_of_its_arrival(pixels):
    parts = message({SOURCE: {"image.data": pixels}}, {SOURCE: {}})

    assert read(parts).timestamp_ns[0] == ARRIVED_NS


OTHER = message({"other": {"a": 1}}, {"other": {}})
GARBAGE = [b"\xc1nonsense", b"\x00"]


@pytest.mark.parametrize(
    ("parts", "flag", "words"),
    [
        (OTHER, Flag.UNREADABLE, "no source SPB.*there are other"),
        (train_of([1, 2]), Flag.UNREADABLE, "no array image.data; there are none"),
        (train_of(np.array(["a", "b"])), Flag.UNREADABLE, "data type <U1"),
        (train_of(np.zeros((2, 2), complex)), Flag.UNREADABLE, "data type complex128"),
        (train_of(np.zeros(7)), Flag.WRONG_SHAPE, r"shape \(7,\), 2 to 4 axes"),
        (
            train_of(np.zeros((1, 2, 3, 3)), modulesPresent=[True, False]),
            Flag.UNREADABLE,
            "without modules 1",
        ),
        (GARBAGE, Flag.UNREADABLE, "no message of a Karabo bridge"),
        (train_of(np.zeros((2, 2)))[:3], Flag.UNREADABLE, "no array"),
        ([*train_of(np.zeros((2, 2)))[:3], b"123"], Flag.UNREADABLE, "no message"),
        ([], Flag.UNREADABLE, "protocol 2.2 expected"),
        ([b"Error: bad request"], Flag.UNREADABLE, "protocol 2.2 expected"),
    ],
)
def test_a_bad_message_is_a_counted_skip_with_its_reason(parts, flag, words):
    train = read(parts)

    assert train.flags.tolist() == [flag]
    assert train.frames.shape[0] == 1
    assert re.search(words, train.problem), train.problem


def test_a_bad_train_counts_as_many_shots_as_the_last_good_one(pixels):
    reader = TrainReader(settings(), SOURCE)
    reader.read(train_of(pixels), ARRIVED_NS)

    train = reader.read(message({SOURCE: {}}, metadata(9)), ARRIVED_NS)

    assert len(train.flags) == len(train.frames) == 5
    assert train.train_id == 9
    assert len(set(train.timestamp_ns)) == 5


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"mask_key": "image.mask"}, "mask"),
        ({"pulse_id_key": "image.ids"}, "no array image.ids; there are image.data"),
        ({"only_modules": [3]}, "module 3"),
    ],
)
def test_a_train_without_what_the_settings_name_is_skipped(pixels, changes, words):
    wrong = {"image.mask": np.zeros((5, 3, 8), np.uint32)}

    train = read(train_of(pixels, **wrong), **changes)

    assert (train.flags != 0).all()
    assert words in train.problem


class Bomb:
    """What a pickle can do when it is loaded."""

    exploded = False

    @staticmethod
    def explode():
        Bomb.exploded = True

    def __reduce__(self):
        return Bomb.explode, ()


def test_no_pickle_is_ever_loaded():
    """The bridge's own client does, which is why its protocol 1.0 is refused."""
    array = {
        b"nd": True,
        b"kind": b"O",
        b"type": "|O",
        b"shape": (1,),
        b"data": pickle.dumps(Bomb()),
    }
    old = msgpack.packb({SOURCE: {"image.data": array, "metadata": {}}})
    header = {"source": SOURCE, "content": "msgpack", "metadata": {}}
    new = [msgpack.packb(header), msgpack.packb({"image.data": array})]
    disguised = [
        *new,
        msgpack.packb(
            {
                "source": SOURCE,
                "content": "array",
                "path": "image.data",
                "dtype": "object",
                "shape": (1,),
            }
        ),
        pickle.dumps(Bomb()),
    ]

    trains = [read(parts) for parts in ([old], new, disguised)]

    assert [train.flags.tolist() for train in trains] == [[Flag.UNREADABLE]] * 3
    assert not Bomb.exploded
    karabo_bridge.deserialize([old])
    assert Bomb.exploded


def free_endpoint():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{free.getsockname()[1]}"


@pytest.fixture
def endpoint():
    return free_endpoint()


class Bridge:
    """karabo-bridge's own server, fed in the background."""

    def __init__(self, endpoint, pattern, trains, pause_s=0.0):
        self.server = karabo_bridge.ServerInThread(endpoint, sock=SOCKETS[pattern])
        self.server.start()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._feed, args=(trains, pause_s))
        self._thread.start()

    def _feed(self, trains, pause_s):
        for data, meta in trains:
            if self._stop.is_set():
                return
            while not self._stop.is_set():
                try:
                    self.server.feed(data, meta, timeout=0.05)
                    break
                except queue.Full:
                    continue
            time.sleep(pause_s)

    def close(self):
        self._stop.set()
        self._thread.join()
        self.server.stop()


@pytest.fixture
def bridge():
    """Return a function that starts a bridge, as soon as the address is free."""
    running = []

    def start(endpoint, pattern, trains, pause_s=0.0):
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                running.append(Bridge(endpoint, pattern, trains, pause_s))
                return running[-1]
            except zmq.ZMQError:
                assert time.monotonic() < deadline, "the address stays in use"
                time.sleep(0.05)

    yield start
    for one in running:
        if one.server.thread.is_alive():
            one.close()


@pytest.fixture
def join():
    """Return a function that joins all workers of a stream."""
    joined = []

    def workers(number, **changes):
        made = settings(key="image", **changes)
        streams = [
            made.join(Share(worker=worker, workers=number)) for worker in range(number)
        ]
        joined.extend(streams)
        for stream in streams:
            stream.start(0)
        return streams

    yield workers
    for stream in joined:
        stream.close()


def trains(numbers, pulses=1):
    """Trains whose pixels are 10 times their number, plus the pulse's."""
    for train in numbers:
        first = np.full((pulses, 4, 5), 10 * train, np.uint32)
        frames = first + np.arange(pulses, dtype=np.uint32)[:, None, None]
        yield {SOURCE: {"image": frames}}, metadata(train)


def receive(streams, done):
    """Receive until something is so; returns the batches of each stream."""
    came = [[] for _ in streams]
    deadline = time.monotonic() + PATIENCE_S
    while not done(came):
        assert time.monotonic() < deadline, "it never was"
        for stream, batches in zip(streams, came, strict=True):
            batch = stream.receive(16, 0.005)
            if batch is not None:
                assert len(batch) <= 16
                batches.append(batch)
    return came


def values(came):
    return [int(f[0, 0]) for batches in came for b in batches for f in b.frames]


def indices(came):
    return [[int(i) for b in batches for i in b.index] for batches in came]


@pytest.mark.parametrize("pattern", ["REQ", "PULL"])
def test_two_workers_share_every_pulse_of_every_train(join, bridge, endpoint, pattern):
    streams = join(2, endpoints=endpoint, pattern=pattern)
    bridge(endpoint, pattern, trains(range(100), pulses=24))

    came = receive(streams, lambda came: len(values(came)) == 2400)

    expected = [10 * t + p for t in range(100) for p in range(24)]
    assert sorted(values(came)) == sorted(expected)
    for worker, mine in enumerate(indices(came)):
        assert mine == [worker + 2 * place for place in range(len(mine))]
    times = np.concatenate([b.timestamp_ns for batches in came for b in batches])
    assert len(set(times.tolist())) == 2400


def test_small_trains_come_in_batches_of_several(join, bridge, endpoint):
    (stream,) = join(1, endpoints=endpoint, pattern="PULL")
    bridge(endpoint, "PULL", trains(range(300)))

    came = receive([stream], lambda came: len(values(came)) == 300)

    assert values(came) == [10 * train for train in range(300)]
    assert len(came[0]) < 300


def test_one_worker_reads_all_endpoints(join, bridge):
    ends = [free_endpoint(), free_endpoint()]
    (stream,) = join(1, endpoints=ends, pattern="REQ")
    bridge(ends[0], "REQ", trains(range(0, 20)))
    bridge(ends[1], "REQ", trains(range(20, 40)))

    came = receive([stream], lambda came: len(values(came)) == 40)

    assert sorted(values(came)) == [10 * train for train in range(40)]
    assert indices(came) == [list(range(40))]


@pytest.mark.parametrize("pattern", ["REQ", "PULL"])
def test_a_bridge_that_is_late_or_gone_is_told_and_flows_again(
    join, bridge, endpoint, pattern
):
    (stream,) = join(1, endpoints=endpoint, pattern=pattern)
    receive([stream], lambda _: stream.stall_reason)
    assert stream.stall_reason == f"{endpoint}: no bridge answers"

    first = bridge(endpoint, pattern, trains(range(5)))
    came = receive([stream], lambda came: len(values(came)) == 5)
    assert stream.stall_reason == ""
    first.close()
    receive([stream], lambda _: stream.stall_reason.endswith("gone"))
    bridge(endpoint, pattern, trains(range(5, 10)))
    more = receive([stream], lambda came: len(values(came)) == 5)

    assert values(came) + values(more) == [10 * train for train in range(10)]
    assert stream.stall_reason == ""


def test_who_is_busy_with_a_long_train_does_not_take_it_for_silence(
    monkeypatch, join, clock
):
    train = message(*next(trains([1], pulses=48)))
    monkeypatch.setattr(source, "BridgeConnection", lambda *_: Played([train]))
    monkeypatch.setattr(source, "wait", lambda *_: clock.sleep(0.01))
    monkeypatch.setattr(source, "SystemClock", lambda: clock)
    (stream,) = join(1)

    told = []
    for _ in range(3):
        assert len(stream.receive(16, 0.1)) == 16
        told.append(stream.stall_reason)
        clock.sleep(10)
    assert stream.receive(16, 0.1) is None

    assert told == ["", "", ""]
    assert stream.stall_reason == "played: connected, but no train comes"


def test_silence_is_told(join, bridge, endpoint):
    (stream,) = join(1, endpoints=endpoint)
    bridge(endpoint, "REQ", trains([]))

    receive([stream], lambda _: stream.stall_reason.endswith("no train comes"))


def test_trains_of_another_shape_or_type_come_in_a_batch_of_their_own(
    monkeypatch, join
):
    arrays = [np.zeros((2, 4, 5)), np.zeros((3, 4, 6)), np.zeros((3, 4, 6), np.uint8)]
    data = [{SOURCE: {"image": array}} for array in [*arrays, arrays[2]]]
    monkeypatch.setattr(
        source, "BridgeConnection", lambda *_: Played(map(message, data))
    )
    monkeypatch.setattr(source, "wait", lambda *_: None)
    (stream,) = join(1)

    batches = [stream.receive(20, 0.1) for _ in range(3)]

    assert [batch.frames.shape for batch in batches] == [
        (2, 4, 5),
        (3, 4, 6),
        (6, 4, 6),
    ]
    assert [batch.frames.dtype for batch in batches] == ["f8", "f8", "u1"]
    assert indices([batches]) == [list(range(11))]
    assert stream.receive(20, 0.01) is None


def test_bad_trains_are_told_and_good_ones_behind_them_are_read(
    join, bridge, endpoint, caplog
):
    bad = [({"other": {"a": 1}}, {"other": {}})] * 3
    (stream,) = join(1, endpoints=endpoint, pattern="PULL")
    bridge(endpoint, "PULL", [*trains([1]), *bad, *trains([2])])

    (batches,) = receive([stream], lambda came: sum(len(b) for b in came[0]) == 5)

    flags = np.concatenate([batch.flags for batch in batches])
    assert flags.tolist() == [0, *[Flag.UNREADABLE] * 3, 0]
    assert indices([batches]) == [[0, 1, 2, 3, 4]]
    assert f"{endpoint}: no source {SOURCE}; there are other" in stream.stall_reason
    receive([stream], lambda _: "no source" not in stream.stall_reason)
    assert caplog.text.count("a train was skipped") == 1


def test_a_broadcast_is_split_by_train_ids(join, bridge, endpoint, caplog):
    streams = join(2, endpoints=endpoint, pattern="SUB")
    bridge(endpoint, "SUB", trains(itertools.count(), pulses=2), pause_s=0.002)

    came = receive(streams, lambda came: min(len(values([b])) for b in came) > 40)

    for worker, batches in enumerate(came):
        taken = values([batches])
        assert {value // 10 % 2 for value in taken} == {worker}
        assert len(set(taken)) == len(taken)
    assert caplog.text.count("PUB socket loses trains") == 1


class Played:
    """A line on which given messages come, one at a time."""

    connected = was_connected = received = True

    def __init__(self, messages):
        self.endpoint = "played"
        self._messages = list(messages)

    def receive(self):
        return self._messages.pop(0) if self._messages else None

    def close(self):
        pass


@pytest.mark.parametrize(("worker", "taken", "lost"), [(0, [4, 8], 1), (1, [3, 9], 2)])
def test_trains_that_a_broadcast_lost_are_counted(
    monkeypatch, join, worker, taken, lost
):
    """Of 3 to 9: worker 0 should have 4, 6, 8 and worker 1 has 3, 5, 7, 9."""
    sent = [message(data, meta) for data, meta in trains([3, 4, 8, 9], pulses=2)]
    monkeypatch.setattr(source, "BridgeConnection", lambda *_: Played(sent))
    monkeypatch.setattr(source, "wait", lambda *_: None)
    stream = join(2, endpoints="tcp://127.0.0.1:1", pattern="SUB")[worker]

    shots = stream.receive(16, 0.1)

    assert [int(f[0, 0]) // 10 for f in shots.frames[::2]] == taken
    assert stream.missed == 2 * lost


def test_a_share_ends_after_a_time_without_shots(join, bridge, endpoint):
    (stream,) = join(1, endpoints=endpoint, pattern="PULL", idle_end_s=0.3)
    bridge(endpoint, "PULL", trains(range(3)))
    came = []

    with pytest.raises(EndOfRun):
        receive([stream], lambda batches: came.append(batches) and False)

    assert sorted(values(came[-1])) == [0, 10, 20]


def test_an_assembled_stream_knows_its_mask():
    extra_geom = pytest.importorskip("extra_geom")
    corners = [(-525, 625), (-550, -10), (520, -160), (542.5, 475)]
    made = settings(
        geometry={"detector": "AGIPD-1M", "quadrants": corners}, only_modules=[0, 9]
    )
    pixels = np.random.default_rng(0).poisson(2, (2, 16, 512, 128)).astype(np.uint16)
    geometry = extra_geom.AGIPD_1MGeometry.from_quad_positions(corners)
    kept = np.full((16, 512, 128), np.nan)
    kept[[0, 9]] = 1

    stream = made.join(Share())
    train = stream._reader.read(train_of(pixels), ARRIVED_NS)
    stream.close()

    seen = ~np.isnan(geometry.position_modules(kept)[0])
    expected = np.where(seen, geometry.position_modules(pixels)[0], 0)
    np.testing.assert_array_equal(made.mask(ConfigFolder()), ~seen)
    np.testing.assert_array_equal(train.frames, expected)
    assert train.frames.dtype == np.uint16
    assert made.modules(ConfigFolder()) == 1
