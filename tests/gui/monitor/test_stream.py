import time

import msgpack
import numpy as np
import pytest
import zmq
from msgspec.structs import replace

from specklenn.core.messages import LARGEST_MESSAGE_BYTES, encode
from specklenn.gui.monitor.stream import ZmqStream


@pytest.fixture
def publisher():
    """Bound socket and its address."""
    context = zmq.Context()
    socket = context.socket(zmq.PUB)
    port = socket.bind_to_random_port("tcp://127.0.0.1")
    yield socket, f"tcp://127.0.0.1:{port}"
    context.destroy(linger=0)


@pytest.fixture
def stream(publisher):
    found = ZmqStream(publisher[1])
    yield found
    found.close()


def _send_until(publisher, message: bytes, arrived) -> None:
    """Send again and again: a subscriber needs a moment to join."""
    deadline = time.monotonic() + 5
    while not arrived():
        assert time.monotonic() < deadline, "nothing arrived"
        publisher[0].send(message)
        time.sleep(0.01)


def test_a_snapshot_arrives_as_it_was_sent(publisher, stream, make_snapshot):
    sent = make_snapshot(sequence=42)
    received = []

    def arrived():
        received.append(stream.newest())
        return received[-1]

    _send_until(publisher, encode(sent), arrived)

    assert received[-1].sequence == 42
    assert received[-1].counts.tolist() == sent.counts.tolist()
    assert stream.bad_messages == 0


def test_only_the_newest_of_many_messages_is_read(publisher, stream, make_snapshot):
    _send_until(publisher, encode(make_snapshot()), stream.newest)
    for sequence in range(2, 200):
        publisher[0].send(encode(make_snapshot(sequence=sequence)))
    time.sleep(0.2)

    assert stream.newest().sequence == 199
    assert stream.newest() is None


def _hostile(make_snapshot, make_example) -> dict[str, bytes]:
    good = make_snapshot(examples=(make_example(),))
    body = msgpack.unpackb(encode(good))
    ones = np.ones(5, np.int64)
    many = tuple(f"class {i}" for i in range(40))
    return {
        "nothing": b"",
        "noise": np.random.default_rng(0).bytes(5000),
        "list": msgpack.packb([1, 2]),
        "other schema": msgpack.packb({**body, "schema": 99}),
        "missing field": msgpack.packb({k: body[k] for k in list(body)[:-3]}),
        "wrong type": msgpack.packb({**body, "counts": "many"}),
        "cut": encode(good)[:-7],
        "negative": encode(replace(good, counts=-ones)),
        "absurd": encode(replace(good, counts=ones << 60)),
        "year 2500": encode(replace(good, wall_ns=16_725_225_600 * 10**9)),
        "twins": encode(replace(good, classes=("single-hit",) * 5)),
        "many classes": encode(make_snapshot(classes=many)),
    }


def test_hostile_messages_are_counted_and_explained(
    publisher, stream, make_snapshot, make_example
):
    good = encode(make_snapshot())
    _send_until(publisher, good, stream.newest)

    for name, message in _hostile(make_snapshot, make_example).items():
        before = stream.bad_messages

        def counted(before=before):
            assert stream.newest() is None
            return stream.bad_messages > before

        time.sleep(0.03)
        stream.newest()
        before = stream.bad_messages
        _send_until(publisher, message, counted)
        assert stream.last_problem, name

    _send_until(publisher, good, stream.newest)


def test_a_message_beyond_the_limit_does_not_end_the_stream(publisher, make_snapshot):
    stream = ZmqStream(publisher[1], clock=lambda: 10 * time.monotonic())
    good = encode(make_snapshot())
    _send_until(publisher, good, stream.newest)
    publisher[0].send(bytes(LARGEST_MESSAGE_BYTES + 1))

    _send_until(publisher, good, stream.newest)
    stream.close()


def test_the_socket_is_rebuilt_after_silence_and_hears_again(
    publisher, make_snapshot, clock
):
    stream = ZmqStream(publisher[1], clock)
    first = stream._socket
    clock.now += 5.1
    assert stream.newest() is None
    assert first.closed

    _send_until(publisher, encode(make_snapshot()), stream.newest)
    stream.close()


def test_patience_doubles_while_nobody_speaks(publisher, clock):
    stream = ZmqStream(publisher[1], clock)
    clock.now += 5.1
    stream.newest()
    second = stream._socket
    clock.now += 9.9
    stream.newest()
    assert not second.closed
    clock.now += 0.2
    stream.newest()

    assert second.closed
    stream.close()


def test_an_impossible_address_is_refused_in_a_sentence():
    with pytest.raises(ValueError, match="no address to listen to"):
        ZmqStream("localhost:5556")


def test_closing_does_not_wait_for_anybody(publisher):
    stream = ZmqStream("tcp://127.0.0.1:1")
    begun = time.monotonic()
    stream.close()

    assert time.monotonic() - begun < 0.5
