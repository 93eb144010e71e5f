import gzip
from pathlib import Path

import numpy as np
import pytest

from specklenn.core.errors import DataError
from specklenn.core.simulation.structures import centred, read_structure

gemmi = pytest.importorskip("gemmi")

ATOM = (
    "{kind:<6}{number:5d}  {name:<3}{altloc}{residue} {chain}{number:4d}    "
    "{x:8.3f}{y:8.3f}{z:8.3f}  1.00 10.00          {element:>2}\n"
)


def atom_line(
    number, name, element, xyz, residue="ALA", altloc=" ", kind="ATOM", chain="A"
):
    x, y, z = xyz
    return ATOM.format(
        kind=kind,
        number=number,
        name=name,
        altloc=altloc,
        residue=residue,
        chain=chain,
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


HALF_TURN = np.diag([-1.0, -1, 1])
DIMER_ATOMS = np.array([[1.0, 2, 3], [4, 0, 0], [0, 0, 9]])


def remark_350(assembly, chains, matrices):
    text = f"REMARK 350 BIOMOLECULE: {assembly}\n"
    text += f"REMARK 350 APPLY THE FOLLOWING TO CHAINS: {chains}\n"
    for number, matrix in enumerate(matrices, 1):
        for row in range(3):
            a, b, c = matrix[row]
            text += f"REMARK 350   BIOMT{row + 1} {number:3d}"
            text += f"{a:10.6f}{b:10.6f}{c:10.6f}     {0:10.5f}\n"
    return text


@pytest.fixture
def dimer(tmp_path) -> Path:
    """A file of two carbons and, on the 2-fold axis, a zinc; a water chain."""
    a, b, on_axis = DIMER_ATOMS
    path = tmp_path / "dimer.pdb"
    path.write_text(
        remark_350(1, "A, W", [np.eye(3), HALF_TURN])
        + remark_350(2, "A", [np.eye(3)])
        + atom_line(1, "CA", "C", a)
        + atom_line(2, "CA", "C", b)
        + atom_line(3, "HA", "H", (9, 9, 9))
        + "TER\n"
        + atom_line(4, "O", "O", (30, 0, 0), residue="HOH", kind="HETATM", chain="W")
        + atom_line(5, "ZN", "ZN", on_axis, residue=" ZN", kind="HETATM")
        + "END\n"
    )
    return path


def as_mmcif(path: Path) -> Path:
    structure = gemmi.read_structure(str(path))
    structure.setup_entities()
    copy = path.with_suffix(".cif")
    structure.make_mmcif_document().write_file(str(copy))
    return copy


def rows(positions):
    """Positions as a set of rows, whatever their order."""
    return sorted(np.round(np.asarray(positions, float), 2).tolist())


@pytest.mark.parametrize("written", [Path, as_mmcif])
def test_assembly_is_the_matrices_applied_to_every_atom(dimer, written):
    a, b, on_axis = DIMER_ATOMS
    expected = np.array([a, b, HALF_TURN @ a, HALF_TURN @ b, on_axis])
    centre = np.average(expected, axis=0, weights=[6, 6, 6, 6, 30])

    structure = read_structure(written(dimer), assembly="1")

    assert structure.name == "dimer-assembly1"
    assert rows(structure.positions) == rows(expected - centre)
    assert sorted(structure.atomic_numbers) == [6, 6, 6, 6, 30]


def test_without_an_assembly_the_written_atoms_are_taken(dimer):
    assert len(read_structure(dimer).atomic_numbers) == 3
    assert len(read_structure(dimer, assembly="2").atomic_numbers) == 3


def icosahedral_rotations():
    """The 60 rotations that a 5-fold and a 3-fold axis generate."""
    golden = (1 + 5**0.5) / 2
    fifth = 0.5 * np.array(
        [
            [golden - 1, -golden, 1],
            [golden, 1, golden - 1],
            [-1, golden - 1, golden],
        ]
    )
    third = np.roll(np.eye(3), 1, axis=0)
    found = [np.eye(3)]
    for known in found:  # grows while it is walked, until it is closed
        for new in (fifth @ known, third @ known):
            if not any(np.allclose(new, other) for other in found):
                found.append(new)
    return found


def test_capsid_has_sixty_copies_of_every_chain(tmp_path):
    path = tmp_path / "capsid.pdb"
    chains = "ABCDEF"
    path.write_text(
        remark_350(1, ", ".join(chains), icosahedral_rotations())
        + "".join(
            atom_line(number, "CA", "C", (10 * number, 3, 100), chain=chain)
            for number, chain in enumerate(chains, 1)
        )
    )

    structure = read_structure(path, assembly="1")

    assert structure.positions.shape == (360, 3)
    expected = np.linalg.norm((60, 3, 100))
    assert structure.radius_angstrom == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("written", [Path, as_mmcif])
def test_unknown_assembly_names_those_of_the_file(dimer, pdb_file, written):
    with pytest.raises(DataError, match=r"no assembly 3; the file has 1, 2$"):
        read_structure(written(dimer), assembly="3")
    with pytest.raises(DataError, match="no assembly 1; the file describes none"):
        read_structure(written(pdb_file), assembly="1")


def test_assembly_of_an_absent_chain_is_refused(tmp_path):
    path = tmp_path / "partial.pdb"
    path.write_text(remark_350(1, "Q", [np.eye(3)]) + PDB)

    with pytest.raises(DataError, match="assembly 1 cannot be made: no chain Q"):
        read_structure(path, assembly="1")


def test_npz_has_no_assemblies(tmp_path):
    path = tmp_path / "one.npz"
    np.savez(path, xyz_centi_angstrom=np.zeros((1, 3), int), z=np.array([6]))

    with pytest.raises(DataError, match="no assembly 1; an npz file describes none"):
        read_structure(path, assembly="1")


def test_deuterium_is_a_hydrogen_and_occupancy_zero_counts(tmp_path):
    path = tmp_path / "heavy.pdb"
    absent = atom_line(3, "CB", "C", (8, 0, 0)).replace("  1.00 10.00", "  0.00 10.00")
    path.write_text(
        atom_line(1, "CA", "C", (0, 0, 0)) + atom_line(2, "DA", "D", (5, 5, 5)) + absent
    )

    np.testing.assert_allclose(read_structure(path).positions[:, 0], [-4, 4])


def test_every_atom_of_a_cluster_in_one_residue_is_kept(tmp_path):
    path = tmp_path / "gold.pdb"
    gold = (atom_line(1, "AU", "AU", (3 * x, 0, 0), " AU") for x in range(20))
    path.write_text("".join(gold))

    assert len(read_structure(path).atomic_numbers) == 20


CARBON = atom_line(1, "CA", "C", (0, 0, 0))


def strange(name, element, residue="LIG"):
    return (CARBON + atom_line(7, name, element, (1, 1, 1), residue=residue)).encode()


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        (None, "gone.pdb", "no such file"),
        (b"", "empty.pdb", "an empty file"),
        (b"", "empty.npz", "an empty file"),
        (gzip.compress(b"", mtime=0), "empty.pdb.gz", "an empty file"),
        (gzip.compress(PDB.encode())[:-20], "short.pdb.gz", "cut short"),
        (b"HEADER    X\nEND\n", "no-atoms.pdb", "no atoms"),
        (b"data_x\n_entry.id x\n", "no-atoms.cif", "no atoms"),
        (b"data_x\nloop_\n_a.b\n_a.c\n1 2 3\n", "short.cif", "read as mmCIF: .*loop"),
        (CARBON[:40].encode(), "short.pdb", "read as PDB: .*too short"),
        (b"Dear colleague,\nhello", "letter.pdb", "first line is 'Dear colleague,'"),
        (b"\x00\xff\x01\n", "binary.pdb", "not a PDB or mmCIF file"),
        (b"not a zip", "broken.npz", "npz form"),
        (
            atom_line(4, "O", "O", (0, 0, 0), residue="HOH").encode(),
            "wet.pdb",
            "no atoms besides waters",
        ),
        (
            strange("Q1", "Q"),
            "strange.pdb",
            "atom Q1 of LIG 7 in chain A, serial 7, has the element 'Q', the symbol",
        ),
        (strange("XX", ""), "blank.pdb", "atom XX of LIG 7 .* has no element"),
        (strange("O", "O", "DUM"), "membrane.pdb", "atom O of DUM 7 .* is a dummy"),
        (strange("DUM", ""), "dummy.pdb", "atom DUM of LIG 7 .* is a dummy"),
        (
            CARBON.replace("   0.000", "********").encode(),
            "overflow.pdb",
            r"line 1: '\*{24}' found, three numbers expected",
        ),
    ],
)
def test_unusable_files_are_refused_in_a_sentence(tmp_path, content, name, message):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(DataError, match=message) as refused:
        read_structure(path)
    assert str(refused.value).startswith(f"{path}: ")
    assert "\n" not in str(refused.value)


