import numpy as np
import pytest

from specklenn.core.errors import ConfigError
from specklenn.core.flags import Flag
from specklenn.core.preprocess import Preprocessing, Preprocessor, prepare


def frames(number=3, shape=(120, 110), seed=0):
    return np.random.default_rng(seed).poisson(2.0, (number, *shape)).astype(np.float32)


def brute_force(frame, mask, crop, width):
    """Bin, take the root and normalise pixel by pixel."""
    top, left = (frame.shape[0] - crop) // 2, (frame.shape[1] - crop) // 2
    side = crop // width
    values = np.full((side, side), np.nan)
    for row in range(side):
        for column in range(side):
            good = []
            for y in range(top + row * width, top + (row + 1) * width):
                for x in range(left + column * width, left + (column + 1) * width):
                    if not mask[y, x]:
                        good.append(frame[y, x])
            if good:
                values[row, column] = np.sqrt(sum(good) * width**2 / len(good))
    normal = (values - np.nanmean(values)) / np.nanstd(values)
    return np.nan_to_num(normal)


def test_without_standardising_inputs_are_roots_of_photons_and_nan_where_bad():
    mask = np.zeros((120, 110), bool)
    mask[40:60, 40:60] = True
    standard = Preprocessing(crop=64, bin=4)
    plain = standard.model_copy(update={"standardise": False})

    roots = prepare(frames(), mask, plain).inputs

    first = frames()[0, 28:32, 23:27].sum()
    assert roots[0, 0, 0] == pytest.approx(np.sqrt(first))
    bad = np.isnan(roots)
    assert bad.any()
    mean = np.nanmean(roots, axis=(1, 2), keepdims=True)
    deviation = np.nanstd(roots, axis=(1, 2), keepdims=True)
    expected = np.where(bad, 0, (roots - mean) / deviation)
    found = prepare(frames(), mask, standard).inputs
    np.testing.assert_allclose(found, expected, atol=1e-5)


WHOLE = Preprocessing(crop=64, bin=2, round_photons=True, standardise=False)


def test_whole_photons_are_found_again_under_read_noise():
    photons = np.random.default_rng(2).poisson(0.05, (4, 120, 110)).astype(np.float32)
    read = photons + np.random.default_rng(3).normal(0, 0.1, photons.shape)

    found = prepare(read.astype(np.float32), None, WHOLE).inputs

    np.testing.assert_array_equal(found, prepare(photons, None, WHOLE).inputs)
    blocks = photons[:, 28:92, 23:87].reshape(4, 32, 2, 32, 2).sum(axis=(2, 4))
    np.testing.assert_allclose(found, np.sqrt(blocks), atol=1e-6)


@pytest.mark.parametrize("level", [1e-4, 0.02, 0.3, 30.0])
def test_expected_photons_and_other_units_are_not_rounded_away(level):
    expected = level * np.random.default_rng(4).random((2, 120, 110), np.float32)
    whole = prepare(expected, None, WHOLE).inputs

    plain = WHOLE.model_copy(update={"round_photons": False})
    np.testing.assert_array_equal(whole, prepare(expected, None, plain).inputs)


def test_the_network_input_equals_a_pixel_by_pixel_computation():
    mask = np.random.default_rng(1).random((120, 110)) < 0.2
    mask[50:58, 40:60] = True
    settings = Preprocessing(crop=64, bin=4)

    found = prepare(frames(), mask, settings).inputs

    for frame, picture in zip(frames(), found, strict=True):
        np.testing.assert_allclose(
            picture, brute_force(frame, mask, 64, 4), rtol=1e-4, atol=1e-5
        )


