import gzip
from pathlib import Path

import numpy as np
import pytest

from specklenn.core.errors import DataError
from specklenn.core.simulation.structures import centred, read_structure

gemmi = pytest.importorskip("gemmi")

ATOM = (
    "{kind:<6}{number:5d}  {name:<3}{altloc}{residue} A{number:4d}    "
    "{x:8.3f}{y:8.3f}{z:8.3f}  1.00 10.00          {element:>2}\n"
)


def atom_line(number, name, element, xyz, residue="ALA", altloc=" ", kind="ATOM"):
    x, y, z = xyz
    return ATOM.format(
        kind=kind,
        number=number,
        name=name,
        altloc=altloc,
        residue=residue,
        x=x,
        y=y,
        z=z,
        element=element,
    )


PDB = (
    "MODEL        1\n"
    + atom_line(1, "CA", "C", (0, 0, 0))
    + atom_line(2, "CA", "C", (12, 0, 0), altloc="A")
    + atom_line(2, "CA", "C", (99, 0, 0), altloc="B")
    + atom_line(3, "HA", "H", (5, 5, 5))
    + atom_line(4, "O", "O", (50, 50, 50), residue="HOH", kind="HETATM")
    + "ENDMDL\nMODEL        2\n"
    + atom_line(1, "CA", "C", (70, 0, 0))
    + "ENDMDL\nEND\n"
)


@pytest.fixture
def pdb_file(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.pdb"
    path.write_text(PDB)
    return path


def test_pdb_gives_first_model_first_altloc_and_no_water_or_hydrogen(pdb_file):
    structure = read_structure(pdb_file)

    assert structure.name == "tiny"
    np.testing.assert_array_equal(structure.atomic_numbers, [6, 6])
    np.testing.assert_allclose(structure.positions, [[-6, 0, 0], [6, 0, 0]])
    assert structure.positions.dtype == np.float32


def test_mmcif_and_gz_give_the_same_atoms_as_pdb(pdb_file, tmp_path):
    cif = tmp_path / "tiny.cif"
    gemmi.read_structure(str(pdb_file)).make_mmcif_document().write_file(str(cif))
    packed = tmp_path / "packed.pdb.gz"
    packed.write_bytes(gzip.compress(PDB.encode()))

    expected = read_structure(pdb_file).positions

    np.testing.assert_allclose(read_structure(cif).positions, expected, atol=1e-3)
    np.testing.assert_allclose(read_structure(packed).positions, expected)
    assert read_structure(packed).name == "packed"


def test_npz_positions_are_hundredths_of_an_angstrom(tmp_path):
    path = tmp_path / "one.npz"
    np.savez(
        path,
        xyz_centi_angstrom=np.array([[0, 0, 0], [300, 0, 0]], np.int16),
        z=np.array([8, 8], np.uint8),
    )

    structure = read_structure(path)

    np.testing.assert_allclose(structure.positions[:, 0], [-1.5, 1.5])
    assert structure.radius_angstrom == pytest.approx(1.5)


def test_centre_is_that_of_the_electrons():
    structure = centred(np.array([[0.0, 0, 0], [4.0, 0, 0]]), np.array([6, 18]), "x")

    np.testing.assert_allclose(structure.positions[:, 0], [-3, 1])


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        (None, "gone.pdb", "no such file"),
        (b"END\n", "empty.pdb", "no atoms"),
        (b"not a zip", "broken.npz", "npz form"),
        (
            atom_line(1, "Q", "Q", (0, 0, 0)).encode(),
            "strange.pdb",
            "has no element",
        ),
    ],
)
def test_unusable_files_are_refused_in_a_sentence(tmp_path, content, name, message):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(DataError, match=message):
        read_structure(path)


def test_positions_that_are_no_numbers_are_refused():
    with pytest.raises(DataError, match="not a number"):
        centred(np.array([[np.nan, 0, 0]]), np.array([6]), "x")
