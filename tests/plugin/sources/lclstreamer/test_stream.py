"""Messages of lclstreamer through real sockets, whole ones and damaged ones."""

import io
import time

import h5py
import hdf5plugin
import numpy as np
import pytest
import zmq
from pydantic import ValidationError

from specklenn.core.config.loading import load_config
from specklenn.core.data.sources import Share
from specklenn.core.errors import ConfigError, DataError, EndOfRun
from specklenn.core.flags import Flag
from specklenn.plugin import packaged_configs
from specklenn.plugin.sources.event_times import unix_ns
from specklenn.plugin.sources.lclstreamer.hdf5_message import (
    MOST_SHOTS,
    Layout,
    Message,
)
from specklenn.plugin.sources.lclstreamer.stream import LclstreamerSettings

PATIENCE_S = 30
LAYOUT = Layout(
    frames="/data/data",
    timestamps="/data/timestamp",
    timestamp_format="unix_ns",
    labels="/data/label",
    largest_bytes=10**7,
)
COMPRESSIONS = {
    "plain": {},
    "gzip": {"compression": "gzip", "compression_opts": 3},
    "gzip with shuffle": {"compression": "gzip", "shuffle": True},
    "bitshuffle lz4": {"compression": hdf5plugin.Bitshuffle(cname="lz4")},
    "bitshuffle zstd": {"compression": hdf5plugin.Bitshuffle(cname="zstd")},
}


def packed(write, **options):
    """Return the bytes of an HDF5 file, as lclstreamer makes them: in memory."""
    content = io.BytesIO()
    with h5py.File(content, "w", **options) as file:
        write(file)
    return content.getvalue()


def packed_batch(frames, times=None, labels=None, name="/data/data", **compression):
    """Frame by frame a chunk, as lclstreamer writes it."""
    columns = {"/data/timestamp": times, "/data/label": labels}

    def write(file):
        chunks = (1, *frames.shape[1:])
        file.create_dataset(name, data=frames, chunks=chunks, **compression)
        for key, values in columns.items():
            if values is not None:
                file.create_dataset(key, data=values, chunks=(1,), **compression)

    return packed(write)


@pytest.fixture(scope="module")
def batch(draw_shots):
    """Ten frames, their times and labels."""
    frames, names = draw_shots(10)
    return frames, np.arange(10, dtype=np.uint64) + 1, names.astype("S")


def free_port(number=1):
    """Return a port with so many free ones from it on."""
    sockets = []
    with zmq.Context() as context:
        while True:
            sockets = [context.socket(zmq.PULL) for _ in range(number)]
            port = sockets[0].bind_to_random_port("tcp://127.0.0.1")
            try:
                for more in range(1, number):
                    sockets[more].bind(f"tcp://127.0.0.1:{port + more}")
            except zmq.ZMQError:
                continue
            else:
                return port
            finally:
                for socket in sockets:
                    socket.close()


@pytest.fixture
def sender():
    """Return a function that makes a PUSH socket, connected or bound."""
    with zmq.Context() as context:
        made = []

        def make(*addresses, bind=False):
            socket = context.socket(zmq.PUSH)
            made.append(socket)
            for address in addresses:
                socket.bind(address) if bind else socket.connect(address)
            return socket

        yield make
        for socket in made:
            socket.close(linger=0)


@pytest.fixture
def join():
    """Return a function that joins a stream; closed behind the test."""
    joined = []

    def make(share=None, **settings):
        settings = {"timestamp_format": "unix_ns", **settings}
        kind = LclstreamerSettings(kind="lclstreamer", **settings)
        stream = kind.join(share or Share())
        joined.append(stream)
        stream.start(0)
        return stream

    yield make
    for stream in joined:
        stream.close()


@pytest.fixture
def address():
    return f"tcp://127.0.0.1:{free_port()}"