@pytest.mark.parametrize("scale", ["linear", "sqrt", "log1p"])
def test_inputs_have_zero_mean_and_unit_variance(scale):
    found = prepare(frames(), None, Preprocessing(crop=96, scale=scale)).inputs

    np.testing.assert_allclose(found.mean(axis=(1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(found.std(axis=(1, 2)), 1, rtol=1e-4)


def test_what_lies_under_the_mask_changes_nothing():
    mask = np.zeros((120, 110), bool)
    mask[60, 30:80] = True
    hidden = frames()
    hidden[:, mask] = 1e30

    np.testing.assert_array_equal(
        prepare(hidden, mask, Preprocessing()).inputs,
        prepare(frames(), mask, Preprocessing()).inputs,
    )


def test_the_crop_follows_the_beam():
    frame = np.zeros((1, 120, 110), np.float32)
    frame[0, 40, 50] = 5.0
    preprocessor = Preprocessor(
        Preprocessing(crop=16, bin=1, centre=(40, 50)), (120, 110)
    )

    photons = preprocessor.crop(frame).photons[0]

    assert photons[8, 8] == 5.0


@pytest.mark.parametrize(
    ("spoil", "flag"),
    [
        (lambda f: f.fill(np.nan), Flag.NOT_FINITE),
        (lambda f: f.fill(np.inf), Flag.NOT_FINITE),
        (lambda f: f.__setitem__(slice(0, 60), -1e30), Flag.NOT_FINITE),
        (lambda f: f.fill(0), Flag.EMPTY),
        (lambda f: f.fill(3), Flag.FLAT),
    ],
)
def test_a_frame_that_cannot_be_classified_is_flagged_and_others_are_not(spoil, flag):
    stack = frames()
    spoil(stack[1])

    found = prepare(stack, None, Preprocessing())

    assert found.flags.tolist() == [0, flag, 0]
    assert not found.inputs[1].any()
    assert np.isfinite(found.inputs).all()


def test_a_few_absurd_pixels_are_left_out_instead_of_the_shot():
    stack, mask = frames(), np.zeros((120, 110), bool)
    mask[60, 50:53] = True
    expected = prepare(stack, mask, Preprocessing()).inputs
    stack[:, 60, 50], stack[:, 60, 51], stack[:, 60, 52] = np.nan, np.inf, -1e20

    found = prepare(stack, None, Preprocessing())

    assert not found.flags.any()
    np.testing.assert_array_equal(found.inputs, expected)


def test_negative_photons_of_read_noise_are_fine():
    found = prepare(frames() - 5, None, Preprocessing())

    assert not found.flags.any()
    assert np.isfinite(found.inputs).all()


def test_a_frame_that_is_masked_whole_is_flagged():
    found = prepare(frames(), np.ones((120, 110), bool), Preprocessing())

    assert (found.flags == Flag.ALL_MASKED).all()


def test_calibration_turns_adu_into_photons():
    preprocessor = Preprocessor(
        Preprocessing(), (120, 110), adu_per_photon=20.0, offset_adu=100.0
    )

    photons = preprocessor.crop(frames() * 20 + 100).photons

    np.testing.assert_allclose(photons, frames()[:, 12:108, 7:103], atol=1e-5)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (Preprocessing(crop=128), "128 pixels around 60 do not fit into 120 rows"),
        (Preprocessing(centre=(10, 55)), "do not fit into 120 rows"),
    ],
)
def test_a_crop_outside_the_frame_is_refused(settings, words):
    with pytest.raises(ConfigError, match=words):
        Preprocessor(settings, (120, 110))


def test_a_mask_of_another_shape_is_refused():
    with pytest.raises(ConfigError, match=r"mask of shape \(5, 5\)"):
        Preprocessor(Preprocessing(), (120, 110), np.zeros((5, 5), bool))


def test_a_crop_that_is_no_multiple_of_the_bin_is_refused():
    with pytest.raises(ValueError, match="not a multiple of bin"):
        Preprocessing(crop=97)


def test_values_beyond_single_precision_are_absurd_and_nothing_breaks():
    stack = frames().astype(np.float64)
    stack[1] = 1e300

    found = prepare(stack, None, Preprocessing())

    assert found.flags.tolist() == [0, Flag.NOT_FINITE, 0]


MATES = Preprocessing(crop=64, bin=2, scale="linear", standardise=False)


def test_bad_pixels_get_the_photons_of_their_mates_across_the_centre():
    mask = np.zeros((120, 110), bool)
    mask[:60, :55] = True  # upper left of the middle
    symmetric = frames() + frames()[:, ::-1, ::-1]
    filling = MATES.model_copy(update={"fill_friedel_mates": True})

    found = prepare(symmetric, mask, filling).inputs

    np.testing.assert_array_equal(found, prepare(symmetric, None, MATES).inputs)
    assert np.isnan(prepare(symmetric, mask, MATES).inputs).sum() == 3 * 16 * 16


def test_mates_lie_around_the_beam_wherever_it_is():
    mask = np.zeros((120, 110), bool)
    mask[45, 57] = True
    frame = frames(1)
    settings = Preprocessing(
        crop=16, bin=1, scale="linear", centre=(50, 52), fill_friedel_mates=True
    )

    found = Preprocessor(
        settings.model_copy(update={"standardise": False}), (120, 110), mask
    )

    inputs = found.normalise(found.crop(frame).photons)
    assert inputs[0, 45 - 42, 57 - 44] == frame[0, 99 - 45, 103 - 57]


def test_bad_pixels_whose_mates_are_bad_stay_bad():
    mask = np.zeros((120, 110), bool)
    mask[50:70, 45:65] = True  # the middle, symmetric
    filling = MATES.model_copy(update={"fill_friedel_mates": True})

    found = prepare(frames(), mask, filling).inputs

    np.testing.assert_array_equal(found, prepare(frames(), mask, MATES).inputs)


def test_mates_change_neither_the_photons_nor_the_flags():
    mask = np.zeros((120, 110), bool)
    mask[:60] = True
    filling = Preprocessing(fill_friedel_mates=True)

    found, plain = (prepare(frames(), mask, s) for s in (filling, Preprocessing()))

    np.testing.assert_array_equal(found.photons, plain.photons)
    np.testing.assert_array_equal(found.flags, plain.flags)
    assert not np.array_equal(found.inputs, plain.inputs)


def test_pixels_that_are_bad_in_one_frame_are_left_out_of_it_alone():
    patterns, mask = frames(3), np.zeros((120, 110), bool)
    mask[40:44] = True
    bad = np.zeros((3, 120, 110), bool)
    bad[1, 50:60, 50:60] = True
    patterns[bad] = 1e30
    settings = Preprocessing(crop=64, bin=4)

    together = prepare(patterns, mask, settings, bad)

    assert not together.flags.any()
    for number in range(3):
        own = slice(number, number + 1)
        alone = prepare(patterns[own], mask | bad[number], settings)
        np.testing.assert_array_equal(together.inputs[own], alone.inputs)
        np.testing.assert_array_equal(together.photons[own], alone.photons)


def test_a_frame_that_is_all_bad_is_flagged_and_no_other():
    bad = np.zeros((3, 120, 110), bool)
    bad[2] = True

    prepared = prepare(frames(3), None, Preprocessing(crop=64, bin=4), bad)

    assert prepared.flags.tolist() == [0, 0, Flag.ALL_MASKED]
