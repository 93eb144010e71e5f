import msgpack
import msgspec
import numpy as np
import pytest

from specklenn.core import messages
from specklenn.core.messages import (
    Example,
    MessageError,
    RankStatus,
    Snapshot,
    VersionStatus,
)


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
        ranks=(RankStatus(rank=1, host="node", shots=14, silent_s=0.2, failure=""),),
        support_version=7,
        support_hash="a1b2",
        model_version=2,
        model="adapted",
        fit_version=3,
        versions=(
            VersionStatus(
                model_version=2,
                model="adapted",
                rule="mean",
                support_version=7,
                support_hash="a1b2",
                fit_version=3,
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
                pattern=pattern,
            ),
        ),
        failures=("something to see",),
    )
    return msgspec.structs.replace(whole, **changes)


def changed(**changes):
    """A message whose map has other values."""
    body = msgpack.unpackb(messages.encode(snapshot()))
    body.update(changes)
    return msgpack.packb(body)


def test_a_snapshot_arrives_as_it_was_sent():
    sent = snapshot()

    found = messages.decode(messages.encode(sent))

    for name in Snapshot.__struct_fields__:
        ours, theirs = getattr(sent, name), getattr(found, name)
        if name == "examples":
            np.testing.assert_array_equal(theirs[0].pattern, ours[0].pattern)
            assert theirs[0].index == 11
            assert theirs[0].distances == (0.3,)
        elif name == "versions":
            np.testing.assert_array_equal(theirs[0].counts, ours[0].counts)
            assert theirs[0].since_ns == ours[0].since_ns
        elif isinstance(ours, np.ndarray):
            np.testing.assert_array_equal(theirs, ours)
            assert theirs.dtype == ours.dtype
        else:
            assert theirs == ours
    assert found.shots == 14


def test_bright_pixels_are_clipped_and_not_lost():
    example = msgspec.structs.replace(
        snapshot().examples[0], pattern=np.full((2, 2), 1e9, np.float32)
    )

    found = messages.decode(messages.encode(snapshot(examples=(example,))))

    assert (found.examples[0].pattern == 65504).all()


def with_pattern(pattern):
    (example,) = msgpack.unpackb(messages.encode(snapshot()))["examples"]
    return changed(examples=[{**example, "pattern": pattern}])


VERSION = msgpack.unpackb(messages.encode(snapshot()))["versions"][0]
ARRAY = {"dtype": "<i8", "shape": [2], "data": bytes(16)}


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (b"", "not a msgpack message"),
        (b"\xc1random", "not a msgpack message"),
        (msgpack.packb([1, 2]), "Expected `object`, got `array`"),
        (msgpack.packb({"schema": 3}), "not a complete snapshot"),
        (changed(schema=99), "schema 99, this window 3"),
        (changed(extra=1), "unknown field `extra`"),
        (changed(state="odd"), "state 'odd'"),
        (changed(sequence=-1), r"Expected `int` >= 0 - at `\$.sequence`"),
        (changed(sequence=True), "Expected `int`, got `bool`"),
        (changed(run=3), "Expected `str`, got `int`"),
        (changed(counts={**ARRAY, "dtype": "|O"}), "matching regex"),
        (changed(counts={**ARRAY, "dtype": "<f8"}), "'<i8' expected"),
        (changed(counts={**ARRAY, "shape": [3]}), "16 bytes, 24 expected"),
        (changed(counts={**ARRAY, "shape": [2**40]}), "Expected `int` <= 100000"),
        (changed(counts={**ARRAY, "shape": [1, 2]}), r"counts of shape \(1, 2\)"),
        (
            changed(versions=[{**VERSION, "counts": {**ARRAY, "shape": [1, 2]}}]),
            r"counts of a version of shape \(1, 2\), \(2,\) expected",
        ),
        (changed(classes=["one"]), r"counts of shape \(2,\), \(1,\) expected"),
        (changed(support_classes=["a", "b"]), "1 distances for 2 support classes"),
        (changed(examples=[{"index": 1}]), "not a complete snapshot"),
        (changed(skipped=[1]), "Expected `object`, got `array`"),
        (changed(skipped={"flat": -1}), "Expected `int` >= 0"),
        (changed(sequence=float("nan")), "Expected `int`, got `float`"),
        (changed(counts={**ARRAY, "shape": [2], "extra": 1}), "unknown field `extra`"),
        (changed(history_s={**ARRAY, "dtype": "<f8", "shape": []}), "16 bytes, 8 exp"),
        (changed(latency_counts={**ARRAY, "shape": [1, 2]}), "latency_counts of shape"),
        (changed(ranks=[{"rank": 1}]), "missing required field `host`"),
        (
            with_pattern({"dtype": "<f2", "shape": [3], "data": bytes(6)}),
            r"a pattern of shape \(3,\)",
        ),
    ],
)
def test_foreign_messages_are_refused_with_a_reason(message, words):
    with pytest.raises(MessageError, match=words):
        messages.decode(message)


