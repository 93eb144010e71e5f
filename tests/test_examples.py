"""The scripts under examples/ do what their first lines say."""

import itertools
import runpy
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from specklenn.core.data import labelled_dataset
from specklenn.core.simulation.structures import read_structure

ROOT = Path(__file__).parent.parent
CONTACT = 3.0


def script(name):
    return runpy.run_path(str(ROOT / "examples" / name))


def run(monkeypatch, name, *arguments):
    monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
    runpy.run_path(str(ROOT / "examples" / name), run_name="__main__")


@pytest.mark.slow
def test_the_demos_supports_can_be_made_again(tmp_path, monkeypatch):
    run(monkeypatch, "make_demo_support.py", tmp_path / "demo.h5")

    with (
        h5py.File(tmp_path / "demo.h5") as made,
        h5py.File(ROOT / "configs/support/demo.h5") as packaged,
    ):
        for dataset in (
            labelled_dataset.DATA,
            labelled_dataset.MASK,
            labelled_dataset.LABEL,
        ):
            np.testing.assert_array_equal(made[dataset][()], packaged[dataset][()])


@pytest.fixture
def blob(tmp_path):
    """A long box of atoms in a file, as examples/release/data.sh expects it."""
    places = np.random.default_rng(0).uniform(-1, 1, (3000, 3)) * [20, 30, 60]
    path = tmp_path / "blob.npz"
    numbers = np.full(3000, 6, np.uint8)
    np.savez(path, xyz_centi_angstrom=np.rint(100 * places).astype(np.int32), z=numbers)
    return path


@pytest.fixture
def atoms(blob):
    with np.load(blob) as stored:
        return stored["xyz_centi_angstrom"] / 100, stored["z"]


def test_a_half_lies_on_one_side_of_a_plane(atoms):
    kept, numbers = script("release/relatives.py")["half"](
        atoms, np.random.default_rng(1)
    )

    left = {tuple(place) for place in atoms[0]} - {tuple(place) for place in kept}
    assert 0.3 < len(kept) / 3000 < 0.7
    assert len(numbers) == len(kept)
    assert np.linalg.norm(kept.mean(axis=0) - np.mean(list(left), axis=0)) > 15


def test_a_rod_is_as_long_and_thinner(atoms):
    kept, _ = script("release/relatives.py")["rod"](atoms, np.random.default_rng(1))

    assert np.ptp(kept[:, 2]) > 115
    assert np.hypot(*kept[:, :2].T).max() < 0.8 * np.hypot(*atoms[0][:, :2].T).max()


@pytest.mark.parametrize("seed", range(4))
def test_a_chain_is_of_copies_that_touch_in_a_row(atoms, seed):
    places, numbers = script("release/relatives.py")["chain"](
        atoms, np.random.default_rng(seed)
    )

    copies = places.reshape(-1, 3000, 3)
    spread = [np.linalg.norm(copy - copy.mean(axis=0), axis=1).std() for copy in copies]
    ends = [(copy[:, 2].min(), copy[:, 2].max()) for copy in copies]
    assert 2 <= len(copies) <= 4
    assert len(numbers) == len(places)
    np.testing.assert_allclose(spread, spread[0])
    for (_, top), (bottom, _) in itertools.pairwise(ends):
        assert top - bottom == pytest.approx(CONTACT)
    assert ends[-1][1] <= 400


def test_relatives_are_the_same_every_time_and_readable(blob, tmp_path, monkeypatch):
    for folder in ("a", "b"):
        run(monkeypatch, "release/relatives.py", tmp_path, tmp_path / folder, "blob")

    (first,), (second,) = (list((tmp_path / name).iterdir()) for name in "ab")
    assert first.name == second.name
    assert np.array_equal(
        read_structure(first).positions, read_structure(second).positions
    )
