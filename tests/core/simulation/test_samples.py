from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

pytest.importorskip("finufft")
pytest.importorskip("gemmi")

from specklenn.core.simulation import samples
from specklenn.core.simulation.detector import Detector, Geometry
from specklenn.core.simulation.particles import fill
from specklenn.core.simulation.rotations import random_rotations
from specklenn.core.simulation.samples import Body, Molecule, ParticleShape, SolidBody
from specklenn.core.simulation.scattering import (
    amplitudes_direct,
    expected_photons,
    form_factors,
)
from specklenn.core.simulation.solids import ICOSAHEDRON_INRADIUS
from specklenn.core.simulation.structures import centred

NOT_TURNED = np.eye(3)
ANTICLOCKWISE = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])


def relative_error(found, expected):
    return np.linalg.norm(found - expected) / np.linalg.norm(expected)


def intensity(sample, rotation, geometry):
    field = sample.field(rotation, sample.draw_shape(np.random.default_rng(0)))
    return (abs(field) ** 2).reshape(geometry.shape)


def molecule_fields(structure, geometry, rotations):
    molecule = Molecule(structure, geometry)
    shape = molecule.draw_shape(np.random.default_rng(0))
    return np.array([molecule.field(rotation, shape) for rotation in rotations])


def body(shape, radius, **settings):
    return Body(
        name="body",
        shape=shape,
        radius_angstrom=(radius, radius),
        density_spread=0.0,
        **settings,
    )


def body_field(settings, geometry, rotation=NOT_TURNED):
    solid = SolidBody(settings, geometry)
    return solid.field(rotation, solid.draw_shape(np.random.default_rng(0)))


def test_a_molecule_of_5000_atoms_agrees_with_the_direct_sum(geometry, protein, exact):
    found = molecule_fields(protein, geometry, exact.rotations)

    # In truth 1.5e-5: the kernel's 1e-5 and what single precision loses.
    assert found.dtype == np.complex64
    assert relative_error(found, exact.amplitudes) < 1e-4
    assert relative_error(abs(found) ** 2, abs(exact.amplitudes) ** 2) < 1e-4


@pytest.mark.parametrize(("atoms", "radius"), [(2, 1.0), (12, 3.0), (50, 15.0)])
def test_a_small_molecule_agrees_with_the_direct_sum(
    geometry, make_ball, atoms, radius
):
    structure = make_ball(atoms, radius)
    rotations = random_rotations(np.random.default_rng(0), 3)

    found = molecule_fields(structure, geometry, rotations)

    exact = amplitudes_direct(structure, geometry.q, rotations)
    # Below 3e-4: atoms are not small against the molecule.
    assert relative_error(found, exact) < 1e-3


def test_a_single_atom_scatters_with_its_form_factor(geometry):
    iron = centred(np.array([[5.0, -3.0, 8.0]]), np.array([26]), "iron")

    (found,) = molecule_fields(iron, geometry, NOT_TURNED[None])

    (expected,) = form_factors(np.array([26], np.uint8), geometry.lengths)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_a_molecule_too_large_for_a_grid_has_the_same_field(
    geometry, protein, monkeypatch
):
    rotations = random_rotations(np.random.default_rng(0), 2)
    with_grid = molecule_fields(protein, geometry, rotations)

    monkeypatch.setattr(samples, "LARGEST_GRID", 0)
    without = molecule_fields(protein, geometry, rotations)

    assert relative_error(without, with_grid) < 1e-4
    assert Molecule(protein, geometry).nbytes == protein.positions.nbytes


def test_all_particles_of_a_molecule_have_one_shape(geometry, protein):
    molecule = Molecule(protein, geometry)

    shape = molecule.draw_shape(np.random.default_rng(0))

    assert molecule.name == "ball of 5000"
    assert shape.radius_angstrom == protein.radius_angstrom
    assert shape.stretch == 1
    assert np.isnan([shape.shell_density, shape.core_density]).all()


def test_a_molecule_holds_memory_for_its_grid(geometry, protein):
    spacing = np.pi / (2 * protein.radius_angstrom)

    found = Molecule(protein, geometry).nbytes

    side = 2 * geometry.lengths.max() / spacing
    assert 8 * side**3 < found < 8 * (side + 10) ** 3


def test_turning_a_molecule_about_the_beam_turns_its_picture(geometry, protein):
    molecule = Molecule(protein, geometry)

    upright = intensity(molecule, NOT_TURNED, geometry)
    turned = intensity(molecule, ANTICLOCKWISE, geometry)

    outer = geometry.lengths.reshape(32, 32) > 0.2
    assert relative_error(turned[outer], np.rot90(upright)[outer]) < 1e-3
    assert relative_error(turned[outer], np.rot90(upright, -1)[outer]) > 0.3


def test_at_small_angles_opposite_pixels_are_alike(protein):
    """Friedel's law: the electron density is real, the Ewald sphere almost flat."""
    narrow = Geometry.of(Detector(distance_m=10.0, rows=32, columns=32))

    pattern = intensity(Molecule(protein, narrow), NOT_TURNED, narrow)

    assert relative_error(pattern[::-1, ::-1], pattern) < 1e-3


