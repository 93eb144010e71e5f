"""The file of a simulated run: what is in it, and when it goes on or begins anew."""

import os
import subprocess
import sys

import h5py
import numpy as np
import pytest

from specklenn.core.data import labelled_dataset
from specklenn.core.data.dataset_writer import write_dataset
from specklenn.core.errors import DataError
from specklenn.core.simulation.experiment import Experiment
from specklenn.core.simulation.simulated_file import SimulatedFile, check_room, is_begun
from specklenn.core.simulation.simulation_job import SimulationJob

TRUTH = "/entry_1/simulation_1"
SHOTS = 12

MODULES = {
    "rows": 16,
    "columns": 24,
    "pixel_size_m": 2.4e-3,
    "modules": [
        {"x_m": 0.0, "y_m": 0.03},
        {"x_m": 0.0, "y_m": -0.01},
        {"x_m": 0.01, "y_m": -0.05, "turn_deg": 90.0},
    ],
    "dead_modules": [1],
}


@pytest.fixture
def job(small):
    return SimulationJob(experiment=Experiment(**small), shots=SHOTS)


def write(path, job, *parts, complete=True):
    """Write the shots of these ranges; return those of the simulator, all of them."""
    simulator = job.simulator()
    shots = simulator.shots(np.arange(job.shots))
    file = SimulatedFile(path, job, simulator)
    for start, stop in parts or [(0, job.shots)]:
        times = None
        if job.live_Hz is not None:
            times = np.arange(start, stop, dtype=np.uint64)
        file.append(simulator.shots(np.arange(start, stop)), times)
    file.close(complete=complete)
    return shots


def shots_in(path, job):
    """Open a file to go on with it; return how many shots it holds then."""
    file = SimulatedFile(path, job, job.simulator())
    number = len(file)
    file.close(complete=False)
    return number


def content(path):
    """Everything in a file: name to data type and bytes."""
    found = {}
    with h5py.File(path) as file:
        file.visititems(
            lambda name, item: (
                found.update({name: (item.dtype, item.shape, item[()].tobytes())})
                if isinstance(item, h5py.Dataset)
                else None
            )
        )
        return found | dict(file.attrs)


def test_the_layout_is_the_one_of_the_contract(job, tmp_path):
    write(tmp_path / "r.h5", job)

    expected = {
        "entry_1/data_1/data": (np.float32, (SHOTS, 32, 32)),
        "entry_1/data_1/mask": (np.uint8, (32, 32)),
        "entry_1/result_1/label": (labelled_dataset.TEXT, (SHOTS,)),
        "entry_1/sample_1/name": (labelled_dataset.TEXT, (SHOTS,)),
        "entry_1/simulation_1/debris": (labelled_dataset.TEXT, (SHOTS,)),
        "entry_1/simulation_1/jitter": (np.float32, (SHOTS,)),
        "entry_1/simulation_1/particles": (np.uint8, (SHOTS,)),
        "entry_1/simulation_1/orientation": (np.float32, (SHOTS, 4, 4)),
        "entry_1/simulation_1/position_angstrom": (np.float32, (SHOTS, 4, 3)),
        "entry_1/simulation_1/fluence": (np.float32, (SHOTS, 4)),
        "entry_1/simulation_1/radius_angstrom": (np.float32, (SHOTS, 4)),
        "entry_1/simulation_1/stretch": (np.float32, (SHOTS, 4)),
        "entry_1/simulation_1/shell_density": (np.float32, (SHOTS, 4)),
        "entry_1/simulation_1/core_density": (np.float32, (SHOTS, 4)),
        "entry_1/simulation_1/shots_written": (np.int64, ()),
        "entry_1/instrument_1/detector_1/pixel_positions_m": (np.float32, (32, 32, 3)),
        "entry_1/instrument_1/source_1/energy": (np.float64, ()),
    }
    found = content(tmp_path / "r.h5")
    assert {name: found[name][:2] for name in expected} == expected
    assert found.keys() - expected.keys() == {"creator", "task", "complete"}
    assert found["creator"] == "specklenn simulate"
    assert found["task"] == job.described
    assert found["complete"]