@pytest.mark.parametrize(
    "value",
    [
        b"\x91" * 100_000,  # lists in lists
        b"\x81\xa1a" * 100_000,
        b"\xdd\xff\xff\xff\xff",  # a list of 4 billion items
        b"\xdf\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\x81\x80\x01",  # a map as a key
        b"\xc7\x05\x01abcde",  # an extension
        b"\xa1\xff",  # not UTF-8
    ],
)
@pytest.mark.parametrize("name", ["counts", "skipped", "ranks", "foreign", "schema"])
def test_bytes_that_would_exhaust_memory_or_stack_are_refused(name, value):
    message = b"\x81" + msgpack.packb(name) + value

    with pytest.raises(MessageError):
        messages.decode(message)


def test_the_messages_of_schema_3_stay_as_they_are():
    """Written out, so that a window of another specklenn version can read them."""
    array = {"dtype": "<i8", "shape": [2], "data": np.array([3, 9]).tobytes()}
    pattern = snapshot().examples[0].pattern.astype("<f2")
    written = {
        "schema": 3,
        "session": "abc",
        "sequence": 5,
        "wall_ns": 1_700_000_000_000_000_000,
        "state": "running",
        "experiment": "amo",
        "run": "94",
        "classes": ["single-hit", "no-hit"],
        "counts": array,
        "support_classes": ["single-hit"],
        "expected_shots": 20,
        "missed_shots": 1,
        "skipped": {"flat": 2},
        "latency_edges_ms": {
            "dtype": "<f8",
            "shape": [3],
            "data": np.array([0.0, 1.0, 10.0]).tobytes(),
        },
        "latency_counts": {**array, "data": np.array([10, 2]).tobytes()},
        "ranks": [
            {"rank": 1, "host": "node", "shots": 14, "silent_s": 0.2, "failure": ""}
        ],
        "support_version": 7,
        "support_hash": "a1b2",
        "model_version": 2,
        "model": "adapted",
        "fit_version": 3,
        "versions": [
            {
                "model_version": 2,
                "model": "adapted",
                "rule": "mean",
                "support_version": 7,
                "support_hash": "a1b2",
                "fit_version": 3,
                "since_ns": [1_700_000_000_000_000_000],
                "counts": array,
                "skips": 2,
            }
        ],
        "history_s": {**array, "dtype": "<f8", "data": np.array([1.0, 2.0]).tobytes()},
        "history_counts": {
            "dtype": "<i8",
            "shape": [2, 2],
            "data": np.array([1, 4, 3, 9]).tobytes(),
        },
        "failures": ["something to see"],
        "examples": [
            {
                "index": 11,
                "timestamp_ns": 12,
                "label": "single-hit",
                "score": 0.9,
                "distances": [0.3],
                "photons": 99.5,
                "rank": 1,
                "pattern": {
                    "dtype": "<f2",
                    "shape": [8, 9],
                    "data": pattern.tobytes(),
                },
            }
        ],
    }

    assert msgpack.unpackb(messages.encode(snapshot())) == written
    assert messages.encode(messages.decode(msgpack.packb(written))) == messages.encode(
        snapshot()
    )


@pytest.mark.parametrize("name", Snapshot.__struct_fields__)
def test_a_message_without_one_of_the_fields_is_refused(name):
    body = msgpack.unpackb(messages.encode(snapshot()))
    del body[name]

    with pytest.raises(MessageError, match=f"missing required field `{name}`"):
        messages.decode(msgpack.packb(body))


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
