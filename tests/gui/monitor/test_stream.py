import time

import msgpack
import numpy as np
import pytest
import zmq

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
    while not arrived():
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
    read = []

    while not read or read[-1] != 199:
        read += [found.sequence for found in (stream.newest(),) if found]
        time.sleep(0.2)

    assert len(read) < 20
    assert stream.newest() is None


ONES = np.ones(5, np.int64)
WRONG_VALUES = {
    "negative": {"counts": -ONES},
    "absurd": {"counts": ONES << 60},
    "year 2500": {"wall_ns": 16_725_225_600 * 10**9},
    "twins": {"classes": ("single-hit",) * 5},
    "many classes": {"classes": tuple(f"class {i}" for i in range(40))},
}
WRONG_FIELDS = {
    "other schema": lambda body: {**body, "schema": 99},
    "missing field": lambda body: {k: body[k] for k in list(body)[:-3]},
    "wrong type": lambda body: {**body, "counts": "many"},
    "list": lambda body: list(body),
}
WRONG_BYTES = {
    "nothing": lambda good: b"",
    "noise": lambda good: np.random.default_rng(0).bytes(5000),
    "cut": lambda good: good[:-7],
}


@pytest.fixture
def hostile(make_snapshot, make_example):
    """Make a message of a kind that no window should believe."""

    def make(kind: str) -> bytes:
        if kind in WRONG_VALUES:
            return encode(make_snapshot(**WRONG_VALUES[kind]))
        good = encode(make_snapshot(examples=(make_example(),)))
        if kind in WRONG_BYTES:
            return WRONG_BYTES[kind](good)
        return msgpack.packb(WRONG_FIELDS[kind](msgpack.unpackb(good)))

    return make


@pytest.mark.parametrize("kind", [*WRONG_VALUES, *WRONG_FIELDS, *WRONG_BYTES])
def test_hostile_messages_are_counted_and_explained(
    publisher, stream, hostile, make_snapshot, kind
):
    def counted():
        assert stream.newest() is None
        return stream.bad_messages > 0

    _send_until(publisher, hostile(kind), counted)

    assert stream.last_problem
    _send_until(publisher, encode(make_snapshot()), stream.newest)


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


def test_a_publisher_on_ipv6_is_heard(make_snapshot):
    context = zmq.Context()
    socket = context.socket(zmq.PUB)
    socket.setsockopt(zmq.IPV6, 1)
    try:
        port = socket.bind_to_random_port("tcp://[::1]")
    except zmq.ZMQError:
        context.destroy()
        pytest.skip("no IPv6 here")
    stream = ZmqStream(f"tcp://[::1]:{port}")
    found = None
    for _ in range(500):
        socket.send(encode(make_snapshot()))
        found = found or stream.newest()
        time.sleep(0 if found else 0.02)
    stream.close()
    context.destroy(linger=0)

    assert found is not None


def test_an_impossible_address_is_refused_in_a_sentence():
    with pytest.raises(ValueError, match="found, tcp://HOST:PORT expected"):
        ZmqStream("localhost:5556")


def test_closing_needs_no_answer_from_anybody():
    stream = ZmqStream("tcp://127.0.0.1:1")

    stream.close()

    assert stream._socket.closed
