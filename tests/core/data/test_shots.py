import dataclasses
import re

import numpy as np
import pytest

from specklenn.core.data.shots import (
    InMemorySource,
    Shot,
    blank_shots,
    gather,
    joined,
    put,
)
from specklenn.core.errors import DataError
from specklenn.core.flags import Flag


def test_gathering_keeps_every_shot_and_flags_what_cannot_be_used():
    good = np.ones((4, 5), np.uint16)
    shots = [
        Shot(index=3, timestamp_ns=30, frame=good, truth="single-hit"),
        Shot(index=4, timestamp_ns=40, frame=None),
        Shot(index=5, timestamp_ns=50, frame=np.ones((5, 4), np.uint16)),
    ]

    batch = gather(shots, (4, 5))

    assert batch.index.tolist() == [3, 4, 5]
    assert batch.timestamp_ns.tolist() == [30, 40, 50]
    assert batch.flags.tolist() == [0, Flag.UNREADABLE, Flag.WRONG_SHAPE]
    assert batch.truth.tolist() == ["single-hit", "", ""]
    assert batch.frames.dtype == np.uint16
    np.testing.assert_array_equal(batch.frames[0], good)
    assert not batch.frames[1:].any()


def test_a_run_in_memory_gives_any_range():
    frames = [np.full((2, 2), i) for i in range(9)]
    source = InMemorySource(frames, truth=[str(i) for i in range(9)])

    batch = source.read(4, 7)

    assert len(source) == 9
    assert batch.frames[:, 0, 0].tolist() == [4, 5, 6]
    assert batch.truth.tolist() == ["4", "5", "6"]


def numbers(dtype, *values):
    return [np.full((2, 2), value, dtype) for value in values]


def as_shots(frames):
    return [Shot(index=i, timestamp_ns=0, frame=f) for i, f in enumerate(frames)]


@pytest.mark.parametrize(
    ("frames", "dtype", "expected"),
    [
        ([*numbers("i2", 1), *numbers("f4", 0.9, 70000)], "f4", [1, 0.9, 70000]),
        ([*numbers("u2", 65535), *numbers("i2", -1)], "i4", [65535, -1]),
        ([*numbers("u1", 255), *numbers("u2", 65535)], "u2", [255, 65535]),
        ([*numbers("i4", 2**24 + 1), *numbers("f4", 0.5)], "f8", [2**24 + 1, 0.5]),
        ([*numbers(">u2", 513), *numbers("<u2", 2)], "u2", [513, 2]),
        ([*numbers("f2", 0.5), *numbers("u2", 65535)], "f4", [0.5, 65535]),
    ],
)
def test_frames_of_several_types_come_in_one_that_holds_them_all(
    frames, dtype, expected
):
    expected = np.array(expected, dtype).tolist()

    gathered = gather(as_shots(frames), (2, 2))
    alone = [gather(as_shots([frame]), (2, 2)) for frame in frames]

    for batch in (InMemorySource(frames).read(0, len(frames)), gathered, joined(alone)):
        assert batch.frames.dtype == dtype
        assert batch.frames[:, 0, 0].tolist() == expected
        assert not batch.flags.any()


def test_a_nan_among_integers_stays_one():
    batch = InMemorySource([*numbers("i2", 1), *numbers("f4", np.nan)]).read(0, 2)

    assert np.isnan(batch.frames[1]).all()


def test_a_frame_that_cannot_be_used_does_not_choose_the_type():
    shots = as_shots([np.ones((3, 3), "f8"), *numbers("u2", 7)])

    assert gather(shots, (2, 2)).frames.dtype == np.uint16


@pytest.mark.parametrize("dtype", ["c8", bool, object, "U3", "M8[ns]"])
def test_frames_of_no_real_numbers_are_refused_in_one_sentence(dtype):
    odd = np.zeros((2, 2), dtype)
    words = (
        rf"^[^\n]*data type {re.escape(str(odd.dtype))} found, real numbers expected"
    )

    with pytest.raises(DataError, match=words):
        InMemorySource([np.zeros((2, 2)), odd])
    with pytest.raises(DataError, match=words):
        InMemorySource(np.stack([odd, odd]))
    with pytest.raises(DataError, match=rf"shot 0: {words[7:]}"):
        gather(as_shots([odd]), (2, 2))
    with pytest.raises(DataError, match=words):
        blank_shots(0, 1, (2, 2), dtype)


@pytest.mark.parametrize("frames", [[], [None, None], np.zeros((0, 2, 2))])
def test_a_run_without_a_frame_is_refused_in_one_sentence(frames):
    with pytest.raises(DataError, match="no frame found, at least one expected"):
        InMemorySource(frames)


def test_a_run_whose_frames_are_no_pictures_is_refused():
    with pytest.raises(DataError, match=r"shape \(3,\) found, \(H, W\) expected"):
        InMemorySource([np.zeros(3)])


def test_values_that_a_batch_does_not_hold_are_not_put_into_it():
    batch = np.zeros((2, 2, 2), np.int16)

    with pytest.raises(DataError, match="float32 found among int16"):
        put(np.ones((1, 2, 2), np.float32), batch, slice(1))
    put(np.full((1, 2, 2), -3, np.int8), batch, slice(1))

    assert batch[:, 0, 0].tolist() == [-3, 0]


def test_masks_of_shots_go_with_them_when_batches_are_cut_and_joined():
    bad = np.zeros((3, 2, 2), bool)
    bad[1, 0, 0] = True
    masked = dataclasses.replace(blank_shots(0, 3, (2, 2), "u2"), bad=bad)
    plain = blank_shots(3, 5, (2, 2), "u2")

    both = joined([masked.part(1, 3), plain])

    assert both.bad.shape == (4, 2, 2)
    assert np.argwhere(both.bad).tolist() == [[0, 0, 0]]
    assert joined([plain, plain]).bad is None
    assert plain.part(0, 1).bad is None