def test_the_file_holds_what_the_factory_made(job, tmp_path):
    shots = write(tmp_path / "r.h5", job, (0, 5), (5, 12))

    found = labelled_dataset.read_dataset(tmp_path / "r.h5")
    np.testing.assert_array_equal(found.patterns, shots.patterns)
    assert found.labels.tolist() == shots.labels.tolist()
    assert found.names.tolist() == shots.names.tolist()
    assert found.timestamps_ns is None
    with h5py.File(tmp_path / "r.h5") as file:
        truth = file[TRUTH]
        assert truth["debris"].asstr()[()].tolist() == shots.truth["debris"].tolist()
        for name in shots.truth.dtype.names[3:]:
            np.testing.assert_array_equal(truth[name], shots.truth[name])
        assert truth["shots_written"][()] == SHOTS


def test_the_instrument_is_described_in_metres_and_joule(job, tmp_path):
    write(tmp_path / "r.h5", job)

    with h5py.File(tmp_path / "r.h5") as file:
        instrument = file["/entry_1/instrument_1"]
        corner = instrument["detector_1/pixel_positions_m"][0, 0]
        energy = instrument["source_1/energy"][()]
    # The pixel at the top left of 32 by 32 pixels of 2.4 mm in 0.1 m.
    np.testing.assert_allclose(corner, [-15.5 * 2.4e-3, 15.5 * 2.4e-3, 0.1], rtol=1e-6)
    assert energy == pytest.approx(1660 * 1.602176634e-19)


def test_modules_keep_their_shape_and_are_read_as_stacked_pictures(small, tmp_path):
    job = SimulationJob(experiment=Experiment(**small | {"detector": MODULES}), shots=2)
    shots = write(tmp_path / "r.h5", job)

    with h5py.File(tmp_path / "r.h5") as file:
        assert file[labelled_dataset.DATA].shape == (2, 3, 16, 24)
        assert file[labelled_dataset.MASK].shape == (3, 16, 24)
        assert file[labelled_dataset.MASK][()].all(axis=(1, 2)).tolist() == [
            False,
            True,
            False,
        ]
        positions = file["/entry_1/instrument_1/detector_1/pixel_positions_m"]
        assert positions.shape == (3, 16, 24, 3)
    found = labelled_dataset.read_dataset(tmp_path / "r.h5")
    assert found.mask.shape == (48, 24)
    np.testing.assert_array_equal(found.patterns[:, 16:32], shots.patterns[:, 1])


def test_counted_photons_are_whole_numbers_in_little_space(small, tmp_path):
    changes = {"noise": {"read_noise_photons": 0.0}}
    job = SimulationJob(experiment=Experiment(**small | changes), shots=2)
    shots = write(tmp_path / "r.h5", job)

    with h5py.File(tmp_path / "r.h5") as file:
        data = file[labelled_dataset.DATA]
        assert (data.dtype, data.compression) == (np.uint16, "gzip")
        np.testing.assert_array_equal(data, shots.patterns)


def test_a_live_run_has_the_time_of_every_shot(small, tmp_path):
    job = SimulationJob(experiment=Experiment(**small), shots=3, live_Hz=10.0)
    write(tmp_path / "r.h5", job)

    assert labelled_dataset.read_dataset(tmp_path / "r.h5").timestamps_ns.tolist() == [
        0,
        1,
        2,
    ]


def test_another_process_reads_a_file_that_is_being_written(job, tmp_path):
    simulator = job.simulator()
    file = SimulatedFile(tmp_path / "r.h5", job, simulator)
    file.append(simulator.shots(np.arange(7)))
    read = (
        "import sys; from specklenn.core.data.labelled_dataset import read_dataset\n"
        "print(len(read_dataset(sys.argv[1]).patterns))"
    )

    words = [sys.executable, "-c", read, str(tmp_path / "r.h5")]
    done = subprocess.run(words, capture_output=True, text=True)
    file.close(complete=False)

    assert done.stdout == "7\n"
    assert "r.h5: being written: the shots that are there now are read" in done.stderr


@pytest.mark.parametrize("parts", [[], [(0, 5)], [(0, 5), (5, 12)]])
def test_an_incomplete_file_of_the_same_task_goes_on(job, tmp_path, parts):
    write(tmp_path / "whole.h5", job)
    path = tmp_path / "r.h5"
    file = SimulatedFile(path, job, simulator := job.simulator())
    for start, stop in parts:
        file.append(simulator.shots(np.arange(start, stop)))
    file.close(complete=False)
    there = parts[-1][1] if parts else 0

    assert is_begun(path, job)
    assert shots_in(path, job) == there
    write(path, job, (there, SHOTS))

    assert content(path) == content(tmp_path / "whole.h5")


