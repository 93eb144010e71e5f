"""Sparse photons: what is written is the format, and what comes back is the frames."""

import struct

import numpy as np
import pytest

from specklenn.core.data.emc import EmcWriter

PIXELS = 12


def written(path, *batches):
    with EmcWriter(path, PIXELS) as writer:
        for batch in batches:
            writer.append(np.asarray(batch))
    return path


@pytest.fixture
def frames():
    """Seven frames: random ones, an empty one, one with one photon in every pixel."""
    made = np.random.default_rng(0).poisson(0.8, (7, PIXELS))
    made[2] = 0
    made[4] = 1
    made[5, 3] = 2**31 - 1
    return made


@pytest.fixture
def file(tmp_path, frames):
    return written(tmp_path / "a.emc", frames[:3], frames[3:])


def test_the_bytes_are_what_the_format_says(file, frames, read_emc):
    np.testing.assert_array_equal(read_emc(file), frames)


def test_a_small_file_holds_these_numbers(tmp_path):
    path = written(tmp_path / "a.emc", [[0, 1, 5, 0, 0, 0, 1, 0, 0, 0, 0, 2]])

    body = path.read_bytes()[1024:]
    assert struct.unpack("<8i", body) == (2, 2, 1, 6, 2, 11, 5, 2)


def test_batches_do_not_matter(tmp_path, file, frames):
    one_by_one = written(tmp_path / "b.emc", *frames[:, None])

    assert one_by_one.read_bytes() == file.read_bytes()


def test_nothing_is_left_beside_the_file(tmp_path, file):
    assert list(tmp_path.iterdir()) == [file]


def test_a_writer_that_fails_leaves_no_file(tmp_path):
    with pytest.raises(ZeroDivisionError), EmcWriter(tmp_path / "a.emc", PIXELS):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "photons",
    [np.zeros((2, 5), int), np.zeros(PIXELS, int), [[-1] * PIXELS], [[2**31] * PIXELS]],
)
def test_frames_that_do_not_fit_are_refused(tmp_path, photons):
    with (
        pytest.raises(ValueError, match=r"expected|beyond"),
        EmcWriter(tmp_path / "a.emc", PIXELS) as writer,
    ):
        writer.append(np.asarray(photons))
