import numpy as np

from specklenn.core.data.assembly import TILE_GAP, Assembly, as_tiles
from specklenn.core.simulation.detector import Detector


def test_a_flat_detector_is_its_own_picture():
    frames = np.random.default_rng(0).normal(size=(2, 172, 172))

    assembly = Assembly(Detector().pixel_positions_m())

    assert not assembly.empty.any()
    np.testing.assert_array_equal(assembly.pictures(frames), frames)


def test_modules_apart_leave_empty_places_between_them():
    halves = [{"x_m": 0, "y_m": 6e-3}, {"x_m": 0, "y_m": -6e-3}]
    detector = Detector(rows=8, columns=10, pixel_size_m=1e-3, modules=halves)
    frames = np.arange(160.0).reshape(1, 2, 8, 10)

    assembly = Assembly(detector.pixel_positions_m())
    (picture,) = assembly.pictures(frames)

    assert assembly.shape == (20, 10)
    np.testing.assert_array_equal(picture[:8], frames[0, 0])
    np.testing.assert_array_equal(picture[12:], frames[0, 1])
    np.testing.assert_array_equal(np.flatnonzero(assembly.empty[:, 0]), range(8, 12))


def test_a_module_turned_by_a_half_turn_is_seen_upside_down():
    turned = [{"x_m": 0, "y_m": 0, "turn_deg": 180}]
    detector = Detector(rows=8, columns=10, pixel_size_m=1e-3, modules=turned)
    frames = np.arange(80.0).reshape(1, 1, 8, 10)

    (picture,) = Assembly(detector.pixel_positions_m()).pictures(frames)

    np.testing.assert_array_equal(picture, frames[0, 0, ::-1, ::-1])


def test_modules_without_places_lie_in_their_order_about_as_wide_as_high():
    frame = np.repeat(np.arange(8, dtype=np.float32), 4)[:, None] * np.ones((1, 16))

    tiles = as_tiles(frame.astype(np.float32), 8)

    assert tiles.shape == (4 * 4 + 3 * TILE_GAP, 2 * 16 + TILE_GAP)
    corners = tiles[:: 4 + TILE_GAP, :: 16 + TILE_GAP]
    np.testing.assert_array_equal(corners, np.arange(8).reshape(4, 2))
    assert np.isnan(tiles).sum() == tiles.size - frame.size


def test_a_frame_of_one_module_is_its_picture():
    frame = np.ones((5, 7), np.float32)

    assert as_tiles(frame, 1) is frame
    assert as_tiles(np.ones((6, 7), np.float32), 3).shape[1] >= 7