def received(stream, number, most=64):
    """Return what a stream hands out until so many shots have come."""
    parts, deadline = [], time.monotonic() + PATIENCE_S
    while sum(map(len, parts)) < number:
        assert time.monotonic() < deadline, f"{sum(map(len, parts))} of {number} shots"
        shots = stream.receive(most, 0.05)
        if shots is not None:
            parts.append(shots)
    return parts


def joined(parts, name):
    return np.concatenate([getattr(shots, name) for shots in parts])


def until(condition, stream):
    """Go on receiving until something is true."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        stream.receive(64, 0.02)


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_frames_times_and_labels_of_a_message_are_those_that_were_sent(
    batch, compression
):
    frames, times, labels = batch

    message = Message(
        packed_batch(frames, times, labels, **COMPRESSIONS[compression]), LAYOUT
    )
    shots = message.read(0, 10)

    assert message.reason == ""
    np.testing.assert_array_equal(shots.frames, frames)
    assert shots.frames.dtype == frames.dtype
    assert shots.timestamp_ns.tolist() == times.tolist()
    assert shots.truth.tolist() == labels.astype(str).tolist()
    assert not shots.flags.any()


def test_modules_are_stacked(batch):
    frames = batch[0].reshape(10, 2, 50, 100)

    message = Message(packed_batch(frames), Layout(frames="/data/data"))

    assert message.shape == (100, 100)
    np.testing.assert_array_equal(message.read(3, 5).frames, batch[0][3:5])


def test_without_a_dataset_of_times_the_time_of_arrival_is_taken(batch):
    before = time.time_ns()

    shots = Message(packed_batch(batch[0]), Layout(frames="/data/data")).read(0, 10)

    assert all(before <= stamp <= time.time_ns() for stamp in shots.timestamp_ns)


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_a_message_cut_anywhere_is_counted_and_never_raises(batch, compression):
    content = packed_batch(*batch, **COMPRESSIONS[compression])
    cuts = np.unique(np.geomspace(1, len(content) - 1, 40).astype(int))
    cuts = np.unique([*cuts, *(len(content) - cuts)])

    for cut in cuts:
        message = Message(content[:cut], LAYOUT)
        shots = message.read(0, message.number)
        assert message.reason
        assert len(shots) in (1, 10)
        assert (shots.flags == Flag.UNREADABLE).all()


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_bytes_that_were_changed_cost_shots_but_never_raise(batch, compression):
    """In the lengths that HDF5's bitshuffle filter trusts, too."""
    content = packed_batch(*batch, **COMPRESSIONS[compression])
    with h5py.File(io.BytesIO(content)) as file:
        starts = [
            file[name].id.get_chunk_info(4).byte_offset
            for name in ("/data/data", "/data/timestamp", "/data/label")
        ]
    random = np.random.default_rng(1)
    places = [start + offset for start in starts for offset in range(20)]
    places.extend(random.integers(0, len(content), 100))

    for place in places:
        damaged = bytearray(content)
        damaged[place] ^= 0xFF
        message = Message(bytes(damaged), LAYOUT)
        shots = message.read(0, min(message.number, 10))
        assert len(shots) >= 1


def test_a_damaged_frame_costs_its_own_shot_only(batch):
    content = bytearray(packed_batch(*batch, **COMPRESSIONS["gzip"]))
    with h5py.File(io.BytesIO(content)) as file:
        chunk = file["/data/data"].id.get_chunk_info(4)
    content[chunk.byte_offset : chunk.byte_offset + chunk.size] = bytes(chunk.size)

    shots = Message(bytes(content), LAYOUT).read(2, 7)

    assert shots.flags.tolist() == [0, 0, Flag.UNREADABLE, 0, 0]
    np.testing.assert_array_equal(shots.frames[3:], batch[0][5:7])


def external(file):
    places = [("/etc/hostname", 0, 648)]
    file.create_dataset("/data/data", (2, 9, 9), "f4", external=places)


def linked(file):
    file["/data/data"] = h5py.ExternalLink("/tmp/other.h5", "/data/data")


