from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("finufft")
pytest.importorskip("gemmi")

from specklenn.core.errors import DataError
from specklenn.core.simulation.detector import Detector, Geometry
from specklenn.core.simulation.experiment import Experiment, StructureFile
from specklenn.core.simulation.particles import make_particle
from specklenn.core.simulation.sample_library import (
    SampleLibrary,
    count_samples,
    find_structures,
)
from specklenn.core.simulation.samples import Molecule, SolidBody

# A carbon 9 angstrom off a 2-fold axis along z, and the operators of its dimer.
DIMER = """\
REMARK 350 BIOMOLECULE: 1
REMARK 350 APPLY THE FOLLOWING TO CHAINS: A
REMARK 350   BIOMT1   1  1.000000  0.000000  0.000000        0.00000
REMARK 350   BIOMT2   1  0.000000  1.000000  0.000000        0.00000
REMARK 350   BIOMT3   1  0.000000  0.000000  1.000000        0.00000
REMARK 350   BIOMT1   2 -1.000000  0.000000  0.000000        0.00000
REMARK 350   BIOMT2   2  0.000000 -1.000000  0.000000        0.00000
REMARK 350   BIOMT3   2  0.000000  0.000000  1.000000        0.00000
ATOM      1  CA  ALA A   1       9.000   0.000   0.000  1.00 10.00           C
END
"""


@pytest.fixture
def dimer(tmp_path) -> Path:
    path = tmp_path / "dimer.pdb"
    path.write_text(DIMER)
    return path


def write_npz(path, distance_angstrom):
    """Two carbons so far apart."""
    places = np.array([[0, 0, 0], [100 * distance_angstrom, 0, 0]])
    np.savez(path, xyz_centi_angstrom=places, z=np.array([6, 6]))
    return path


def library(geometry, most_bytes=1 << 30, **settings):
    return SampleLibrary(Experiment.model_validate(settings), geometry, most_bytes)


def forward(sample):
    """Electrons, as seen by a detector of small angles."""
    field = sample.field(np.eye(3), sample.draw_shape(np.random.default_rng(0)))
    return abs(field).max()


@pytest.fixture(scope="module")
def far() -> Geometry:
    return Geometry.of(Detector(rows=8, columns=8, distance_m=100.0))


def test_samples_are_structures_then_procedural_particles_then_bodies(
    geometry, tmp_path
):
    path = write_npz(tmp_path / "pair.npz", 30)

    found = library(
        geometry,
        structures=[path],
        procedural={"count": 2, "seed": 9, "atoms": (100, 200)},
        bodies=[{"name": "virus", "shape": "sphere", "radius_angstrom": (50, 60)}],
    )

    names = [found[number].name for number in range(len(found))]
    assert names == ["pair", "procedural-9-0", "procedural-9-1", "virus"]
    kinds = [type(found[number]) for number in (0, 1, 3)]
    assert kinds == [Molecule, Molecule, SolidBody]


def test_a_sample_is_made_ready_for_the_detector(geometry, small):
    found = library(geometry, **small)[1]

    structure = make_particle(0, 1, (300, 600))
    expected = Molecule(structure, geometry)
    shape = expected.draw_shape(np.random.default_rng(0))
    np.testing.assert_array_equal(
        found.field(np.eye(3), shape), expected.field(np.eye(3), shape)
    )


def test_a_sample_in_use_is_made_ready_once(geometry, small):
    samples = library(geometry, **small)

    assert samples[0] is samples[0]


def test_in_a_full_memory_the_sample_used_before_makes_room(geometry, small):
    """So that of samples taken round and round not all are made anew each time."""
    everything = library(geometry, **small)
    needed = sum(everything[number].nbytes for number in range(3))
    samples = library(geometry, most_bytes=needed - 1, **small)

    first, second, third = (samples[number] for number in range(3))

    assert samples[0] is first
    assert samples[2] is third
    assert samples[1] is not second


def test_a_sample_larger_than_all_memory_is_held_alone(geometry, small):
    samples = library(geometry, most_bytes=1, **small)

    first = samples[0]
    again = samples[0]
    samples[1]

    assert again is first
    assert samples[0] is not first


def test_a_sample_made_ready_again_is_the_same(geometry, small):
    tight, roomy = library(geometry, 1, **small), library(geometry, **small)
    shape = roomy[0].draw_shape(np.random.default_rng(0))
    before = tight[0].field(np.eye(3), shape)

    tight[1]

    np.testing.assert_array_equal(tight[0].field(np.eye(3), shape), before)
    np.testing.assert_array_equal(roomy[0].field(np.eye(3), shape), before)


def test_a_folder_stands_for_its_structure_files(tmp_path):
    for name in ("b.npz", "a.pdb.gz", "notes.txt", "c.cif"):
        (tmp_path / name).touch()

    found = find_structures(tmp_path)

    assert [path.name for path in found] == ["a.pdb.gz", "b.npz", "c.cif"]
    assert find_structures(Path("single.cif")) == [Path("single.cif")]


