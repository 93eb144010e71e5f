"""Sparse photons: what is written is the format, and what comes back is the frames."""

import struct

import numpy as np
import pytest

from specklenn.core.data.emc import EmcWriter, open_emc
from specklenn.core.errors import DataError

PIXELS = 12


def decoded(content):
    """Frames of an EMC file, read value by value as Dragonfly's documents say."""
    values = [number for (number,) in struct.iter_unpack("<i", content)]
    frames, pixels, kind = values[:3]
    assert kind == 0
    assert not any(values[3:256])
    rest = iter(values[256:])
    ones = [next(rest) for _ in range(frames)]
    multi = [next(rest) for _ in range(frames)]
    found = [[0] * pixels for _ in range(frames)]
    for frame, number in zip(found, ones, strict=True):
        for _ in range(number):
            frame[next(rest)] += 1
    places = [[next(rest) for _ in range(number)] for number in multi]
    for frame, where in zip(found, places, strict=True):
        for place in where:
            frame[place] += next(rest)
    assert next(rest, None) is None
    return found


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


def test_the_bytes_are_what_the_format_says(file, frames):
    assert decoded(file.read_bytes()) == frames.tolist()


def test_frames_are_read_back_as_they_were(file, frames):
    read = open_emc(file)

    assert (len(read), read.pixels) == frames.shape
    np.testing.assert_array_equal([read.frame(i) for i in range(7)], frames)


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


def changed(path, **values):
    """Set numbered values of a file, as value_0=7."""
    content = bytearray(path.read_bytes())
    for name, value in values.items():
        struct.pack_into("<i", content, 4 * int(name.removeprefix("value_")), value)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"value_0": -1}, "-1 frames of 12 pixels, no EMC file"),
        ({"value_1": 0}, "7 frames of 0 pixels"),
        ({"value_0": 2**31 - 1}, "at least 17179870200 expected of 2147483647 frames"),
        ({"value_2": 1}, "frames of type 1, only 0"),
        ({"value_256": -1}, "less than none"),
        ({"value_256": 13}, "more than all pixels"),
        ({"value_257": 0}, "bytes, .* expected of 7 frames"),
    ],
)
def test_a_file_whose_numbers_do_not_fit_together_is_refused(file, values, words):
    with pytest.raises(DataError, match=words):
        open_emc(changed(file, **values))


@pytest.mark.parametrize("size", [0, 3, 1000, 1024, 1080, -4])
def test_a_truncated_file_is_refused(file, size):
    file.write_bytes(file.read_bytes()[:size])

    with pytest.raises(DataError, match=r"a.emc: \d+ bytes, .*expected"):
        open_emc(file)


def test_a_file_with_more_at_its_end_is_refused(file):
    file.write_bytes(file.read_bytes() + b"more")

    with pytest.raises(DataError, match=r"bytes, .* expected"):
        open_emc(file)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"no\.emc: cannot be read: No such file"):
        open_emc(tmp_path / "no.emc")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"value_258": PIXELS}, "photons outside its 12 pixels"),
        ({"value_258": -1}, "photons outside its 12 pixels"),
        ({"value_258": 6}, "a pixel twice"),
        ({"value_263": 0}, "without photons"),
    ],
)
def test_a_frame_that_cannot_be_is_refused(tmp_path, values, words):
    path = written(tmp_path / "a.emc", [[0, 1, 5, 0, 0, 0, 1, 0, 0, 0, 0, 2]])

    with pytest.raises(DataError, match=words):
        open_emc(changed(path, **values)).frame(0)


@pytest.mark.parametrize("number", [-1, 7])
def test_a_frame_that_is_not_there_is_an_index_error(file, number):
    with pytest.raises(IndexError, match=f"frame {number} of 7"):
        open_emc(file).frame(number)
