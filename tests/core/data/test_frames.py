import h5py
import numpy as np
import pytest

from specklenn.core.data.frames import as_picture, as_pictures, numbered, read_frames
from specklenn.core.errors import DataError


@pytest.fixture(scope="module")
def frames():
    return np.random.default_rng(0).poisson(3, (6, 20, 30)).astype(np.uint16)


@pytest.fixture
def write(tmp_path, frames):
    """Write frames, a compressed chunk for each; returns the path of the file."""

    def call(shape=(6, 20, 30)):
        with h5py.File(tmp_path / "d.h5", "w") as file:
            file.create_dataset(
                "x",
                data=frames.reshape(shape),
                chunks=(1, *shape[1:]),
                compression="gzip",
            )
        return tmp_path / "d.h5"

    return call


@pytest.mark.parametrize(
    "shots", [[4], [0, 1, 2], [5, 0, 3, 4], [2, 1, 0], [], [0, 1, 2, 3, 4, 5]]
)
@pytest.mark.parametrize("shape", [(6, 20, 30), (6, 2, 10, 30)])
def test_frames_come_in_the_order_asked_for(write, frames, shots, shape):
    with h5py.File(write(shape)) as file:
        found = read_frames(file["x"], np.array(shots, np.int64), None)

    assert found.shape == (len(shots), 20, 30)
    assert found.dtype == np.uint16
    for frame, shot in zip(found, shots, strict=True):
        np.testing.assert_array_equal(frame, frames[shot])


@pytest.mark.parametrize("shots", [[1, 2, 3], [4, 0]])
def test_modules_that_nobody_asks_for_are_left_empty(write, frames, shots):
    with h5py.File(write((6, 4, 5, 30))) as file:
        found = read_frames(file["x"], np.array(shots), [(0, 1), (2, 4)])

    expected = frames[shots].copy()
    expected[:, 5:10] = 0
    np.testing.assert_array_equal(found, expected)


def test_frames_without_modules_are_read_whole(write, frames):
    with h5py.File(write()) as file:
        found = read_frames(file["x"], np.array([3]), [(0, 1)])

    np.testing.assert_array_equal(found, frames[[3]])


@pytest.mark.parametrize("shots", [[0, 1, 2, 3, 4, 5], [5, 4, 3, 2], [3]])
def test_a_damaged_shot_is_named(write, shots):
    path = write()
    with h5py.File(path) as file:
        chunk = file["x"].id.get_chunk_info(3)
    content = bytearray(path.read_bytes())
    content[chunk.byte_offset : chunk.byte_offset + chunk.size] = bytes(chunk.size)
    path.write_bytes(content)

    with (
        h5py.File(path) as file,
        pytest.raises(DataError, match=r"d\.h5:/x: shot 3 cannot be read: damaged"),
    ):
        read_frames(file["x"], np.array(shots), None)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (slice(None), range(6)),
        (slice(4, 99), [4, 5]),
        ([5, 0], [5, 0]),
        (np.array([2]), [2]),
        ([], []),
    ],
)
def test_shots_are_numbered_as_python_counts(rows, expected):
    assert numbered(rows, 6, "d.h5:/x").tolist() == list(expected)


@pytest.mark.parametrize(
    ("rows", "shots", "words"),
    [
        ([0, 6, 99], 6, "events [6, 99] do not exist, the dataset has shots 0 to 5"),
        ([-1], 6, "events [-1] do not exist, the dataset has shots 0 to 5"),
        ([0], 0, "events [0] do not exist, the dataset has no shots"),
        ([3, 1, 3], 6, "events [3] repeated, each once expected"),
    ],
)
def test_events_that_cannot_be_are_refused(rows, shots, words):
    with pytest.raises(DataError) as raised:
        numbered(rows, shots, "d.h5:/x")

    assert str(raised.value) == f"d.h5:/x: {words}"


def test_modules_are_stacked_from_top_to_bottom(frames):
    modules = np.split(frames, 4, axis=1)

    stacked = as_pictures(np.stack(modules, axis=1))

    np.testing.assert_array_equal(stacked, frames)
    np.testing.assert_array_equal(as_picture(np.stack(modules, axis=1)[2]), frames[2])
