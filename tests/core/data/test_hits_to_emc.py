"""Hits as sparse photons: whole, unmasked, of the wanted classes."""

import h5py
import numpy as np
import pytest

from specklenn.core.data import emc, labelled_dataset
from specklenn.core.data.dataset_writer import DatasetWriter, write_dataset
from specklenn.core.data.emc import hits_to_emc
from specklenn.core.errors import DataError

LABELS = ["single-hit", "multi-hit", "single-hit", "single-hit", "no-hit"]


@pytest.fixture
def frames():
    """Five noisy frames of 6 x 4 pixels."""
    random = np.random.default_rng(3)
    noisy = random.poisson(1.5, (5, 6, 4)) + random.normal(0, 0.3, (5, 6, 4))
    return noisy.astype(np.float32)


@pytest.fixture
def run(tmp_path, frames):
    write_dataset(tmp_path / "hits.cxi", frames, LABELS)
    return tmp_path / "hits.cxi"


def test_single_hits_become_whole_photons_row_by_row(run, tmp_path, frames, read_emc):
    made = hits_to_emc(run, tmp_path / "hits.emc")

    expected = [
        [max(round(float(value)), 0) for row in frame for value in row]
        for frame in frames[[0, 2, 3]]
    ]
    assert read_emc(tmp_path / "hits.emc").tolist() == expected
    assert (made.frames, made.of, made.pixels) == (3, 5, 24)
    assert made.labels == ("multi-hit", "no-hit", "single-hit")


def test_other_classes_can_be_chosen(run, tmp_path, read_emc):
    made = hits_to_emc(run, tmp_path / "hits.emc", ["multi-hit", "no-hit"])

    assert made.frames == len(read_emc(tmp_path / "hits.emc")) == 2


def test_what_is_read_at_once_does_not_matter(run, tmp_path, monkeypatch):
    hits_to_emc(run, tmp_path / "hits.emc")
    monkeypatch.setattr(emc, "VALUES_AT_ONCE", 1)
    hits_to_emc(run, tmp_path / "one-by-one.emc")

    whole = (tmp_path / "hits.emc").read_bytes()
    assert (tmp_path / "one-by-one.emc").read_bytes() == whole


def test_masked_pixels_have_no_photons_even_where_they_are_no_numbers(
    tmp_path, frames, read_emc
):
    mask = np.zeros((6, 4), bool)
    mask[2] = True
    frames[:, 2, 1] = np.nan
    write_dataset(tmp_path / "a.cxi", frames, LABELS, mask=mask)

    hits_to_emc(tmp_path / "a.cxi", tmp_path / "a.emc")

    found = read_emc(tmp_path / "a.emc").reshape(3, 6, 4)
    assert not found[:, 2].any()
    np.testing.assert_array_equal(
        found[:, 3:], np.maximum(np.rint(frames[[0, 2, 3], 3:]), 0)
    )


def test_modules_are_stacked(tmp_path, frames):
    write_dataset(tmp_path / "a.cxi", frames.reshape(5, 2, 3, 4), LABELS)
    write_dataset(tmp_path / "b.cxi", frames, LABELS)

    hits_to_emc(tmp_path / "a.cxi", tmp_path / "a.emc")
    hits_to_emc(tmp_path / "b.cxi", tmp_path / "b.emc")

    assert (tmp_path / "a.emc").read_bytes() == (tmp_path / "b.emc").read_bytes()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.int64, np.float64])
def test_photons_of_any_type_are_kept(tmp_path, dtype, read_emc):
    frames = np.arange(48).reshape(2, 6, 4).astype(dtype)
    write_dataset(tmp_path / "a.cxi", frames)

    hits_to_emc(tmp_path / "a.cxi", tmp_path / "a.emc")

    assert read_emc(tmp_path / "a.emc").tolist() == frames.reshape(2, 24).tolist()


def test_without_labels_all_frames_are_taken(tmp_path, frames):
    write_dataset(tmp_path / "a.cxi", frames)

    made = hits_to_emc(tmp_path / "a.cxi", tmp_path / "a.emc")

    assert (made.frames, made.labels) == (5, ())