def virtual(file):
    layout = h5py.VirtualLayout((2, 9, 9), "f4")
    layout[:] = h5py.VirtualSource("/tmp/other.h5", "data", (2, 9, 9))
    file.create_virtual_dataset("/data/data", layout)


def claiming(*shape):
    """A file of a few bytes that claims to hold any number of frames."""
    return lambda file: file.create_dataset("/data/data", shape, "u1")


@pytest.mark.parametrize(
    ("content", "shots", "flag", "words"),
    [
        (b"", 1, Flag.UNREADABLE, "an empty message"),
        (b"\x00" * 5000, 1, Flag.UNREADABLE, "not an HDF5 file"),
        (packed(lambda f: f.create_group("data")), 1, Flag.UNREADABLE, "found: none"),
        (
            packed_batch(np.ones((3, 9, 9)), name="/detector"),
            1,
            Flag.UNREADABLE,
            "no dataset /data/data; datasets found: /detector",
        ),
        (packed(lambda f: f.create_group("data/data")), 1, 1, "/data/data is no data"),
        (packed_batch(np.ones((3, 9))), 3, Flag.WRONG_SHAPE, "shape (3, 9), expected"),
        (packed_batch(np.full((3, 9, 9), b"x")), 3, 1, "data type |S1, numbers"),
        (packed(claiming(0, 9, 9)), 1, Flag.WRONG_SHAPE, "from 1 to"),
        (packed(claiming(10**9, 1, 1)), 1, Flag.WRONG_SHAPE, f"to {MOST_SHOTS} shots"),
        (packed(claiming(3, 10**5, 10**5)), 3, 1, "at most 10000000 accepted"),
        (packed(external), 1, 1, "its data are in another file"),
        (packed(virtual), 1, 1, "its data are in another file"),
        (packed(linked), 1, 1, "no dataset /data/data"),
    ],
)
def test_a_message_that_cannot_be_used_is_so_many_flagged_shots(
    content, shots, flag, words
):
    message = Message(content, Layout(frames="/data/data", largest_bytes=10**7))

    assert message.number == shots
    assert words in message.reason
    assert message.read(0, shots).flags.tolist() == [flag] * shots


@pytest.mark.parametrize(
    ("times", "labels", "words"),
    [
        (None, ["a"] * 10, "no dataset /data/timestamp"),
        (np.arange(9), ["a"] * 10, "shape (9,) for 10 shots"),
        (["x"] * 10, ["a"] * 10, "/data/timestamp: data type object, numbers"),
        (np.arange(10), None, "no dataset /data/label"),
        (np.arange(10), np.arange(10), "/data/label: data type int64, strings"),
    ],
)
def test_columns_that_do_not_fit_the_frames_flag_all_shots(batch, times, labels, words):
    message = Message(packed_batch(batch[0], times, labels), LAYOUT)

    assert words in message.reason
    assert message.read(0, 10).flags.tolist() == [Flag.UNREADABLE] * 10


def test_times_are_understood_in_each_way_of_writing_them():
    instant = 1_700_000_000_123_456_789
    psana = ((1_700_000_000 - 631_152_000) << 32) | 123_456_789

    assert unix_ns(np.array([psana], np.uint64), "psana") == instant
    assert unix_ns(np.array([instant], np.uint64), "unix_ns") == instant
    seconds = unix_ns(np.array([instant / 1e9]), "unix_s")
    rounded = unix_ns(np.array([psana], np.float64), "psana")
    assert abs(int(seconds[0]) - instant) < 1000
    assert abs(int(rounded[0]) - instant) < 1000


@pytest.mark.parametrize("written", ["psana", "unix_s", "unix_ns"])
def test_what_is_no_time_becomes_none(written):
    wrong = np.array([np.nan, np.inf, -999.0, 1e30])

    assert unix_ns(wrong, written).tolist() == [0, 0, 0, 0]
    assert unix_ns(np.array([2**32 - 1], np.uint64), "psana").tolist() == [0]


