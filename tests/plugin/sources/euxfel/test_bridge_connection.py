"""A connection to a bridge, against plain sockets that come, go and stay silent."""

import socket
import time

import pytest
import zmq

from specklenn.plugin.sources.euxfel.bridge_connection import BridgeConnection, wait

PATIENCE_S = 60


@pytest.fixture
def endpoint():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{free.getsockname()[1]}"


@pytest.fixture
def context():
    made = zmq.Context()
    yield made
    made.destroy(linger=0)


@pytest.fixture
def serve(context, endpoint):
    """Return a function that binds a socket, as soon as the last one let go."""

    opened = []

    def bound(kind):
        made = context.socket(kind)
        opened.append(made)
        made.linger = 0
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                made.bind(endpoint)
                return made
            except zmq.ZMQError:
                assert time.monotonic() < deadline, "the address stays in use"
                time.sleep(0.05)

    yield bound
    for one in opened:
        one.close()


@pytest.fixture
def connect(context, endpoint):
    """Return a function that opens a connection."""
    opened = []

    def make(pattern):
        opened.append(BridgeConnection(context, endpoint, pattern))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


def receive_until(connect, done):
    """Receive until something is so; returns what came."""
    deadline = time.monotonic() + PATIENCE_S
    came = []
    while not done(came):
        assert time.monotonic() < deadline, "it never was"
        wait([connect], 0.01)
        parts = connect.receive()
        if parts is not None:
            came.append([part.bytes for part in parts])
    return came


def test_a_request_is_answered_and_the_next_follows_at_once(connect, serve):
    bridge, asking = serve(zmq.REP), connect("REQ")
    receive_until(asking, lambda _: bridge.poll(0))

    assert bridge.recv() == b"next"
    bridge.send_multipart([b"a", b"b"])

    assert receive_until(asking, len) == [[b"a", b"b"]]
    assert bridge.poll(PATIENCE_S * 1000)
    assert asking.connected


def test_a_reply_lost_with_the_bridge_is_asked_for_again(connect, serve):
    bridge, asking = serve(zmq.REP), connect("REQ")
    receive_until(asking, lambda _: bridge.poll(0))
    bridge.recv()

    bridge.close()
    again = serve(zmq.REP)

    receive_until(asking, lambda _: again.poll(0))
    assert again.recv() == b"next"
    again.send_multipart([b"new", b""])
    assert receive_until(asking, len) == [[b"new", b""]]


def test_a_reply_just_before_the_loss_is_read_and_nothing_is_asked_twice(
    connect, serve
):
    bridge, asking = serve(zmq.REP), connect("REQ")
    receive_until(asking, lambda _: bridge.poll(0))
    bridge.recv()
    bridge.send_multipart([b"last", b""])
    first = receive_until(asking, len)
    bridge.close()
    receive_until(asking, lambda _: not asking.connected)
    again = serve(zmq.REP)
    receive_until(asking, lambda _: again.poll(0))
    again.recv()

    for _ in range(100):
        wait([asking], 0.01)
        assert asking.receive() is None

    again.send_multipart([b"next", b""])
    assert first + receive_until(asking, len) == [[b"last", b""], [b"next", b""]]


def test_a_silent_bridge_is_not_asked_twice(connect, serve):
    """It would answer both requests, and nobody would read one of the trains."""
    bridge, asking = serve(zmq.REP), connect("REQ")
    receive_until(asking, lambda _: bridge.poll(0))
    bridge.recv()

    for _ in range(50):
        wait([asking], 0.01)
        assert asking.receive() is None

    bridge.send_multipart([b"late", b""])
    assert receive_until(asking, len) == [[b"late", b""]]


def test_a_bridge_may_come_after_us_and_come_back(connect, serve):
    pulling = connect("PULL")
    assert pulling.receive() is None
    assert not pulling.was_connected

    bridge = serve(zmq.PUSH)
    receive_until(pulling, lambda _: pulling.connected)
    bridge.send_multipart([b"1", b""])
    first = receive_until(pulling, len)
    bridge.close()
    receive_until(pulling, lambda _: not pulling.connected)
    again = serve(zmq.PUSH)
    receive_until(pulling, lambda _: pulling.connected)
    again.send_multipart([b"2", b""])

    assert first + receive_until(pulling, len) == [[b"1", b""], [b"2", b""]]


def test_a_subscriber_hears_what_is_published(connect, serve):
    bridge, hearing = serve(zmq.PUB), connect("SUB")

    def published(came):
        bridge.send_multipart([b"x", b"y"])
        return came

    assert receive_until(hearing, published)[0] == [b"x", b"y"]


@pytest.mark.parametrize(
    ("wrong", "pattern", "right"),
    [(zmq.REP, "PULL", zmq.PUSH), (zmq.PUSH, "REQ", zmq.REP)],
)
def test_a_socket_of_another_pattern_does_no_harm(
    connect, serve, wrong, pattern, right
):
    """It ends the connection for good, so that nobody would ever try again."""
    other, ours = serve(wrong), connect(pattern)
    receive_until(ours, lambda _: ours.was_connected and not ours.connected)
    other.close()

    bridge = serve(right)

    receive_until(ours, lambda _: bridge.poll(0, zmq.POLLIN | zmq.POLLOUT))
    if right == zmq.REP:
        bridge.recv()
    bridge.send_multipart([b"a", b"b"])
    assert receive_until(ours, len) == [[b"a", b"b"]]
    assert ours.received