def test_every_structure_of_a_folder_is_a_sample(geometry, tmp_path):
    for name in ("two", "one"):
        write_npz(tmp_path / f"{name}.npz", 30)

    found = library(geometry, structures=[tmp_path])

    assert [found[0].name, found[1].name] == ["one", "two"]


def test_samples_are_counted_without_reading_them(tmp_path, small):
    (tmp_path / "not read.pdb").touch()
    settings = {**small, "structures": [tmp_path, "missing.pdb"]}

    assert count_samples(Experiment.model_validate(settings)) == 5


def test_a_folder_without_structures_is_refused(geometry, tmp_path):
    with pytest.raises(DataError, match="no structure files"):
        library(geometry, structures=[tmp_path])


def test_a_missing_structure_is_refused_when_it_is_needed(geometry, tmp_path):
    samples = library(geometry, structures=[tmp_path / "missing.pdb"])

    with pytest.raises(DataError, match=r"missing\.pdb: no such file"):
        samples[0]


def test_the_assembly_asked_for_is_built(far, dimer):
    plain = library(far, structures=[dimer])
    built = library(far, structures=[StructureFile(file=dimer, assembly="1")])

    assert built[0].name == "dimer-assembly1"
    assert forward(plain[0]) == pytest.approx(6, rel=1e-3)
    assert forward(built[0]) == pytest.approx(12, rel=1e-3)


def test_an_assembly_can_be_asked_of_a_whole_folder(far, dimer):
    settings = {"file": str(dimer.parent), "assembly": "1"}

    assert library(far, structures=[settings])[0].name == "dimer-assembly1"


def test_check_names_what_the_detector_cannot_show(tmp_path):
    geometry = Geometry.of(Detector())
    write_npz(tmp_path / "fits.npz", 800)
    write_npz(tmp_path / "too long.npz", 1000)

    warnings = library(
        geometry,
        structures=[tmp_path],
        bodies=[
            {"name": "small", "radius_angstrom": (300, 410)},
            {
                "name": "long",
                "shape": "sphere",
                "radius_angstrom": (300, 410),
                "stretch": (1, 1.5),
            },
        ],
    ).check()

    # Wavelength times distance over four pixels: 415 angstrom.
    assert len(warnings) == 2
    assert warnings[0].startswith("too long: radius 500 angstrom, ")
    assert warnings[1].startswith("long: radius 615 angstrom, ")
    assert all("samples particles of up to 415;" in warning for warning in warnings)


def test_check_has_nothing_to_say_of_small_samples(geometry, small):
    assert library(geometry, **small).check() == []


def test_check_names_the_largest_of_random_bodies_for_all_of_them():
    geometry = Geometry.of(Detector(rows=72, columns=72, pixel_size_m=9e-4))
    samples = library(
        geometry, random_bodies={"count": 6, "radius_angstrom": (210, 220)}
    )
    radii = [entry.source.largest_radius_angstrom for entry in samples.entries]

    (warning,) = samples.check()

    assert warning.startswith(f"body-0-00{np.argmax(radii)}: radius {max(radii):.0f} ")


@pytest.mark.parametrize(
    "settings",
    [
        {"random_bodies": {"count": 20, "radius_angstrom": (1900, 2000)}},
        {"bodies": [{"name": "virus", "radius_angstrom": (1900, 2000)}]},
    ],
)
def test_check_refuses_icosahedra_too_large_to_be_simulated(settings):
    samples = library(Geometry.of(Detector()), **settings)

    with pytest.raises(DataError, match=r"radius up to \d+ angstrom, at most \d+ can"):
        samples.check()


def test_a_body_of_which_nothing_can_be_seen_cannot_be_made_as_bright_as_asked():
    blind = Detector(rows=8, columns=8, beam_stop_rows=8, beam_stop_columns=8)
    samples = library(Geometry.of(blind), random_bodies={"count": 1})

    with pytest.raises(DataError, match="body-0-000: no photons on the good pixels"):
        samples.conditions(0)


def test_check_leaves_procedural_particles_out(small):
    coarse = Geometry.of(Detector(rows=8, columns=8, pixel_size_m=2e-2))

    warnings = library(coarse, **small).check()

    assert [warning.split(":")[0] for warning in warnings] == ["virus"]


def test_check_reads_every_structure(geometry, tmp_path):
    (tmp_path / "broken.pdb").write_text("no structure\n")

    with pytest.raises(DataError, match=r"broken\.pdb"):
        library(geometry, structures=[tmp_path]).check()


def test_check_says_how_much_solvent_is_left_out(geometry, tmp_path):
    place = "      90.000   0.000   0.000  1.00 10.00          "
    atom, water, ion = (
        f"ATOM      1 {name} A   1{place}{element:>2}\n"
        for name, element in ((" CA  ALA", "C"), (" OW  SOL", "O"), ("NA   NA ", "NA"))
    )
    (tmp_path / "dry.pdb").write_text(atom)
    (tmp_path / "md1.pdb").write_text(atom + water + ion)
    (tmp_path / "md2.pdb").write_text(atom + water)

    said = library(geometry, structures=[tmp_path]).check()

    assert said == ["md1 and 1 more: 2 waters and 1 ions left out"]