def test_all_shots_of_all_messages_come_numbered_from_0(batch, sender, join, address):
    stream = join(endpoint=address, label_dataset="/data/label")
    push = sender(address)

    for _ in range(5):
        push.send(packed_batch(*batch))
    parts = received(stream, 50, most=7)

    assert max(map(len, parts)) == 7
    assert joined(parts, "index").tolist() == list(range(50))
    np.testing.assert_array_equal(joined(parts, "frames"), np.tile(batch[0], (5, 1, 1)))
    assert joined(parts, "truth").tolist() == 5 * batch[2].astype(str).tolist()
    assert stream.missed == 0
    assert stream.stall_reason == ""


def test_small_messages_are_taken_together(batch, sender, join, address):
    stream = join(endpoint=address)
    push = sender(address)
    one = packed_batch(*(column[:1] for column in batch))
    most = 0

    deadline = time.monotonic() + PATIENCE_S
    while most < 2:
        assert time.monotonic() < deadline
        push.send(one)
        push.send(one)
        most = len(stream.receive(64, PATIENCE_S))


def test_workers_bind_a_port_each_and_share_the_stream(batch, sender, join):
    port = free_port(2)
    addresses = [f"tcp://127.0.0.1:{port + worker}" for worker in range(2)]
    streams = [
        join(Share(worker=worker, workers=2), endpoint=addresses[0])
        for worker in range(2)
    ]
    push = sender(*addresses)

    for _ in range(6):
        push.send(packed_batch(*batch))
    parts = [received(stream, 30) for stream in streams]

    assert joined(parts[0], "index").tolist() == list(range(0, 60, 2))
    assert joined(parts[1], "index").tolist() == list(range(1, 60, 2))


def test_hostile_messages_between_good_ones_are_counted(batch, sender, join, address):
    stream = join(endpoint=address)
    push = sender(address)
    good = packed_batch(*batch)
    wrong = packed_batch(np.ones((4, 30, 30), np.float32), np.arange(4))

    for content in (good, b"", good[:3000], b"noise", wrong, good):
        push.send(content)
    push.send_multipart([good, good])
    parts = received(stream, 10 + 1 + 1 + 1 + 4 + 10 + 10)

    assert joined(parts, "index").tolist() == list(range(37))
    assert joined(parts, "flags").tolist() == [0] * 10 + [1] * 3 + [0] * 24
    assert {shots.frames.shape[1:] for shots in parts} == {
        (100, 100),
        (0, 0),
        (30, 30),
    }


def test_a_message_that_is_too_large_is_not_taken_and_others_are(
    batch, sender, join, address
):
    good = packed_batch(*batch)
    stream = join(endpoint=address, largest_message_bytes=len(good))
    push = sender(address)

    push.send(good)
    received(stream, 10)
    push.send(good + b"more")
    deadline = time.monotonic() + PATIENCE_S
    shots = None
    while shots is None and time.monotonic() < deadline:
        push.send(good, zmq.DONTWAIT)
        shots = stream.receive(64, 0.5)

    assert shots is not None
    assert not shots.flags.any()


def test_silence_is_told_as_trouble_until_a_message_comes(batch, sender, join, address):
    stream = join(endpoint=address, trouble_after_s=0.2)
    assert stream.stall_reason == ""

    until(lambda: stream.stall_reason, stream)
    assert stream.stall_reason == f"{address}: no message yet"
    first = sender(address)
    first.send(packed_batch(*batch))
    received(stream, 10)
    assert stream.stall_reason == ""
    first.close()
    until(lambda: stream.stall_reason, stream)
    assert f"{address}: no message since " in stream.stall_reason
    sender(address).send(packed_batch(*batch))
    received(stream, 10)

    assert stream.stall_reason == ""