def test_unknown_element_of_an_mmcif_is_told_as_written(tmp_path):
    path = tmp_path / "strange.pdb"
    path.write_bytes(strange("Q1", "Q"))
    copy = as_mmcif(path)
    copy.write_text(copy.read_text().replace(" X Q1 ", " Q Q1 "))

    with pytest.raises(DataError, match=r"atom Q1 of LIG 7 .* has the element 'Q'"):
        read_structure(copy)


def test_mmcif_atom_without_position_is_refused(pdb_file):
    copy = as_mmcif(pdb_file)
    copy.write_text(copy.read_text().replace(" 12 ", " ? "))

    with pytest.raises(DataError, match=r"atom CA of ALA 2 .* not a number"):
        read_structure(copy)


def test_folder_is_refused(tmp_path):
    with pytest.raises(DataError, match="a folder, a PDB, mmCIF or npz file expected"):
        read_structure(tmp_path)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"z": [6]}, "no array xyz_centi_angstrom; it holds z, "),
        ({"z": ["C"], "xyz_centi_angstrom": [[0, 0, 0]]}, "z is <U1, integers"),
        ({"z": [6], "xyz_centi_angstrom": [[0.5, 0, 0]]}, "float64, integers"),
        ({"z": [6, 6], "xyz_centi_angstrom": [[0, 0, 0]]}, r"shape \(1, 3\) and"),
        ({"z": [6, 99], "xyz_centi_angstrom": [[0, 0, 0]] * 2}, "number is 99"),
    ],
)
def test_npz_of_the_wrong_form_is_refused(tmp_path, arrays, message):
    path = tmp_path / "wrong.npz"
    np.savez(path, **{key: np.array(value) for key, value in arrays.items()})

    with pytest.raises(DataError, match=message):
        read_structure(path)


@pytest.mark.parametrize("kept", [0.3, 0.6, 0.95])
def test_npz_cut_short_is_refused(tmp_path, kept):
    path = tmp_path / "cut.npz"
    np.savez(path, xyz_centi_angstrom=np.zeros((50, 3), int), z=np.full(50, 6))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole))])

    with pytest.raises(DataError, match="npz form, or one cut short"):
        read_structure(path)


def test_positions_that_are_no_numbers_are_refused():
    with pytest.raises(DataError, match="not a number"):
        centred(np.array([[np.nan, 0, 0]]), np.array([6]), "x")
