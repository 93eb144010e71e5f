from itertools import combinations

import numpy as np
import pytest
import yaml
from pydantic import ValidationError

from specklenn.core.errors import DataError
from specklenn.core.settings_file import Document, validate
from specklenn.core.simulation.detector import Detector

PNCCD = """
photon_energy_eV: 1700
distance_m: 0.581
pixel_size_m: 75.e-6
rows: 512
columns: 1024
binning: 8
modules:                       # 0.8 mm without pixels between the halves
  - {x_m: 0, y_m: 19.6e-3}
  - {x_m: 0, y_m: -19.6e-3}
hole_radius_m: 1.2e-3
"""

QUADRANTS = """
photon_energy_eV: 6000
distance_m: 1.2
pixel_size_m: 200.e-6
rows: 128
columns: 512
binning: 4
modules:                       # four quadrants of four, 29 pixels apart
  - {x_m: -49.2e-3, y_m: 110.0e-3}
  - {x_m: -49.2e-3, y_m: 78.6e-3}
  - {x_m: -49.2e-3, y_m: 47.2e-3}
  - {x_m: -49.2e-3, y_m: 15.8e-3}
  - {x_m: -54.2e-3, y_m: -10.8e-3}
  - {x_m: -54.2e-3, y_m: -42.2e-3}
  - {x_m: -54.2e-3, y_m: -73.6e-3}
  - {x_m: -54.2e-3, y_m: -105.0e-3}
  - {x_m: 49.2e-3, y_m: -110.0e-3, turn_deg: 180}
  - {x_m: 49.2e-3, y_m: -78.6e-3, turn_deg: 180}
  - {x_m: 49.2e-3, y_m: -47.2e-3, turn_deg: 180}
  - {x_m: 49.2e-3, y_m: -15.8e-3, turn_deg: 180}
  - {x_m: 54.2e-3, y_m: 10.8e-3, turn_deg: 180}
  - {x_m: 54.2e-3, y_m: 42.2e-3, turn_deg: 180}
  - {x_m: 54.2e-3, y_m: 73.6e-3, turn_deg: 180}
  - {x_m: 54.2e-3, y_m: 105.0e-3, turn_deg: 180}
hole_radius_m: 4.e-3
"""

SMALL = {"rows": 8, "columns": 16, "pixel_size_m": 1e-3}


def from_yaml(text):
    return Detector.model_validate(yaml.safe_load(text))


def two_modules(**settings):
    above, below = {"x_m": 0, "y_m": 4e-3}, {"x_m": 0, "y_m": -4e-3}
    return Detector(modules=(above, below), **(SMALL | settings))


def file_of(folder, positions):
    np.save(folder / "positions.npy", positions)
    return folder / "positions.npy"


def test_the_defaults_are_the_benchmark_to_the_last_bit():
    across = (np.arange(172) - 85.5) * 450e-6

    detector = Detector()

    positions = detector.pixel_positions_m()
    assert detector.shape == (172, 172)
    np.testing.assert_array_equal(positions[..., 0], np.tile(across, (172, 1)))
    np.testing.assert_array_equal(positions[..., 1], np.tile(-across, (172, 1)).T)
    np.testing.assert_array_equal(positions[..., 2], 0.1)
    length = np.linalg.norm(positions, axis=-1)
    np.testing.assert_array_equal(detector.solid_angles(), 450e-6**2 * 0.1 / length**3)
    outgoing = positions / length[..., None]
    np.testing.assert_array_equal(
        detector.scattering_vectors(),
        (outgoing - [0, 0, 1]) * (2 * np.pi / (12398.4198 / 1660)),
    )


def test_scattering_vectors_lie_on_the_ewald_sphere():
    detector = Detector()

    wave_number = 2 * np.pi / detector.wavelength_angstrom
    outgoing = detector.scattering_vectors() + np.array([0, 0, wave_number])

    np.testing.assert_allclose(np.linalg.norm(outgoing, axis=-1), wave_number)


def test_q_of_a_pixel_is_4_pi_sin_theta_over_wavelength():
    detector = Detector(rows=9, columns=9)

    length = np.linalg.norm(detector.scattering_vectors()[4, 8])

    theta = 0.5 * np.arctan(4 * detector.pixel_size_m / detector.distance_m)
    expected = 4 * np.pi * np.sin(theta) / detector.wavelength_angstrom
    assert length == pytest.approx(expected)