def test_messages_that_cannot_be_used_are_told_as_trouble(batch, sender, join, address):
    stream = join(endpoint=address, dataset="/data/frames", trouble_after_s=1000)
    push = sender(address)

    for _ in range(3):
        push.send(packed_batch(*batch))
    received(stream, 3)

    assert "messages cannot be used: no dataset /data/frames" in stream.stall_reason
    push.send(packed_batch(*batch[:2], name="/data/frames"))
    received(stream, 10)
    assert stream.stall_reason == ""


def test_a_stream_ends_only_where_silence_is_said_to_be_its_end(join):
    for_ever, ending = (
        join(endpoint=f"tcp://127.0.0.1:{free_port()}", idle_end_s=idle_end_s)
        for idle_end_s in (None, 0.1)
    )

    assert for_ever.receive(64, 0.3) is None
    with pytest.raises(EndOfRun):
        received(ending, 1)


def test_a_port_that_is_taken_is_named(join, address):
    join(endpoint=address)

    with pytest.raises(DataError, match=f"{address} cannot be used: Address already"):
        join(endpoint=address)


@pytest.mark.parametrize(
    ("settings", "worker", "expected"),
    [
        ({}, 2, ["tcp://127.0.0.1:12323"]),
        ({"endpoint": "ipc:///tmp/s"}, 0, ["ipc:///tmp/s"]),
        ({"endpoint": "ipc:///tmp/s"}, 1, ["ipc:///tmp/s-1"]),
        ({"bind": False}, 2, ["tcp://127.0.0.1:12321"]),
        ({"endpoints": ["ipc://a", "ipc://b", "ipc://c", "ipc://d"]}, 0, None),
        ({"endpoints": ["ipc://a", "ipc://b"], "bind": False}, 2, None),
    ],
)
def test_each_worker_has_its_endpoints(settings, worker, expected):
    kind = LclstreamerSettings(kind="lclstreamer", **settings)

    found = kind.addresses(Share(worker=worker, workers=3))

    listed = kind.endpoints[worker::3] if kind.bind else kind.endpoints
    assert found == (expected or listed)


def test_more_workers_than_ports_are_refused():
    kind = LclstreamerSettings(kind="lclstreamer", endpoint="tcp://127.0.0.1:65534")

    assert kind.addresses(Share(worker=1, workers=3)) == ["tcp://127.0.0.1:65535"]
    with pytest.raises(DataError, match="worker 2 would need port 65536"):
        kind.addresses(Share(worker=2, workers=3))


def test_fewer_endpoints_than_workers_are_refused():
    kind = LclstreamerSettings(kind="lclstreamer", endpoints=["ipc://a", "ipc://b"])

    with pytest.raises(DataError, match="2 found for 3 workers"):
        kind.join(Share(worker=0, workers=3))


def test_a_host_is_named_to_connect_to():
    with pytest.raises(
        ValidationError, match=r"tcp://\*:5 to name the host that sends"
    ):
        LclstreamerSettings(
            kind="lclstreamer", endpoint="tcp://*:5", allow_remote=True, bind=False
        )


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("endpoint=tcp://*:12321", "or allow_remote: true"),
        ("endpoint=tcp://10.0.0.7:12321", "or allow_remote: true"),
        ("endpoints=[tcp://127.0.0.1:5, tcp://host:5]", "tcp://host:5 to be on 127"),
        ("endpoint=tcp://127.0.0.1:*", "a port of 1 to 65535"),
        ("endpoint=udp://127.0.0.1:5", "source.endpoint"),
        ("timestamp_format=tai", "source.timestamp_format: 'tai' found, expected"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(setting, words):
    path = packaged_configs.find_config("lclstreamer")

    with pytest.raises(ConfigError) as caught:
        load_config(path, [f"source.{setting}"])

    assert words in str(caught.value)


def test_other_machines_may_feed_shots_where_that_is_allowed():
    settings = ["source.endpoint=tcp://*:12321", "source.allow_remote=true"]

    loaded = load_config(packaged_configs.find_config("lclstreamer"), settings)

    assert loaded.settings.source.endpoint == "tcp://*:12321"
