"""Every endpoint that the settings allow can be used; the others are refused there."""

import pytest
import zmq
from pydantic import TypeAdapter, ValidationError

from specklenn.core.config.endpoints import (
    Endpoint,
    Interface,
    RemoteEndpoint,
    is_ipv6,
    is_loopback,
    on_loopback,
)
from specklenn.core.config.run_config import Control, Metrics, Publish
from specklenn.plugin.parallel.processes import free_port

BOUND = TypeAdapter(Endpoint)

HOSTS = ("127.0.0.1", "localhost", "127.0.0.2", "[::1]", "*", "0.0.0.0", "[::]", "lo")


@pytest.mark.parametrize("host", HOSTS)
def test_what_is_allowed_can_be_bound(host):
    endpoint = BOUND.validate_python(f"tcp://{host}:{free_port()}")

    with zmq.Context() as context, context.socket(zmq.PUB) as socket:
        socket.setsockopt(zmq.IPV6, is_ipv6(endpoint))
        try:
            socket.bind(endpoint)
        except zmq.ZMQError:
            if is_ipv6(endpoint):
                pytest.skip("no IPv6 here")
            raise


def test_a_file_of_the_longest_name_can_be_bound(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with zmq.Context() as context, context.socket(zmq.PUB) as socket:
        socket.bind(BOUND.validate_python("ipc://" + "a" * 107))

    with pytest.raises(ValidationError, match="at most 107 bytes"):
        BOUND.validate_python("ipc://" + "a" * 108)


@pytest.mark.parametrize(
    "endpoint",
    [
        *("tcp://127.0.0.1:0", "tcp://127.0.0.1:65536", "tcp://127.0.0.1:*"),
        *("tcp://127.0.0.1:+5", "tcp://127.0.0.1: 5", "tcp://127.0.0.1:5556 "),
        *("tcp://127.0.0.1", "tcp://:5556", "tcp://5556", "tcp://a b:5556"),
        *("tcp://::1:5556", "tcp://[::1]", "tcp://[127.0.0.1]:5", "tcp://[x]:5"),
        *("tcp://[::1:5556", "tcp://256.0.0.1:5", "tcp://127.1:5", "tcp://-a:5"),
        *("tcp://eth0;10.0.0.7:5", "tcp://host/x:5", "tcp://127.0.0.1:\u0665"),
        *("udp://127.0.0.1:5", "inproc://a", "127.0.0.1:5556", "", "ipc://", "ipc://*"),
    ],
)
def test_what_no_socket_takes_is_refused(endpoint):
    with pytest.raises(ValidationError):
        BOUND.validate_python(endpoint)


def test_a_socket_that_connects_needs_a_host():
    connected = TypeAdapter(RemoteEndpoint)

    assert connected.validate_python("tcp://node7:45000") == "tcp://node7:45000"
    with pytest.raises(ValidationError, match="the host that sends"):
        connected.validate_python("tcp://*:45000")


@pytest.mark.parametrize(
    ("host", "inside"),
    [
        *(("127.0.0.1", True), ("127.9.9.9", True), ("localhost", True)),
        *(("[::1]", True), ("[0:0:0:0:0:0:0:1]", True), ("ipc", False)),
        *(("0.0.0.0", False), ("[::]", False), ("*", False), ("localhost.x", False)),
    ],
)
def test_only_this_machine_reaches_the_loopback_interface(host, inside):
    assert on_loopback(f"tcp://{host}:5556") is inside
    assert is_loopback(host) is inside
    for settings in (Publish, Control):
        if not inside:
            with pytest.raises(ValidationError, match="or allow_remote: true"):
                settings(endpoint=f"tcp://{host}:5556")


@pytest.mark.parametrize(
    ("host", "good"),
    [
        *(("::1", "::1"), ("[::1]", "::1"), ("localhost", "localhost")),
        *(("", None), ("a" + chr(0), None), ("300.1.1.1", None)),
        *(("." * 80, None), ("http://localhost", None)),
    ],
)
def test_the_numbers_of_a_run_are_shown_on_a_host(host, good):
    if good is None:
        with pytest.raises(ValidationError):
            Metrics(host=host, allow_remote=True)
    else:
        assert Metrics(host=host).host == good
        assert TypeAdapter(Interface).validate_python(host) == good
