import h5py
import numpy as np
import pytest

from specklenn.core.data.masks import MASK, read_mask_file
from specklenn.core.errors import DataError

SHAPE = (6, 5)


@pytest.fixture
def write(tmp_path):
    """Write a mask; returns the path of the file."""

    def call(values, name=MASK):
        with h5py.File(tmp_path / "m.h5", "w") as file:
            file[name] = values
        return tmp_path / "m.h5"

    return call


def one_bad(shape, *pixel):
    mask = np.zeros(shape, np.uint8)
    mask[pixel] = 1
    return mask


@pytest.mark.parametrize("dtype", [np.uint8, bool, np.int32, np.float32])
def test_what_is_not_zero_is_bad(write, dtype):
    path = write(one_bad(SHAPE, 4, 2).astype(dtype))

    assert np.argwhere(read_mask_file(path, shape=SHAPE)).tolist() == [[4, 2]]


@pytest.mark.parametrize("shape", [SHAPE, None])
def test_modules_are_stacked_from_top_to_bottom(write, shape):
    path = write(one_bad((2, 3, 5), 1, 1, 2))

    assert np.argwhere(read_mask_file(path, shape=shape)).tolist() == [[4, 2]]


@pytest.mark.parametrize("shots", [1, 2, 40])
def test_a_mask_per_shot_counts_a_pixel_as_bad_if_it_ever_is(write, shots):
    path = write(one_bad((shots, *SHAPE), shots - 1, 4, 2))

    assert np.argwhere(read_mask_file(path, shape=SHAPE)).tolist() == [[4, 2]]


def test_a_mask_per_shot_may_have_modules(write):
    path = write(one_bad((7, 2, 3, 5), 3, 1, 1, 2))

    assert np.argwhere(read_mask_file(path, shape=SHAPE)).tolist() == [[4, 2]]


@pytest.mark.parametrize("found", [(5, 6), (6, 6), (30,), (), (2, 2, 5)])
def test_a_mask_of_another_shape_is_refused(write, found):
    path = write(np.zeros(found, np.uint8))

    with pytest.raises(DataError) as raised:
        read_mask_file(path, shape=SHAPE)

    assert str(raised.value) == (
        f"{path}:{MASK}: mask of shape {found}, (6, 5) expected"
    )


def test_a_mask_without_rows_is_refused_whatever_the_frames_are(write):
    with pytest.raises(DataError, match=r"mask of shape \(4,\), \(H, W\) expected"):
        read_mask_file(write(np.zeros(4, np.uint8)))


def test_a_mask_of_words_is_refused(write):
    with pytest.raises(DataError, match=rf"m\.h5:{MASK}: data type .*, numbers"):
        read_mask_file(write([["good"]]))


def test_a_missing_mask_tells_which_datasets_there_are(write):
    with pytest.raises(DataError, match=r"m\.h5: no dataset /x; datasets found: /bad"):
        read_mask_file(write(np.zeros(SHAPE), "/bad"), "/x")