def test_shots_that_were_not_counted_as_whole_are_made_again(job, tmp_path):
    write(tmp_path / "r.h5", job, (0, 7), complete=False)
    with h5py.File(tmp_path / "r.h5", "r+") as file:
        file[TRUTH]["shots_written"][()] = 5

    assert shots_in(tmp_path / "r.h5", job) == 5


@pytest.mark.parametrize(
    ("complete", "changes"),
    [(True, {"seed": 1}), (False, {"seed": 1}), (False, {"hits": (2, 5)})],
)
def test_the_file_of_another_task_is_replaced(small, job, tmp_path, complete, changes):
    write(tmp_path / "r.h5", job, complete=complete)
    other = SimulationJob(experiment=Experiment(**small | changes), shots=2)

    assert not is_begun(tmp_path / "r.h5", other)
    write(tmp_path / "r.h5", other)

    write(tmp_path / "fresh.h5", other)
    assert content(tmp_path / "r.h5") == content(tmp_path / "fresh.h5")


def test_a_complete_file_is_made_again(job, tmp_path):
    write(tmp_path / "r.h5", job)

    assert not is_begun(tmp_path / "r.h5", job)
    assert shots_in(tmp_path / "r.h5", job) == 0


def test_a_live_run_never_goes_on(small, tmp_path):
    job = SimulationJob(experiment=Experiment(**small), shots=3, live_Hz=10.0)
    write(tmp_path / "r.h5", job, (0, 2), complete=False)

    assert not is_begun(tmp_path / "r.h5", job)


def test_without_a_file_nothing_is_begun(job, tmp_path):
    assert not is_begun(tmp_path / "r.h5", job)
    assert not is_begun(tmp_path / "no" / "r.h5", job)


def foreign_dataset(path):
    write_dataset(path, np.zeros((2, 4, 4)), labels=["a", "b"])


def foreign_text(path):
    path.write_text("my only copy")


def foreign_hdf5(path):
    with h5py.File(path, "w") as file:
        file.attrs["creator"] = "somebody"


@pytest.mark.parametrize("make", [foreign_dataset, foreign_text, foreign_hdf5])
def test_a_file_that_is_not_ours_is_never_replaced(job, tmp_path, make):
    make(tmp_path / "r.h5")
    before = (tmp_path / "r.h5").read_bytes()

    with pytest.raises(DataError, match=r"r\.h5: .* not replaced, choose another name"):
        SimulatedFile(tmp_path / "r.h5", job, job.simulator())

    assert (tmp_path / "r.h5").read_bytes() == before


def test_a_truncated_file_is_not_replaced_either(job, tmp_path):
    write(tmp_path / "r.h5", job)
    content = (tmp_path / "r.h5").read_bytes()
    (tmp_path / "r.h5").write_bytes(content[: len(content) // 2])

    with pytest.raises(DataError, match=r"truncated HDF5 file.*not replaced"):
        SimulatedFile(tmp_path / "r.h5", job, job.simulator())


def test_a_folder_in_place_of_the_file_is_named(job, tmp_path):
    with pytest.raises(DataError, match="is a directory"):
        is_begun(tmp_path, job)


def test_room_on_the_disk_is_checked_without_leaving_anything(job, tmp_path):
    check_room(tmp_path / "r.h5", job.simulator())

    assert os.listdir(tmp_path) == []


def test_a_folder_in_which_no_file_can_be_begun_is_refused(job, tmp_path):
    with pytest.raises(DataError, match=r"r\.h5: cannot be written: no such file"):
        check_room(tmp_path / "no" / "r.h5", job.simulator())


def test_a_file_that_is_being_written_is_left_alone_until_it_is_closed(job, tmp_path):
    path = tmp_path / "run.h5"
    simulator = job.simulator()
    file = SimulatedFile(path, job, simulator)
    file.append(simulator.shots(np.arange(3)))

    with pytest.raises(DataError, match="another process is writing it"):
        is_begun(path, job)
    with labelled_dataset.open_file(path) as growing:
        assert len(growing[labelled_dataset.DATA]) == 3

    file.close(complete=False)
    assert is_begun(path, job)
