"""What is solvent in files of molecular dynamics, and what only shares its name."""

import numpy as np
import pytest

from specklenn.core.errors import DataError
from specklenn.core.simulation.structures import read_structure

pytest.importorskip("gemmi")

LINE = (
    "{kind:<6}{serial:>5} {atom:<4}{altloc}{residue:<4}{chain}{number:>4}    "
    "{x:8.3f}{y:8.3f}{z:8.3f}  1.00  0.00          {element:>2}\n"
)


def line(
    atom,
    residue,
    element,
    xyz=(0, 0, 0),
    serial=1,
    number=1,
    kind="ATOM",
    altloc=" ",
):
    x, y, z = xyz
    return LINE.format(
        kind=kind,
        serial=serial,
        atom=atom,
        residue=residue,
        chain="A",
        altloc=altloc,
        number=number,
        x=x,
        y=y,
        z=z,
        element=element,
    )


PARTICLE = line(" CA ", "ALA", "C", (0, 0, 0)) + line(
    " CB ", "ALA", "C", (2, 0, 0), serial=2
)


@pytest.fixture
def read(tmp_path):
    """Read a file of two carbons and more lines."""

    def read_with(*more, particle=PARTICLE):
        path = tmp_path / "md.pdb"
        path.write_text(particle + "".join(more) + "END\n")
        return read_structure(path)

    return read_with


WATERS = ("HOH", "WAT", "SOL", "SPC", "T3P", "T4P", "TIP", "TIP3", "TIP4", "TP3", "OPC")


@pytest.mark.parametrize("name", WATERS)
@pytest.mark.parametrize("oxygen", [" OH2", " O  ", " OW "])
def test_waters_of_every_name_are_left_out_and_counted(read, name, oxygen):
    far = [
        line(atom, name, element, (100, 0, k), number=k)
        for k in (2, 3)
        for atom, element in ((oxygen, "O"), (" HW1", "H"), (" HW2", "H"))
    ]

    found = read(*far)

    assert (found.waters, found.ions) == (2, 0)
    assert found.radius_angstrom == pytest.approx(1)


@pytest.mark.parametrize("site", [" MW ", " M  ", " EPW", " OM ", " LP1"])
def test_virtual_sites_of_waters_are_no_atoms(read, site):
    found = read(line(" OW ", "SOL", "", number=2), line(site, "SOL", "", number=2))

    assert (found.waters, len(found.atomic_numbers)) == (1, 2)


IONS = (
    *("NA", "CL", "K", "MG", "CA", "LI", "RB", "CS", "BR", "IOD"),
    *("SOD", "CLA", "POT", "CAL", "LIT", "RUB", "CES", "BAR"),
    *("Na+", "Cl-", "K+", "MG2", "Mg+2", "CA2+"),
)


@pytest.mark.parametrize("name", IONS)
def test_ions_of_every_name_are_left_out_and_counted(read, name):
    found = read(line(f"{name:<4}", name, "", (100, 0, 0), number=2, kind="HETATM"))

    assert (found.waters, found.ions) == (0, 1)
    assert len(found.atomic_numbers) == 2


@pytest.mark.parametrize(
    ("name", "atoms"),
    [
        ("CLA", [("MG  ", "MG"), (" CHA", "C"), (" NA ", "N")]),  # chlorophyll
        ("T3P", [(" P  ", "P"), (" O1P", "O"), (" C1'", "C")]),  # thymidine phosphate
        ("ZN", [("ZN  ", "ZN")]),
        ("FE2", [("FE  ", "FE")]),
        ("SO4", [(" S  ", "S"), (" O1 ", "O")]),
    ],
)
def test_molecules_and_bound_metals_stay(read, name, atoms):
    found = read(*(line(atom, name, element, number=2) for atom, element in atoms))

    assert (found.waters, found.ions) == (0, 0)
    assert len(found.atomic_numbers) == 2 + len(atoms)


def test_a_calcium_is_an_ion_and_a_c_alpha_is_none(read):
    found = read(line("CA  ", "CA", "CA", number=2), line(" CA ", "GLY", "C", number=3))

    assert found.ions == 1
    assert found.atomic_numbers.tolist() == [6, 6, 6]


def test_a_box_of_water_alone_is_refused(read):
    with pytest.raises(DataError, match="no atoms besides waters, ions and hydrogens"):
        read(line(" OW ", "SOL", "O"), particle="")


def test_serials_that_begin_again_lose_no_atom(read):
    """As files of more than 99,999 atoms and 9,999 residues have them."""
    carbons = [
        line(" CA ", "ALA", "C", (k, 0, 0), serial=k % 3, number=k % 2)
        for k in range(12)
    ]
    stars = line(" CA ", "ALA", "C", (12, 0, 0), serial="*****", number="****")

    found = read(*carbons, stars, particle="")

    np.testing.assert_allclose(np.diff(np.sort(found.positions[:, 0])), 1)
    assert len(found.positions) == 13


def test_hybrid_36_serials_and_numbers_are_read(read):
    found = read(
        line(" CA ", "ALA", "C", (0, 0, 0), serial="99999", number="9999"),
        line(" CA ", "ALA", "C", (2, 0, 0), serial="A0000", number="A000"),
        line(" OW ", "SOL", "O", (90, 0, 0), serial="A0001", number="A001"),
        particle="",
    )

    assert (len(found.positions), found.waters) == (2, 1)
    assert found.radius_angstrom == pytest.approx(1)


def test_of_nmr_models_the_first_is_taken(read):
    models = [
        f"MODEL {number:8d}\n" + line(" CA ", "ALA", "C", (number, 0, 0)) + "ENDMDL\n"
        for number in range(1, 21)
    ]

    assert len(read(*models, particle="").positions) == 1


def test_of_alternate_locations_the_first_is_taken(read):
    found = read(
        line(" CA ", "ALA", "C", (0, 0, 0), altloc="A"),
        line(" CA ", "ALA", "C", (50, 0, 0), altloc="B"),
        line(" CB ", "ALA", "C", (2, 0, 0)),
        particle="",
    )

    assert found.radius_angstrom == pytest.approx(1)
