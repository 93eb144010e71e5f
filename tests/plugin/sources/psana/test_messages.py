"""What a worker and psana's process say to each other."""

import socket
import threading

import numpy as np
import pytest

from specklenn.plugin.sources.psana.messages import (
    REQUEST,
    Kind,
    Message,
    receive,
    receive_request,
    send,
)


@pytest.fixture
def link():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(60)
        theirs.settimeout(60)
        yield ours, theirs


def sent(link, message):
    """A message that went over the socket, which holds less than a frame."""
    sender = threading.Thread(target=send, args=(link[1], message))
    sender.start()
    found = receive(link[0])
    sender.join()
    return found


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", ">u2", "float64"])
def test_a_frame_arrives_as_it_was(link, dtype):
    frame = np.arange(700 * 900).reshape(700, 900).astype(dtype)

    found = sent(link, Message(kind=Kind.SHOT, stamp=2**63 + 5, frame=frame))

    assert found.kind is Kind.SHOT
    assert found.stamp == 2**63 + 5
    assert found.frame.dtype == frame.dtype
    np.testing.assert_array_equal(found.frame, frame)


def test_a_frame_with_gaps_in_memory_arrives_as_it_was(link):
    frame = np.arange(24, dtype=np.int16).reshape(4, 6)[::2, ::-1]

    found = sent(link, Message(kind=Kind.SHOT, frame=frame))

    np.testing.assert_array_equal(
        found.frame, [[5, 4, 3, 2, 1, 0], [17, 16, 15, 14, 13, 12]]
    )


def test_an_empty_frame_is_a_frame(link):
    found = sent(link, Message(kind=Kind.SHOT, frame=np.zeros((0, 5), np.float32)))

    assert found.frame.shape == (0, 5)


def test_words_arrive_as_they_were(link):
    found = sent(link, Message(kind=Kind.FAILED, text="kein Gerät gefunden"))

    assert (found.kind, found.text, found.frame) == (
        Kind.FAILED,
        "kein Gerät gefunden",
        None,
    )


def test_a_sender_that_is_gone_is_no_message(link):
    ours, theirs = link
    theirs.close()

    assert receive(ours) is None


def test_a_sender_that_dies_in_a_message_is_no_message(link):
    ours, theirs = link
    theirs.sendall(b"\x05 half a header")
    theirs.close()

    assert receive(ours) is None


def test_a_silent_sender_is_a_timeout(link):
    link[0].settimeout(0.01)

    with pytest.raises(TimeoutError):
        receive(link[0])


def test_a_request_names_a_range(link):
    ours, theirs = link
    ours.sendall(REQUEST.pack(3, 2**40))

    assert receive_request(theirs) == (3, 2**40)
    ours.close()
    assert receive_request(theirs) is None
