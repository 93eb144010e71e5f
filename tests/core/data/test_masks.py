import re
import tracemalloc

import h5py
import numpy as np
import pytest

from specklenn.core.data.masks import (
    CXI_BITS,
    CXI_INFORMS,
    MASK,
    FileMask,
    is_bad,
    read_mask_file,
)
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


BIT = {name: bit for bit, name in CXI_BITS.items()}


@pytest.mark.parametrize("dtype", ["u1", "u2", "<u4", ">u4", "i2", "i4", "u8"])
def test_by_cxi_bits_that_only_inform_mask_nothing_and_all_others_do(dtype):
    largest = np.iinfo(dtype).max
    bits = [bit for bit in CXI_BITS if bit <= largest]
    informing = [bit for bit in bits if bit & CXI_INFORMS]

    found = is_bad(np.array(bits, dtype))

    assert [bit for bit, bad in zip(bits, found, strict=True) if not bad] == informing
    assert not is_bad(np.array([sum(informing)], dtype)).any()
    assert is_bad(np.array([sum(informing) + 1], dtype)).all()


def test_bits_beyond_cxis_mask_and_so_do_negative_numbers():
    assert is_bad(np.array([1 << 15, 1 << 31], "u4")).all()
    assert is_bad(np.array([-1], "i2")).all()


def test_any_bit_or_chosen_ones_can_be_asked_for():
    values = np.array([0, 1, 2, 0x4000], "u2")

    assert is_bad(values, "any").tolist() == [False, True, True, True]
    assert is_bad(values, 0x4002).tolist() == [False, False, True, True]
    assert is_bad(values.astype("u1"), 0x4002).tolist() == [False, False, True, False]


def test_numbers_that_are_no_bits_mask_where_they_are_not_zero():
    assert is_bad(np.array([0, 0.5, np.nan, 16384.0])).tolist() == [0, 1, 1, 1]
    assert is_bad(np.array([False, True])).tolist() == [False, True]


@pytest.fixture
def opened(write):
    """Write a mask and open it as that of frames."""
    files = []

    def call(values, bits="cxi"):
        files.append(h5py.File(write(values)))
        return FileMask(dataset=files[-1][MASK], shape=SHAPE, bits=bits)

    yield call
    for file in files:
        file.close()


@pytest.mark.parametrize("stack", [(6, 5), (2, 3, 5)])
def test_masks_of_every_shot_are_each_its_own(opened, stack):
    values = np.zeros((9, 6, 5), np.uint16)
    values[3] = BIT["bad"]
    values[4, 2, 1] = BIT["saturated"]
    values[5, 0, 0] = BIT["photon background corrected"]

    mask = opened(values.reshape(9, *stack))

    assert mask.of_every_shot
    assert mask.of_shots(np.array([3]), None).all()
    found = mask.of_shots(np.array([5, 4, 0]), None)
    assert np.argwhere(found).tolist() == [[1, 2, 1]]
    assert not mask.summary.always.any()


@pytest.mark.parametrize("shots", [1, 2, 200])
def test_what_is_bad_in_every_shot_is_the_mask_of_all(opened, shots):
    values = np.zeros((shots, *SHAPE), np.uint16)
    values[:, 1, 1] = BIT["dead"]
    values[0, 2, 2] = BIT["hot"]

    mask = opened(values)

    expected = [[1, 1], [2, 2]] if shots == 1 else [[1, 1]]
    assert np.argwhere(mask.summary.always).tolist() == expected
    assert np.argwhere(mask.summary.ever).tolist() == [[1, 1], [2, 2]]


def test_a_mask_is_told_by_its_reasons(opened):
    values = np.zeros(SHAPE, np.uint16)
    values[0] = BIT["dead"]
    values[1, :2] = BIT["hot"] | BIT["artefact corrected"]
    values[2] = BIT["artefact corrected"]

    assert re.fullmatch(
        rf"7 by .*m\.h5:{MASK} \(2 hot, 5 dead\); used: 5 artefact corrected",
        opened(values).words(),
    )


def test_masks_of_every_shot_are_told_as_such(opened):
    values = np.zeros((80, *SHAPE), np.uint16)
    values[:, 0] = BIT["missing"]
    values[::2, 1] = BIT["saturated"]

    assert re.fullmatch(
        rf"5 by .*:{MASK}, which has a mask for every shot: 5 more in some of 64 "
        r"looked at \(5 saturated, 5 missing\)",
        opened(values).words(),
    )


def test_masks_of_a_long_run_are_never_in_memory_at_once(tmp_path):
    shape, shots = (512, 512), 4000  # 4 GB as they stand in the file
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.create_dataset(MASK, (shots, *shape), "u4", chunks=(1, *shape))
        file[MASK][7] = 1
        tracemalloc.start()
        mask = FileMask(dataset=file[MASK], shape=shape, bits="cxi")
        assert not mask.summary.always.any()
        assert mask.of_shots(np.array([7]), None).all()
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()

    assert most < 16 * 4 * 512 * 512