def test_row_zero_is_the_top_and_columns_run_along_x():
    positions = Detector().pixel_positions_m()

    assert positions[0, 0, 1] > 0 > positions[-1, 0, 1]
    assert positions[0, 0, 0] < 0 < positions[0, -1, 0]
    np.testing.assert_allclose(positions[..., :2].mean(axis=(0, 1)), 0, atol=1e-12)


def test_solid_angles_of_a_wide_detector_add_up_to_a_half_space():
    detector = Detector(distance_m=0.01, pixel_size_m=1e-3, rows=1000, columns=1000)

    assert detector.solid_angles().sum() == pytest.approx(2 * np.pi, rel=0.03)


def test_solid_angles_of_two_halves_are_a_rectangles_without_the_gap():
    settings = {"rows": 100, "columns": 200, "pixel_size_m": 1e-3, "distance_m": 0.1}
    halves = ({"x_m": 0, "y_m": 0.06}, {"x_m": 0, "y_m": -0.06})

    total = Detector(modules=halves, **settings).solid_angles().sum()

    def rectangle(x, y, z):
        return 4 * np.arctan(x * y / (z * np.sqrt(x**2 + y**2 + z**2)))

    expected = rectangle(0.1, 0.11, 0.1) - rectangle(0.1, 0.01, 0.1)
    assert total == pytest.approx(expected, rel=1e-4)


def test_polarisation_dims_the_horizontal_and_not_the_vertical():
    detector = Detector(rows=9, columns=9, pixel_size_m=0.1 / 4)

    factor = detector.polarisation()

    assert factor[0, 4] == pytest.approx(1.0)
    assert factor[4, 8] == pytest.approx(0.5)


def test_mask_is_the_beam_stop_and_the_gap_of_the_benchmark():
    mask = Detector().mask()

    assert mask.shape == (172, 172)
    assert mask.sum() == 172 * 4 + 6 * (8 - 4)
    assert mask[:, 84:88].all()
    assert mask[83:89, 82:90].all()


def test_four_modules_side_by_side_are_a_flat_detector():
    corners = [(-4, 2), (4, 2), (-4, -2), (4, -2)]
    modules = [{"x_m": x * 2e-3, "y_m": y * 2e-3} for x, y in corners]

    tiled = Detector(modules=modules, **SMALL)
    flat = Detector(rows=16, columns=32, pixel_size_m=1e-3)

    assert tiled.shape == (4, 8, 16)
    for name in ("pixel_positions_m", "scattering_vectors", "cross_sections"):
        whole = getattr(flat, name)()
        quarters = [whole[r : r + 8, c : c + 16] for r in (0, 8) for c in (0, 16)]
        np.testing.assert_allclose(getattr(tiled, name)(), quarters, atol=1e-15)


def test_a_turned_module_is_turned_anticlockwise_about_its_own_centre():
    module = {"x_m": 0.02, "y_m": -0.01, "turn_deg": 30}

    positions = Detector(modules=[module], **SMALL).pixel_positions_m()

    corner = complex(-7.5e-3, 3.5e-3) * np.exp(1j * np.pi / 6) + complex(0.02, -0.01)
    assert positions.shape == (1, 8, 16, 3)
    np.testing.assert_allclose(positions[0, 0, 0], [corner.real, corner.imag, 0.1])


def test_columns_of_a_module_turned_by_90_degrees_run_upwards():
    module = {"x_m": 0, "y_m": 0, "turn_deg": 90}

    along, down = Detector(modules=[module], **SMALL).directions()

    np.testing.assert_allclose(
        along, np.broadcast_to([0, 1, 0], (1, 8, 16, 3)), 0, 1e-9
    )
    np.testing.assert_allclose(down, np.broadcast_to([1, 0, 0], (1, 8, 16, 3)), 0, 1e-9)


def test_binned_pixels_are_at_the_mean_of_theirs():
    raw = two_modules().pixel_positions_m()

    detector = two_modules(binning=4)

    assert detector.shape == (2, 2, 4)
    positions = detector.pixel_positions_m()
    for module, row, column in np.ndindex(2, 2, 4):
        block = raw[module, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4]
        expected = block.reshape(16, 3).mean(axis=0)
        np.testing.assert_allclose(positions[module, row, column], expected)


def test_binning_keeps_the_solid_angle():
    fine, coarse = two_modules(), two_modules(binning=2)

    total = fine.cross_sections().sum()

    assert coarse.cross_sections().sum() == pytest.approx(total, rel=1e-3)
    assert coarse.cross_sections().shape == (2, 4, 8)


