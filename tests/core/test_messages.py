import dataclasses

import msgpack
import numpy as np
import pytest

from specklenn.core import messages
from specklenn.core.messages import Example, MessageError, RankStatus, Snapshot


def snapshot(**changes):
    pattern = np.random.default_rng(0).poisson(3, (8, 9)).astype(np.float32)
    pattern[2] = np.nan
    whole = Snapshot(
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
        ranks=(RankStatus(rank=1, host="node", shots=14, silent_s=0.2),),
        support_version=7,
        support_hash="a1b2",
        model_version=2,
        model="adapted",
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
                pattern=pattern,
            ),
        ),
        failures=("something to see",),
    )
    return dataclasses.replace(whole, **changes)


def changed(**changes):
    """A message whose map has other values."""
    body = msgpack.unpackb(messages.encode(snapshot()))
    body.update(changes)
    return msgpack.packb(body)


def test_a_snapshot_arrives_as_it_was_sent():
    sent = snapshot()

    found = messages.decode(messages.encode(sent))

    for item in dataclasses.fields(Snapshot):
        ours, theirs = getattr(sent, item.name), getattr(found, item.name)
        if item.name == "examples":
            np.testing.assert_array_equal(theirs[0].pattern, ours[0].pattern)
            assert theirs[0].index == 11
            assert theirs[0].distances == (0.3,)
        elif isinstance(ours, np.ndarray):
            np.testing.assert_array_equal(theirs, ours)
            assert theirs.dtype == ours.dtype
        else:
            assert theirs == ours
    assert found.shots == 14


def test_bright_pixels_are_clipped_and_not_lost():
    example = dataclasses.replace(
        snapshot().examples[0], pattern=np.full((2, 2), 1e9, np.float32)
    )

    found = messages.decode(messages.encode(snapshot(examples=(example,))))

    assert (found.examples[0].pattern == 65504).all()


ARRAY = {"dtype": "<i8", "shape": [2], "data": bytes(16)}


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (b"", "not a msgpack message"),
        (b"\xc1random", "not a msgpack message"),
        (msgpack.packb([1, 2]), "a map expected"),
        (msgpack.packb({"schema": 2}), "not a complete snapshot"),
        (changed(schema=99), "schema 99, this window 2"),
        (changed(extra=1), "unknown fields"),
        (changed(state="odd"), "state 'odd'"),
        (changed(sequence=-1), "a count expected"),
        (changed(sequence=True), "a count expected"),
        (changed(run=3), "str expected"),
        (changed(counts={**ARRAY, "dtype": "|O"}), "data type"),
        (changed(counts={**ARRAY, "dtype": "<f8"}), "'<i8' expected"),
        (changed(counts={**ARRAY, "shape": [3]}), "16 bytes, 24 expected"),
        (changed(counts={**ARRAY, "shape": [2**40]}), "1 dimensions expected"),
        (changed(counts={**ARRAY, "shape": [1, 2]}), "1 dimensions expected"),
        (changed(classes=["one"]), "2 counts for 1 classes"),
        (changed(support_classes=["a", "b"]), "1 distances for 2 support classes"),
        (changed(examples=[{"index": 1}]), "not a complete snapshot"),
        (changed(skipped=[1]), "dict expected"),
    ],
)
def test_foreign_messages_are_refused_with_a_reason(message, words):
    with pytest.raises(MessageError, match=words):
        messages.decode(message)


def test_a_message_that_is_too_large_is_not_even_unpacked(monkeypatch):
    monkeypatch.setattr(messages, "LARGEST_MESSAGE_BYTES", 10)

    with pytest.raises(MessageError, match="at most 10 allowed"):
        messages.decode(bytes(11))


def test_damaged_messages_are_refused_or_read_and_never_raise_anything_else():
    random = np.random.default_rng(0)
    good = messages.encode(snapshot())
    for _ in range(3000):
        bad = bytearray(good)
        for position in random.integers(len(bad), size=random.integers(1, 6)):
            bad[position] = random.integers(256)
        try:
            messages.decode(bytes(bad[: random.integers(1, len(bad) + 1)]))
        except MessageError:
            continue
