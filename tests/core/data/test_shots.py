import numpy as np

from specklenn.core.data.shots import InMemorySource, Shot, gather
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