def test_a_binned_pixel_is_bad_if_any_of_its_pixels_is():
    raw = Detector(hole_radius_m=5e-3).mask()

    binned = Detector(hole_radius_m=5e-3, binning=4).mask()

    assert binned.shape == (43, 43)
    for row, column in np.ndindex(43, 43):
        block = raw[4 * row : 4 * row + 4, 4 * column : 4 * column + 4]
        assert binned[row, column] == block.any()


def test_a_hole_is_a_disc_around_the_beam():
    detector = Detector(hole_radius_m=9e-3, beam_stop_rows=0, gap_columns=0)

    area = detector.mask().sum() * detector.pixel_size_m**2

    assert area == pytest.approx(np.pi * 9e-3**2, rel=0.02)


def test_modules_have_no_beam_stop_and_no_gap_unless_asked():
    assert not two_modules().mask().any()


def test_a_beam_stop_over_modules_is_a_rectangle_around_the_beam():
    mask = two_modules(beam_stop_rows=6, beam_stop_columns=4).mask()

    flat = Detector(rows=16, columns=16, gap_columns=0, beam_stop_columns=4).mask()
    np.testing.assert_array_equal(np.concatenate(mask), flat)


def test_settings_written_out_in_full_describe_the_same_detector():
    detector = two_modules(dead_modules=(1,))

    assert Detector.model_validate(detector.model_dump(mode="json")) == detector


def test_a_dead_module_is_all_bad_and_the_others_are_not():
    mask = two_modules(dead_modules=(1,)).mask()

    assert mask[1].all()
    assert not mask[0].any()


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_file_of_positions_is_the_detector_it_was_made_from(tmp_path, order):
    modules = ({"x_m": 0.01, "y_m": 0.02, "turn_deg": 25}, {"x_m": 0, "y_m": -0.01})
    made = Detector(modules=modules, **SMALL)
    path = file_of(tmp_path, np.asarray(made.pixel_positions_m(), order=order))
    extra = {"binning": 2, "dead_modules": (1,), "hole_radius_m": 8e-3, **SMALL}
    expected = Detector(modules=modules, **extra)

    read = Detector(positions=path, **extra)

    assert read.shape == (2, 4, 8)
    np.testing.assert_array_equal(read.mask(), expected.mask())
    for name in ("scattering_vectors", "cross_sections", "steps"):
        np.testing.assert_allclose(
            getattr(read, name)(), getattr(expected, name)(), rtol=1e-9, atol=1e-15
        )


def test_a_file_of_one_frame_is_a_flat_detector(tmp_path):
    flat = Detector(**SMALL, gap_columns=0, beam_stop_rows=0)
    path = file_of(tmp_path, flat.pixel_positions_m().astype(np.float32))

    read = Detector(positions=path, **SMALL)

    assert read.shape == (8, 16)
    np.testing.assert_allclose(read.solid_angles(), flat.solid_angles(), rtol=1e-5)
    np.testing.assert_array_equal(read.mask(), flat.mask())


def test_modules_stacked_in_one_frame_keep_their_directions(tmp_path):
    modules = ({"x_m": 0.1, "y_m": 0.2, "turn_deg": 90}, {"x_m": 0, "y_m": -0.01})
    made = Detector(modules=modules, **SMALL)
    stacked = made.pixel_positions_m().reshape(16, 16, 3)

    path = file_of(tmp_path, stacked)
    read = Detector(positions=path, **(SMALL | {"rows": 16}))

    expected = made.directions().reshape(2, 16, 16, 3)
    np.testing.assert_allclose(read.directions(), expected, atol=1e-9)


def test_a_relative_file_of_positions_is_found_in_its_folder(tmp_path):
    file_of(tmp_path, Detector(**SMALL).pixel_positions_m())

    data = {"positions": "positions.npy", **SMALL}
    document = Document(data, "a", folders=(tmp_path,))
    detector = validate(Detector, document)

    assert detector.positions == tmp_path / "positions.npy"
    assert detector.shape == (8, 16)


def test_a_missing_file_of_positions_is_an_error(tmp_path):
    detector = Detector(positions=tmp_path / "none.npy", **SMALL)

    with pytest.raises(DataError, match=r"none\.npy: no such file"):
        detector.pixel_positions_m()


