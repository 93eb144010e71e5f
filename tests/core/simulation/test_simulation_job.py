"""A dataset in blocks: which shots they hold does not depend on who makes them."""

import json

import numpy as np
import pytest

from specklenn.core.settings_file import Document, validate
from specklenn.core.simulation.experiment import Experiment
from specklenn.core.simulation.simulation_job import (
    BlockMaker,
    SimulationJob,
    make_work,
)

COUNTING = {"read_noise_photons": 0}


@pytest.fixture
def job(small):
    """One hundred shots in two blocks."""
    return SimulationJob(experiment=Experiment(**small), shots=100)


def assert_same(found, expected):
    np.testing.assert_array_equal(found.patterns, expected.patterns)
    assert found.patterns.dtype == expected.patterns.dtype
    assert found.truth.dtype == expected.truth.dtype
    assert found.truth.tobytes() == expected.truth.tobytes()


@pytest.mark.parametrize("shots", [1, 63, 64, 65, 128, 200])
def test_the_blocks_hold_every_shot_once(small, shots):
    job = SimulationJob(experiment=Experiment(**small), shots=shots)
    maker = BlockMaker(job)

    indices = [maker.indices(block) for block in range(job.blocks)]

    assert np.concatenate(indices).tolist() == list(range(shots))
    assert {len(block) for block in indices[:-1]} <= {job.block_shots}
    assert len(indices[-1]) > 0


@pytest.mark.parametrize(
    ("detector", "shots"),
    [
        ({"rows": 32, "columns": 32}, 64),
        ({"rows": 512, "columns": 1024}, 3),
        ({"rows": 512, "columns": 1024, "binning": 2}, 15),
        ({"rows": 512, "columns": 128, "modules": [{"x_m": 0, "y_m": 0}] * 4}, 7),
        ({"rows": 4096, "columns": 4096}, 1),
    ],
)
def test_a_block_holds_as_many_frames_as_fit_into_its_bytes_and_64_at_most(
    small, detector, shots
):
    experiment = Experiment(**small | {"detector": detector})

    assert SimulationJob(experiment=experiment, shots=1000).block_shots == shots


@pytest.mark.parametrize("changes", [{}, {"noise": COUNTING}, {"hits": (2, 5)}])
@pytest.mark.parametrize("block", [0, 1])
def test_a_packed_block_holds_the_shots_of_the_factory(small, changes, block):
    job = SimulationJob(experiment=Experiment(**small | changes), shots=70)
    maker = BlockMaker(job)

    found = maker.unpack(block, maker.make(block))

    assert_same(found, job.simulator().shots(maker.indices(block)))


def test_a_block_of_modules_keeps_their_shape(small):
    modules = [{"x_m": 0.0, "y_m": 0.02}, {"x_m": 0.0, "y_m": -0.02}]
    detector = {"rows": 8, "columns": 16, "pixel_size_m": 2.4e-3, "modules": modules}
    job = SimulationJob(
        experiment=Experiment(**small | {"detector": detector}), shots=3
    )
    maker = BlockMaker(job)

    assert maker.unpack(0, maker.make(0)).patterns.shape == (3, 2, 8, 16)


def test_per_class_gives_every_class_of_every_sample_its_shots(small):
    job = SimulationJob(experiment=Experiment(**small), shots=3 * 4 * 2, per_class=2)

    truth = job.simulator().shots(np.arange(job.shots)).truth

    pairs = [(row["name"], row["label"]) for row in truth if row["particles"]]
    names = ["procedural-0-0", "procedural-0-1", "virus"]
    expected = [
        (n, c) for n in names for c in ("single-hit", "multi-hit") for _ in "ab"
    ]
    assert pairs == expected
    labels, counts = np.unique(truth["label"], return_counts=True)
    assert dict(zip(labels.tolist(), counts.tolist(), strict=True)) == {
        "single-hit": 6,
        "multi-hit": 6,
        "non-sample-hit": 6,
        "no-hit": 6,
    }


def test_a_task_survives_json_with_its_folder(small, tmp_path):
    changes = {"structures": ["a.pdb", {"file": "b.cif", "assembly": "1"}]}
    job = SimulationJob(
        experiment=Experiment(**small | changes),
        folder=tmp_path,
        shots=7,
        per_class=1,
        live_Hz=12.5,
    )

    again = SimulationJob.model_validate_json(job.model_dump_json())

    assert again == job


def test_the_names_of_structures_do_not_say_where_a_file_was_made(small, tmp_path):
    def described(folder):
        names = ["a.pdb", {"file": "b.cif"}, "/there/c.pdb"]
        document = Document(small | {"structures": names}, "a", folders=(folder,))
        experiment = validate(Experiment, document)
        return SimulationJob(experiment=experiment, folder=folder, shots=7).described

    assert described(tmp_path) == described(tmp_path / "other")
    structures = json.loads(described(tmp_path))["experiment"]["structures"]
    assert structures == ["a.pdb", {"file": "b.cif", "assembly": None}, "/there/c.pdb"]


def test_work_made_from_json_is_the_work_of_the_task(job):
    work = make_work(job.model_dump_json())

    assert work(1) == BlockMaker(job).make(1)


def test_what_a_file_is_made_from_does_not_say_where_it_was_made(job, tmp_path):
    elsewhere = job.model_copy(update={"folder": tmp_path})

    assert elsewhere.described == job.described
    assert str(tmp_path) not in elsewhere.described


@pytest.mark.parametrize(
    "changes", [{"shots": 99}, {"per_class": 5}, {"live_Hz": 1.0}, {"experiment": None}]
)
def test_tasks_that_differ_are_described_differently(small, job, changes):
    if "experiment" in changes:
        changes = {"experiment": Experiment(**small | {"seed": 1})}

    other = job.model_copy(update=changes)

    assert other.described != job.described
    assert json.loads(other.described).keys() == json.loads(job.described).keys()
