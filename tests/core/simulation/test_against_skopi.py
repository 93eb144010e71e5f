"""The same atoms, detector, beam and orientation given to skopi and to us.

skopi (PyPI) is the field's simulator; here its direct sum on the CPU is the
judge. It is not installed by default. A missing skopi skips these tests, one
that breaks on import fails them. Its conventions, all fixed here and none of
them fitted:

- quaternions are (w, x, y, z) and turn the atoms, as our rotation matrices do;
- y grows with the row, so its picture is upside down beside ours;
- positions in metre, scattering vectors s = q / 2 pi in 1/metre, form factors
  over sin(theta) / lambda in 1/angstrom.
"""

import numpy as np
import pytest

pytest.importorskip("gemmi")
pytest.importorskip("skopi")

import skopi
from scipy.spatial.transform import Rotation

from specklenn.core.simulation.detector import Detector, Geometry
from specklenn.core.simulation.particles import make_particle
from specklenn.core.simulation.scattering import (
    amplitudes_direct,
    expected_photons,
)
from specklenn.core.simulation.structures import Structure, centred

pytestmark = pytest.mark.skopi

PHOTONS = 1e12
FOCUS_RADIUS_M = 0.5e-6
FLUENCE = PHOTONS / (np.pi * (FOCUS_RADIUS_M * 1e10) ** 2)
PIXELS = 64
PIXEL_SIZE_M = 1.2e-3
SYMBOLS = {6: "C", 7: "N", 8: "O", 16: "S", 26: "FE", 79: "AU"}

TURNS = {
    "not turned": Rotation.identity(),
    "about x": Rotation.from_rotvec([0.7, 0.0, 0.0]),
    "any": Rotation.from_rotvec([0.4, -1.1, 2.0]),
}


def procedural() -> Structure:
    return make_particle(3, 1, (2000, 2000))


def helix_with_metals() -> Structure:
    angle = np.linspace(0.0, 9.0, 120)
    positions = np.stack(
        (20 * np.cos(angle), 20 * np.sin(angle), 8 * angle + angle**2), axis=1
    )
    elements = np.resize([6, 8, 26, 7, 6, 16, 79], len(angle))
    return centred(positions, elements, "helix")


STRUCTURES = {"procedural": procedural, "helix": helix_with_metals}


@pytest.fixture(params=STRUCTURES)
def structure(request) -> Structure:
    return STRUCTURES[request.param]()


@pytest.fixture(params=TURNS)
def turn(request):
    return TURNS[request.param]


@pytest.fixture(scope="module")
def geometry() -> Geometry:
    return Geometry.of(Detector(rows=PIXELS, columns=PIXELS, pixel_size_m=PIXEL_SIZE_M))


def our_photons(geometry, structure, rotation):
    field = amplitudes_direct(structure, geometry.q, rotation[None])[0]
    photons = expected_photons(field, geometry.cross_sections, FLUENCE)
    return photons.reshape(geometry.shape)


def skopi_photons(structure, turn):
    x, y, z, w = turn.as_quat()
    particle = skopi_particle(structure)
    particle.rotate(np.array([w, x, y, z]))
    detector = skopi_detector()
    intensities = skopi.calculate_molecular_form_factor_square(
        particle,
        detector.pixel_distance_reciprocal * 1e-10 / 2,
        detector.pixel_position_reciprocal,
    )
    return detector.add_correction(intensities)[0, ::-1]


def skopi_detector():
    beam = skopi.Beam(
        photon_energy=1660.0, focus_radius=FOCUS_RADIUS_M, fluence=PHOTONS
    )
    return skopi.SimpleSquareDetector(
        PIXELS, PIXELS * PIXEL_SIZE_M, det_distance=0.1, beam=beam
    )


def skopi_particle(structure):
    order = np.argsort(structure.atomic_numbers, kind="stable")
    particle = skopi.Particle()
    particle.create_from_atoms(
        [
            (SYMBOLS[int(structure.atomic_numbers[atom])], structure.positions[atom])
            for atom in order
        ]
    )
    return particle


def correlation(ours, theirs):
    return np.corrcoef(np.ravel(ours), np.ravel(theirs))[0, 1]


def test_every_pixel_has_the_geometry_and_corrections_of_skopi(geometry):
    theirs = skopi_detector()

    s = theirs.pixel_position_reciprocal[0, ::-1].reshape(-1, 3)
    weights = theirs.linear_correction[0, ::-1].ravel()

    np.testing.assert_allclose(geometry.q, 2e-10 * np.pi * s, rtol=1e-6, atol=1e-9)
    # skopi has 2.817895e-15 m for the radius of the electron, CODATA 2.817940e-15.
    np.testing.assert_allclose(FLUENCE * geometry.cross_sections, weights, rtol=4e-5)


def test_patterns_agree_with_skopi_beyond_0_999(geometry, structure, turn):
    ours = our_photons(geometry, structure, turn.as_matrix())
    theirs = skopi_photons(structure, turn)

    assert correlation(ours, theirs) > 0.999
    assert correlation(np.log(ours), np.log(theirs)) > 0.999


def test_total_photons_agree_with_skopi_to_a_thousandth(geometry, structure, turn):
    ours = our_photons(geometry, structure, turn.as_matrix())
    theirs = skopi_photons(structure, turn)

    assert ours.sum() == pytest.approx(theirs.sum(), rel=1e-3)


def test_fields_of_a_touching_pair_add_to_the_fringes_of_skopi(geometry):
    single = procedural()
    turns = TURNS["about x"], TURNS["any"]
    rotations = np.array([turn.as_matrix() for turn in turns])
    contact = np.array([1.0, 1.0, 0.5]) / 1.5 * 2 * single.radius_angstrom
    places = np.array([np.zeros(3), contact])

    fields = amplitudes_direct(single, geometry.q, rotations)
    field = (fields * np.exp(1j * places @ geometry.q.T)).sum(axis=0)
    ours = expected_photons(field, geometry.cross_sections, FLUENCE)
    posed = np.einsum("kij,nj->kni", rotations, single.positions) + places[:, None]
    both = Structure(
        positions=posed.reshape(-1, 3).astype(np.float32),
        atomic_numbers=np.tile(single.atomic_numbers, 2),
        name="pair",
    )
    theirs = skopi_photons(both, TURNS["not turned"])

    assert correlation(ours, theirs) > 0.999
    assert ours.sum() == pytest.approx(theirs.sum(), rel=1e-3)


@pytest.mark.parametrize("structure", STRUCTURES, indirect=True)
def test_a_wrong_convention_would_be_noticed(geometry, structure):
    turn = TURNS["any"]
    theirs = skopi_photons(structure, turn)

    ours = our_photons(geometry, structure, turn.as_matrix())
    turned_back = our_photons(geometry, structure, turn.as_matrix().T)

    for wrong in (ours[::-1], ours[:, ::-1], ours[::-1, ::-1], ours.T, turned_back):
        assert correlation(wrong, theirs) < 0.99
