"""Whether labels belong to the data at hand, whatever the files are called."""

import dataclasses

import numpy as np
import pytest

from specklenn.core.data.dataset_writer import write_dataset
from specklenn.core.labelling.data_identity import LabelledData, digest, read_alone


def data_of(frames, path, **name):
    path.write_bytes(b"x" * frames.nbytes)
    return LabelledData(
        path=path, shots=len(frames), frame_of=frames.__getitem__, **name
    )


def test_a_copy_that_grew_and_was_packed_anew_is_the_same(tmp_path, run_of):
    frames = np.random.default_rng(0).poisson(1, (50, 4, 5)).astype(np.uint16)
    first = data_of(frames[:40], tmp_path / "a.h5")
    copy = data_of(frames.astype(np.float32), tmp_path / "b.h5")

    assert copy.mismatch(first.identity) == ""


def test_shots_in_another_order_are_other_data(tmp_path):
    frames = np.random.default_rng(0).poisson(1, (40, 4, 5)).astype(np.uint16)
    turned = data_of(frames[::-1], tmp_path / "b.h5")

    why = turned.mismatch(data_of(frames, tmp_path / "a.h5").identity)

    assert why == "shot 0 is another frame there"


def test_a_run_that_has_fewer_shots_is_another(run_of):
    assert run_of(30).mismatch(run_of(40).identity) == (
        "that has 40 shots, this one 30"
    )


def test_runs_with_other_names_are_others(run_of):
    one = run_of(40, experiment="amo06516", run=94)
    two = run_of(40, experiment="amo06516", run=95)

    assert two.mismatch(one.identity) == "this is amo06516 run 95"
    assert run_of(40).mismatch(one.identity) == ""


def test_dark_frames_tell_nothing_where_others_can_be_had(tmp_path):
    one, two = np.zeros((2, 64, 4, 5), np.uint16)
    one[11, 0, 0], two[11, 1, 1] = 1, 1
    data = data_of(one, tmp_path / "a.h5")

    assert list(data.identity.frames) == ["11"]
    assert data_of(two, tmp_path / "b.h5").mismatch(data.identity) != ""


def test_frames_that_cannot_be_read_are_passed_over(tmp_path, run_of):
    data = run_of(40)
    frames = data.frame_of
    damaged = dataclasses.replace(
        data, frame_of=lambda shot: None if shot == 0 else frames(shot)
    )
    unreadable = dataclasses.replace(data, frame_of=lambda shot: None)
    longer = data_of(np.ones((41, 4, 5)), tmp_path / "b.h5")
    blind = dataclasses.replace(longer, frame_of=lambda shot: None)

    assert damaged.mismatch(data.identity) == ""
    assert "0" not in damaged.identity.frames
    assert unreadable.mismatch(data.identity) == ""
    assert "bytes" in blind.mismatch(data.identity)


def test_a_run_without_shots_has_an_identity(run_of):
    assert run_of(0).identity.frames == {}


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.float32, ">u2"])
def test_the_digest_is_of_numbers_and_shape(dtype):
    frame = np.arange(12).reshape(3, 4)

    assert digest(frame.astype(dtype)) == digest(frame)
    assert digest(frame.reshape(4, 3)) != digest(frame)


def test_a_frame_is_read_from_a_file_and_none_from_a_missing_one(tmp_path):
    frames = np.arange(40, dtype=np.uint16).reshape(2, 4, 5)
    write_dataset(tmp_path / "run.h5", frames)
    read = read_alone(tmp_path / "run.h5", "/entry_1/data_1/data")

    np.testing.assert_array_equal(read(1), frames[1])
    assert read(2) is None
    assert read_alone(tmp_path / "no.h5", "/entry_1/data_1/data")(0) is None