def test_at_large_angles_the_ewald_sphere_tells_opposite_pixels_apart(
    geometry, protein
):
    """A pixel's opposite shows the amplitude on the sphere turned upside down."""
    pattern = intensity(Molecule(protein, geometry), NOT_TURNED, geometry)

    mirrored = geometry.q * [1.0, 1.0, -1.0]
    (exact,) = amplitudes_direct(protein, mirrored, NOT_TURNED[None])
    opposite = (abs(exact) ** 2).reshape(32, 32)
    assert relative_error(pattern[::-1, ::-1], opposite) < 1e-4
    outer = geometry.lengths.reshape(32, 32) > 0.2
    assert relative_error(pattern[::-1, ::-1][outer], pattern[outer]) > 0.3


def test_a_sphere_gives_the_photons_of_its_closed_form(ball_amplitude):
    detector = Detector(rows=9, columns=11, pixel_size_m=4e-3)
    geometry = Geometry.of(detector)

    field = body_field(body("sphere", 60.0, core_density=0.334), geometry)
    photons = expected_photons(field, geometry.cross_sections, 12_732.0)

    # Column 9 and row 1: 16 mm to the right of the beam and 12 mm above it.
    x, y, z = 16e-3, 12e-3, 0.1
    r = np.sqrt(x**2 + y**2 + z**2)
    q = 4 * np.pi / (12398.4198 / 1660.0) * np.sin(np.arccos(z / r) / 2)
    electrons = 0.334 * ball_amplitude(q, 60.0)
    solid_angle = 4e-3**2 * z / r**3
    thomson = 2.8179403e-5**2 * (1 - (x / r) ** 2)
    expected = 12_732.0 * thomson * solid_angle * electrons**2
    assert photons.reshape(9, 11)[1, 9] == pytest.approx(expected, rel=1e-5)


def test_a_shell_is_the_outer_sphere_without_the_inner(geometry, ball_amplitude):
    settings = body(
        "sphere",
        80.0,
        shell_thickness_angstrom=25.0,
        shell_density=0.43,
        core_density=0.1,
    )

    found = body_field(settings, geometry)

    outer, inner = (ball_amplitude(geometry.lengths, radius) for radius in (80, 55))
    expected = 0.43 * (outer - inner) + 0.1 * inner
    np.testing.assert_allclose(found, expected, atol=1e-6 * abs(expected).max())


def test_a_shell_of_the_cores_density_does_not_show(geometry):
    shell = {"shell_thickness_angstrom": 25.0, "shell_density": 0.43}

    found = body_field(body("icosahedron", 80.0, **shell), geometry)

    plain = body_field(body("icosahedron", 80.0), geometry)
    assert relative_error(found, plain) < 1e-4


@pytest.mark.parametrize("stretch", [0.6, 1.5])
def test_a_stretched_sphere_is_an_ellipsoid(geometry, ball_amplitude, stretch):
    (rotation,) = random_rotations(np.random.default_rng(0), 1)

    found = body_field(
        body("sphere", 60.0, stretch=(stretch, stretch)), geometry, rotation
    )

    # Along the body's own axes; its z axis points along the last column.
    own = geometry.q @ rotation
    lengths = np.sqrt(own[:, 0] ** 2 + own[:, 1] ** 2 + (stretch * own[:, 2]) ** 2)
    expected = 0.43 * stretch * ball_amplitude(lengths, 60.0)
    np.testing.assert_allclose(found, expected, atol=1e-6 * abs(expected).max())


def test_a_sphere_filled_with_atoms_scatters_like_a_solid_one():
    narrow = Geometry.of(Detector(rows=32, columns=32, distance_m=1.0))
    number = 20_000
    places = fill(np.random.default_rng(0), np.zeros((1, 3)), np.ones(1), number)
    carbon = centred(places, np.full(number, 6), "carbon")
    radius = (number * 17.3 * 3 / (4 * np.pi)) ** (1 / 3)

    (atoms,) = molecule_fields(carbon, narrow, NOT_TURNED[None])

    solid = body_field(body("sphere", radius, core_density=6 / 17.3), narrow)
    assert relative_error(atoms, solid) < 0.01


def test_an_icosahedral_body_is_the_polyhedron_in_closed_form(
    geometry, icosahedron_vertices, polyhedron_amplitude
):
    (rotation,) = random_rotations(np.random.default_rng(3), 1)

    found = body_field(body("icosahedron", 90.0), geometry, rotation)

    turned = 90.0 * icosahedron_vertices @ rotation.T
    expected = 0.43 * polyhedron_amplitude(turned, geometry.q.T)
    # 1e-5 of the forward amplitude and a little more far out, where little is left.
    forward = 0.43 * 2.53615 * 90.0**3
    np.testing.assert_allclose(found, expected, atol=5e-5 * forward)