def test_without_a_wanted_frame_no_file_is_made(run, tmp_path):
    made = hits_to_emc(run, tmp_path / "hits.emc", ["unknown"])

    assert (made.frames, made.of) == (0, 5)
    assert not (tmp_path / "hits.emc").exists()


@pytest.mark.parametrize("value", [np.nan, np.inf, 2.0**31, -(2.0**31)])
def test_a_frame_with_a_pixel_that_cannot_be_is_left_out_and_counted(
    run, tmp_path, frames, value, read_emc
):
    with h5py.File(run, "r+") as file:
        file[labelled_dataset.DATA][2, 1, 1] = value

    made = hits_to_emc(run, tmp_path / "hits.emc")

    expected = np.maximum(np.rint(frames[[0, 3]]), 0).reshape(2, 24)
    np.testing.assert_array_equal(read_emc(tmp_path / "hits.emc"), expected)
    assert (made.frames, made.of) == (2, 5)
    assert made.note.startswith("1 of 3 frames left out; the first: ")
    assert "hits.cxi:/entry_1/data_1/data: frame 2 has a pixel" in made.note


def test_a_frame_that_cannot_be_read_is_left_out_and_counted(
    tmp_path, frames, read_emc
):
    counts = np.maximum(np.rint(frames), 0).astype(np.uint16)
    write_dataset(tmp_path / "a.cxi", counts, LABELS)
    with h5py.File(tmp_path / "a.cxi") as file:
        where = file[labelled_dataset.DATA].id.get_chunk_info(2)
    content = bytearray((tmp_path / "a.cxi").read_bytes())
    content[where.byte_offset : where.byte_offset + where.size] = bytes(where.size)
    (tmp_path / "a.cxi").write_bytes(content)

    made = hits_to_emc(tmp_path / "a.cxi", tmp_path / "a.emc")

    expected = counts[[0, 3]].reshape(2, 24)
    np.testing.assert_array_equal(read_emc(tmp_path / "a.emc"), expected)
    assert "shot 2 cannot be read: damaged" in made.note


def test_where_no_frame_can_be_written_an_older_file_stays(run, tmp_path):
    (tmp_path / "hits.emc").write_text("older")
    with h5py.File(run, "r+") as file:
        file[labelled_dataset.DATA][:, 1, 1] = np.nan

    with pytest.raises(DataError, match=r"no frame can be written: .*: frame 0 has"):
        hits_to_emc(run, tmp_path / "hits.emc")
    assert (tmp_path / "hits.emc").read_text() == "older"
    assert len(list(tmp_path.iterdir())) == 2


def test_shots_that_lack_their_label_yet_are_left_out(tmp_path, frames):
    with DatasetWriter(tmp_path / "a.cxi", (6, 4), names=False) as writer:
        writer.let_others_read()
        times = np.arange(5, dtype=np.uint64)
        writer.append(frames, labels=LABELS, timestamps_ns=times)
        writer.file[labelled_dataset.LABEL].resize(3, axis=0)
        writer.flush()

        made = hits_to_emc(tmp_path / "a.cxi", tmp_path / "a.emc")

    assert (made.frames, made.of) == (2, 3)


def test_a_file_that_is_being_written_is_taken_as_far_as_it_goes(tmp_path, frames):
    with DatasetWriter(tmp_path / "a.cxi", (6, 4), names=False) as writer:
        writer.let_others_read()
        times = np.arange(5, dtype=np.uint64)
        writer.append(frames, labels=LABELS, timestamps_ns=times)
        writer.flush()

        made = hits_to_emc(tmp_path / "a.cxi", tmp_path / "a.emc")

    assert made.frames == 3


def test_a_folder_that_cannot_be_written_is_named(run, tmp_path):
    with pytest.raises(DataError, match=r"hits\.cxi/a\.emc: cannot be written"):
        hits_to_emc(run, run / "a.emc")


def test_a_truncated_dataset_is_named(run, tmp_path):
    run.write_bytes(run.read_bytes()[:-1000])

    with pytest.raises(DataError, match=r"hits\.cxi: truncated HDF5 file"):
        hits_to_emc(run, tmp_path / "hits.emc")
