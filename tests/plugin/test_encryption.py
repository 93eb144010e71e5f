"""What a run publishes and answers, with keys, without them and with others."""

import time

import pytest
import zmq

from specklenn.core.config.run_config import Publish
from specklenn.core.errors import ConfigError
from specklenn.core.socket_keys import connect_with, read_keys
from specklenn.plugin.commands import keys
from specklenn.plugin.commands.demo import free_port
from specklenn.plugin.encryption import Encryption

PATIENCE_S = 20.0


@pytest.fixture
def folder(tmp_path):
    keys.main([str(tmp_path / "own")])
    keys.main([str(tmp_path / "foreign")])
    return tmp_path


@pytest.fixture
def bound(folder):
    """A socket of a run that has keys, and its address."""
    context, encryption = zmq.Context(), Encryption(folder / "own" / "run.json")
    socket = context.socket(zmq.ROUTER)
    encryption.apply(context, socket)
    endpoint = f"tcp://127.0.0.1:{free_port()}"
    socket.bind(endpoint)
    yield socket, endpoint
    encryption.close()
    context.destroy(linger=0)


def connected(context, endpoint, client):
    socket = context.socket(zmq.DEALER)
    if client is not None:
        connect_with(socket, read_keys(client, "client"))
    socket.connect(endpoint)
    return socket


def watched(bound, client):
    """The first event of a connection that says how its handshake ended."""
    with zmq.Context() as context:
        socket = connected(context, bound[1], client)
        events = zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_HANDSHAKE_FAILED_AUTH
        watch = socket.get_monitor_socket(events | zmq.EVENT_DISCONNECTED)
        found = watch.poll(1000 * PATIENCE_S) and watch.recv_multipart()
        socket.disable_monitor()
        watch.close()
        socket.close(linger=0)
    return int.from_bytes(found[0][:2], "little") if found else None


def test_who_has_the_keys_is_heard(bound, folder):
    with zmq.Context() as context:
        client = connected(context, bound[1], folder / "own" / "client.json")
        client.send(b"hello")
        assert bound[0].poll(1000 * PATIENCE_S)
        assert bound[0].recv_multipart()[1] == b"hello"
        client.close(linger=0)


def test_who_has_keys_of_another_run_is_not_let_in(bound, folder):
    event = watched(bound, folder / "foreign" / "client.json")

    assert event != zmq.EVENT_HANDSHAKE_SUCCEEDED


def test_who_has_no_keys_is_not_let_in(bound):
    assert watched(bound, None) != zmq.EVENT_HANDSHAKE_SUCCEEDED


def test_a_client_that_knows_the_run_but_has_another_pair_is_refused(bound, folder):
    own = read_keys(folder / "own" / "client.json", "client")
    foreign = read_keys(folder / "foreign" / "client.json", "client")
    with zmq.Context() as context:
        socket = context.socket(zmq.DEALER)
        connect_with(socket, foreign)
        socket.curve_serverkey = own.other.encode()
        socket.connect(bound[1])
        socket.send(b"hello", zmq.DONTWAIT)
        time.sleep(0.5)
        socket.close(linger=0)

    assert not bound[0].poll(200)


def test_an_open_endpoint_needs_keys_or_a_word():
    with pytest.raises(
        ValueError, match=r"or keys \(made by specklenn keys\), or allow"
    ):
        Publish(endpoint="tcp://0.0.0.0:5556")

    Publish(endpoint="tcp://0.0.0.0:5556", keys="run.json")
    Publish(endpoint="tcp://0.0.0.0:5556", allow_remote=True)


def test_keys_of_a_client_do_not_open_a_run(folder):
    with pytest.raises(ConfigError, match="keys of the client found, keys of the run"):
        Encryption(folder / "own" / "client.json")