def test_the_shell_of_an_icosahedron_is_as_thick_everywhere(
    geometry, icosahedron_vertices, polyhedron_amplitude
):
    settings = body(
        "icosahedron",
        90.0,
        shell_thickness_angstrom=20.0,
        shell_density=0.5,
        core_density=0.2,
    )
    (rotation,) = random_rotations(np.random.default_rng(4), 1)

    found = body_field(settings, geometry, rotation)

    # Faces of the core lie 20 angstrom below those of the body.
    inner = 90.0 - 20.0 / ICOSAHEDRON_INRADIUS
    outer, core = (
        polyhedron_amplitude(radius * icosahedron_vertices @ rotation.T, geometry.q.T)
        for radius in (90.0, inner)
    )
    expected = 0.5 * (outer - core) + 0.2 * core
    np.testing.assert_allclose(found, expected, atol=5e-5 * 0.5 * 2.53615 * 90.0**3)


@pytest.mark.parametrize("shape", ["sphere", "icosahedron"])
def test_twice_as_large_is_half_as_wide_and_eight_times_as_strong(geometry, shape):
    half = replace(geometry, q=geometry.q / 2, lengths=geometry.lengths / 2)

    large = body_field(body(shape, 120.0), half)

    found = body_field(body(shape, 60.0), geometry)
    assert relative_error(large, 8 * found) < 1e-5


@pytest.mark.parametrize(
    ("shape", "volume"), [("sphere", 4 / 3 * np.pi), ("icosahedron", 2.53615)]
)
def test_forward_a_body_scatters_with_all_its_electrons(shape, volume):
    far = Geometry.of(Detector(rows=8, columns=8, distance_m=1000.0))

    found = body_field(body(shape, 100.0, stretch=(1.2, 1.2)), far)

    np.testing.assert_allclose(found, 0.43 * 1.2 * volume * 1e6, rtol=1e-4)


def test_sizes_stretches_and_densities_differ_as_the_settings_say(geometry):
    settings = Body(
        name="virus",
        shape="sphere",
        radius_angstrom=(300.0, 400.0),
        stretch=(0.9, 1.1),
        shell_density=0.5,
        core_density=0.4,
        density_spread=0.05,
    )
    solid, random = SolidBody(settings, geometry), np.random.default_rng(0)

    forms = [solid.draw_shape(random) for _ in range(4000)]

    radii = np.array([shape.radius_angstrom for shape in forms])
    stretches = np.array([shape.stretch for shape in forms])
    shells = np.array([shape.shell_density for shape in forms])
    cores = np.array([shape.core_density for shape in forms])
    assert (radii.min(), radii.max()) == pytest.approx((300, 400), abs=0.5)
    assert radii.std() == pytest.approx(100 / np.sqrt(12), rel=0.05)
    assert (stretches.min(), stretches.max()) == pytest.approx((0.9, 1.1), abs=1e-3)
    assert shells.mean() == pytest.approx(0.5, abs=4.5 * 0.025 / np.sqrt(4000))
    assert shells.std() == pytest.approx(0.025, rel=4.5 / np.sqrt(8000))
    assert cores.std() == pytest.approx(0.02, rel=4.5 / np.sqrt(8000))
    assert abs(np.corrcoef(shells, cores)[0, 1]) < 4.5 / np.sqrt(4000)


def test_densities_are_never_negative(geometry):
    settings = Body(
        name="loose", shape="sphere", radius_angstrom=(50.0, 50.0), density_spread=0.3
    )
    solid, random = SolidBody(settings, geometry), np.random.default_rng(0)

    lowest = min(solid.draw_shape(random).core_density for _ in range(20_000))

    assert lowest == 0


def test_the_same_draw_gives_the_same_form(geometry):
    settings = Body(name="virus", shape="sphere", radius_angstrom=(300.0, 400.0))
    solid = SolidBody(settings, geometry)

    first = solid.draw_shape(np.random.default_rng(7))

    assert first == solid.draw_shape(np.random.default_rng(7))
    assert isinstance(first, ParticleShape)


@pytest.mark.parametrize(("stretch", "largest"), [((0.5, 0.8), 70), ((0.9, 1.5), 105)])
def test_the_largest_radius_is_that_of_the_sphere_around(stretch, largest):
    settings = Body(name="virus", radius_angstrom=(60.0, 70.0), stretch=stretch)

    assert settings.largest_radius_angstrom == pytest.approx(largest)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"radius_angstrom": (70, 60)}, "smallest <= largest"),
        ({"radius_angstrom": (0, 60)}, "smallest <= largest"),
        ({"stretch": (-1, 1)}, "smallest <= largest"),
        ({"shell_thickness_angstrom": 46}, "does not fit into a body of radius 60"),
        ({"shell_thickness_angstrom": -1}, "greater than or equal to 0"),
        ({"density_spread": 0.5}, "less than or equal to 0.3"),
        ({"shape": "cube"}, "'icosahedron' or 'sphere'"),
        ({"name": "v" * 49}, "at most 48 characters"),
    ],
)
def test_impossible_bodies_are_refused(settings, message):
    possible = {"name": "virus", "radius_angstrom": (60, 70)}

    with pytest.raises(ValidationError, match=message):
        Body.model_validate(possible | settings)