def test_a_file_that_is_not_npy_is_an_error(tmp_path):
    (tmp_path / "positions.npy").write_text("x y z")
    detector = Detector(positions=tmp_path / "positions.npy", **SMALL)

    with pytest.raises(DataError, match="not an npy file"):
        detector.mask()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda p: p[:, :7], r"shape \(8, 7, 3\), expected \(modules, 8, 16, 3\)"),
        (lambda p: p[..., :2], r"shape \(8, 16, 2\)"),
        (lambda p: p[None, None], r"shape \(1, 1, 8, 16, 3\)"),
        (lambda p: (p * 1e6).astype(int), "type int64, not float"),
        (lambda p: np.where(p > 7e-3, np.nan, p), "128 pixels are not finite"),
        (lambda p: p - [0, 0, 0.1], "z from 0 m, expected above 0"),
        (lambda p: p * 1e6, "1000 to 1000 m apart, expected about pixel_size_m 0.001"),
        (lambda p: p[:, [1, *range(1, 16)]], "neighbouring pixels 0 to 0.001 m apart"),
    ],
)
def test_positions_that_cannot_be_are_refused(tmp_path, spoil, message):
    path = file_of(tmp_path, spoil(Detector(**SMALL).pixel_positions_m()))

    with pytest.raises(DataError, match=message):
        Detector(positions=path, **SMALL).scattering_vectors()


def test_a_dead_module_that_the_file_does_not_have_is_an_error(tmp_path):
    path = file_of(tmp_path, two_modules().pixel_positions_m())

    with pytest.raises(DataError, match="dead_modules: 2, expected 0 to 1"):
        Detector(positions=path, dead_modules=(2,), **SMALL).mask()


ONE = ({"x_m": 0, "y_m": 0},)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"distance_m": 0}, "distance_m"),
        ({"binning": 8}, "rows 172 is not a multiple of binning 8"),
        ({"rows": 16, "binning": 8}, "columns 172 is not a multiple of binning 8"),
        ({"modules": ONE, "gap_columns": 4}, "for a flat detector only"),
        ({"positions": "a.npy", "gap_rows": 4}, "for a flat detector only"),
        ({"modules": ONE, "positions": "a.npy"}, "only one of them expected"),
        ({"modules": ONE, "dead_modules": (1,)}, "dead_modules: 1, expected 0 to 0"),
        ({"dead_modules": (1,)}, "dead_modules: 1, expected 0 to 0"),
        ({"dead_modules": (-1,)}, "greater than or equal to 0"),
        ({"modules": ({"x_m": 0},)}, "y_m"),
        ({"hole_radius_m": -1}, "hole_radius_m"),
        ({"modules": ({"x_m": 0, "y_m": 0, "z_m": 1},)}, "z_m"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, message):
    with pytest.raises(ValidationError, match=message):
        Detector(**settings)


def test_the_pnccd_is_two_halves_with_a_gap_and_a_hole():
    detector = from_yaml(PNCCD)

    positions, mask = detector.pixel_positions_m(), detector.mask()
    assert detector.shape == mask.shape == (2, 64, 128)
    assert positions[0, -1, 0, 1] - positions[1, 0, 0, 1] == pytest.approx(1.4e-3)
    assert positions[0, 0, 0, 1] == pytest.approx(0.4e-3 + 512 * 75e-6 - 0.3e-3)
    distance = np.hypot(positions[..., 0], positions[..., 1])
    assert mask[distance < 1.2e-3].all()
    assert not mask[distance > 1.2e-3 + 0.6e-3].any()


def test_the_modular_detector_leaves_the_beam_through_and_does_not_overlap():
    detector = from_yaml(QUADRANTS)
    pairs = combinations(detector.modules, 2)

    positions = detector.pixel_positions_m()
    assert detector.shape == (16, 32, 128)
    apart = [[abs(a.x_m - b.x_m), abs(a.y_m - b.y_m)] for a, b in pairs]
    assert (np.array(apart) >= [512 * 200e-6, 128 * 200e-6]).any(axis=1).all()
    np.testing.assert_allclose(np.abs(positions[..., :2]).max(), 0.1228 - 0.4e-3)
    np.testing.assert_allclose(
        positions[:8, ..., :2], -positions[8:, ..., :2], atol=1e-12
    )
    assert np.abs(positions[..., :2]).max(axis=-1).min() > 2e-3
    assert 0 < detector.mask().sum() < 300
