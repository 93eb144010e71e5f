"""Whatever bytes reach a socket, they are a message or are refused."""

from contextlib import suppress

import numpy as np

from specklenn.core import messages
from specklenn.core.errors import DataError
from specklenn.core.messages import (
    Example,
    MessageError,
    RankStatus,
    Snapshot,
    VersionStatus,
)
from specklenn.plugin.control import protocol
from specklenn.plugin.control.protocol import Answer, Request

MSGPACK = (
    b"\xdd\xff\xff\xff\xff",  # a list of four billion
    b"\xdf\xff\xff\xff\xff",
    b"\xc6\xff\xff\xff\xff",
    b"\xcf" + b"\xff" * 8,
    b"\xcb\x7f\xf8" + bytes(6),  # NaN
    b"\x91" * 2000,  # a list in a list in a list
    b"\xc7\x01\x05",
    b"\xc0",
)


def snapshot():
    return Snapshot(
        session="abc",
        sequence=5,
        wall_ns=1_700_000_000_000_000_000,
        state="running",
        experiment="amo",
        run="94",
        classes=("single-hit", "no-hit"),
        counts=np.array([3, 9], np.int64),
        support_classes=("single-hit",),
        expected_shots=20,
        missed_shots=1,
        skipped={"flat": 2},
        latency_edges_ms=np.array([0.0, 1.0, 10.0]),
        latency_counts=np.array([10, 2], np.int64),
        ranks=(RankStatus(rank=1, host="node", shots=14, silent_s=0.2, failure=""),),
        support_version=7,
        support_hash="a1b2",
        model_version=2,
        model="adapted",
        fit_version=0,
        versions=(
            VersionStatus(
                model_version=2,
                model="adapted",
                rule="mean",
                support_version=7,
                support_hash="a1b2",
                fit_version=0,
                since_ns=(1_700_000_000_000_000_000,),
                counts=np.array([3, 9], np.int64),
                skips=2,
            ),
        ),
        history_s=np.array([1.0, 2.0]),
        history_counts=np.array([[1, 4], [3, 9]], np.int64),
        examples=(
            Example(
                index=11,
                timestamp_ns=12,
                label="single-hit",
                score=0.9,
                distances=(0.3,),
                photons=99.5,
                rank=1,
                pattern=np.ones((8, 9), np.float32),
            ),
        ),
        failures=("something to see",),
    )


def test_a_window_shows_a_snapshot_or_refuses_it(hostile):
    for content in hostile(messages.encode(snapshot()), tokens=MSGPACK):
        with suppress(MessageError):
            found = messages.decode(content)
            assert found.counts.shape == (len(found.classes),)


def test_a_run_takes_a_request_or_refuses_it(hostile):
    request = Request(id="1", action="swap", weights="a", user="u", host="h")

    for content in hostile(protocol.encode(request), tokens=MSGPACK):
        with suppress(DataError):
            assert protocol.decode(Request, content).action in (
                "swap",
                "back",
                "status",
            )


def test_a_swap_takes_an_answer_or_refuses_it(hostile):
    answer = Answer(id="1", done=True, words="well", ranks=2, workers=2)

    for content in hostile(protocol.encode(answer), tokens=MSGPACK):
        with suppress(DataError):
            assert protocol.decode(Answer, content).ranks >= 0
