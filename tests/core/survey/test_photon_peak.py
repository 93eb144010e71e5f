"""The gain of detectors that are simulated with a known one."""

import numpy as np
import pytest

from specklenn.core.preprocess import Preprocessing, Preprocessor
from specklenn.core.survey.photon_peak import measure_gain
from specklenn.core.survey.photon_units import PhotonUnits
from specklenn.core.survey.pixel_values import PixelValues

SHAPE = (70, 80)
GAIN, OFFSET = 130.0, 37.0


def read_out(
    shots=128,
    gain=GAIN,
    offset=OFFSET,
    noise=0.15,
    background=0.005,
    hits=0.4,
    light=1.0,
    common_mode=0.0,
    pedestals=0.0,
    shared=0.0,
    dtype=np.float32,
    seed=0,
):
    """Simulate what a detector reads of fringed patterns.

    Noise and background are in photons, common mode and the spread of the pedestals in
    detector units; `shared` is the share of photons whose charge two pixels share.
    """
    random = np.random.default_rng(seed)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    q = np.hypot(y - SHAPE[0] / 2, x - SHAPE[1] / 2)
    form = (np.exp(-((q / 18) ** 2)) + 0.02) * (1 + np.cos(q / 3))
    own = random.normal(0, pedestals, SHAPE)
    frames = []
    for _ in range(shots):
        level = light * random.gamma(2.5, 0.4) * (random.random() < hits)
        photons = random.poisson(background + level * form).astype(float)
        away = random.binomial(photons.astype(int), shared) * random.random(SHAPE)
        photons += np.roll(away, 1, axis=1) - away
        photons += noise * random.standard_normal(SHAPE)
        frames.append(offset + own + gain * photons + random.normal(0, common_mode))
    values = np.array(frames)
    if np.issubdtype(dtype, np.integer):
        limits = np.iinfo(dtype)
        values = np.clip(np.rint(values), limits.min, limits.max)
    return values.astype(dtype)


def gain_of(frames, bad=None):
    pixels = PixelValues(np.zeros(SHAPE, bool))
    for number, frame in enumerate(frames):
        pixels.add(frame, None if bad is None else bad[number])
    return measure_gain(pixels).gain


def units_of(frames, adu_per_photon=1.0, offset_adu=0.0):
    preprocessor = Preprocessor(
        Preprocessing(crop=64, bin=2),
        SHAPE,
        adu_per_photon=adu_per_photon,
        offset_adu=offset_adu,
    )
    return PhotonUnits.of(gain_of(frames), preprocessor)


def without_noise(**detector):
    return read_out(noise=0, dtype=np.uint16, **detector)


@pytest.mark.parametrize(
    "detector",
    [
        {"noise": 0.1},
        {"noise": 0.15},
        {"noise": 0.2},
        {"noise": 0.3, "background": 0.02},
        {"noise": 0.3, "background": 0.1},
        {"background": 0.1},
        {"hits": 0.9, "light": 3.0},
        {"hits": 1.0, "light": 5.0},
        {"hits": 0.02, "background": 0.01},
        {"common_mode": 60.0},
        {"pedestals": 500.0, "offset": 5000.0},
        {"pedestals": 50.0, "common_mode": 100.0, "noise": 0.2},
        {"dtype": np.uint16, "offset": 500.0},
        {"dtype": np.int16, "offset": -500.0},
        {"dtype": np.uint16, "offset": 64000.0, "light": 10.0},  # saturates
        {"gain": 6.5, "offset": 1000.0, "dtype": np.uint16},
        {"gain": 0.02, "offset": 0.5},
        {"shots": 32, "background": 0.05},
    ],
    ids=str,
)
def test_the_single_photon_peak_gives_gain_and_pedestal_within_3_per_cent(detector):
    gain = detector.get("gain", GAIN)
    offset = detector.get("offset", OFFSET)

    found = gain_of(read_out(**detector))

    assert found.way == "single-photon peak"
    assert found.adu == pytest.approx(gain, rel=0.03)
    scatter = detector.get("pedestals", 0) / 40 + detector.get("common_mode", 0) / 5
    assert found.pedestal == pytest.approx(offset, abs=0.03 * gain + 3 * scatter)
    assert found.noise == pytest.approx(detector.get("noise", 0.15) * gain, rel=0.15)


def test_bright_hits_alone_give_the_gain_within_10_per_cent():
    found = gain_of(read_out(hits=1.0, light=20.0))

    assert found.way == "single-photon peak"
    assert found.adu == pytest.approx(GAIN, rel=0.1)


def test_values_without_noise_have_the_step_of_a_photon():
    found = gain_of(without_noise())

    assert found.way == "steps between values"
    assert (found.adu, found.pedestal) == (GAIN, OFFSET)


def test_shared_charge_lowers_the_gain_a_little():
    found = gain_of(read_out(shared=0.3, background=0.02))

    assert found.way == "single-photon peak"
    assert 0.92 * GAIN < found.adu < GAIN


@pytest.mark.parametrize(
    "detector", [{"noise": 0.8, "light": 5.0}, {"noise": 2.0, "light": 20.0}], ids=str
)
def test_without_a_peak_photon_transfer_tells_the_order_of_the_gain(detector):
    found = gain_of(read_out(shots=256, **detector))

    assert found.way == "photon transfer"
    assert found.adu == pytest.approx(GAIN, abs=2 * found.uncertainty)
    assert found.uncertainty >= 0.5 * found.adu


@pytest.mark.parametrize(
    "frames",
    [
        read_out(hits=0, background=0),
        read_out(hits=0, background=0, common_mode=50, dtype=np.uint16, offset=900),
        read_out(shots=8),
        np.zeros((64, *SHAPE), np.uint16),
        np.full((64, *SHAPE), np.nan, np.float32),
        np.random.default_rng(0).gamma(2, 0.01, (64, *SHAPE)).astype(np.float32),
    ],
    ids=["dark", "dark-integers", "few", "zero", "nan", "expected-photons"],
)
def test_where_there_is_nothing_to_see_nothing_is_said(frames):
    units = units_of(frames)

    assert units.gain is None or not units.gain_is_off
    assert units.problem() == ""


def test_bad_values_of_single_shots_change_little():
    frames = read_out(background=0.02)
    random = np.random.default_rng(1)
    bad = random.random(frames.shape) < 0.001
    frames[bad] = 1e6
    frames[random.random(frames.shape) < 0.0005] = np.nan

    assert gain_of(frames, bad).adu == pytest.approx(GAIN, rel=0.03)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "detector",
    [
        {},
        {"noise": 0.3},
        {"background": 0.1},
        {"light": 100.0, "hits": 1.0},
        {"background": 2.0},
        {"background": 2.0, "noise": 0.0, "dtype": np.uint16},
        {"noise": 0.0, "dtype": np.uint16},
        {"noise": 0.0, "dtype": np.uint16, "hits": 1.0, "light": 50.0},
        {"gain": 0.95},
        {"gain": 1.05},
        {"shared": 1.0},
        {"hits": 0.0, "background": 0.001},
        {"background": 0.0005, "light": 0.1, "shots": 64},
        {"background": 0.002, "light": 0.3, "shots": 16},
    ],
    ids=str,
)
def test_no_calibration_is_proposed_for_photons(detector, seed):
    frames = read_out(**{"gain": 1.0, "offset": 0.0, "seed": seed, **detector})

    assert units_of(frames).problem() == ""


@pytest.mark.parametrize(
    "make", [read_out, without_noise], ids=["with-noise", "without"]
)
def test_what_is_proposed_for_detector_units_satisfies(make):
    frames = make(background=0.02)
    units = units_of(frames)

    adu, offset = units.proposed

    assert adu == pytest.approx(GAIN, rel=0.03)
    assert offset == pytest.approx(OFFSET, abs=0.03 * GAIN)
    assert (
        f"calibration: {{adu_per_photon: {adu:g}, offset_adu: {offset:g}}}; or to try "
        f"it: --set calibration.adu_per_photon={adu:g} "
        f"--set calibration.offset_adu={offset:g}"
    ) in units.problem()
    assert units_of(frames, adu, offset).problem() == ""


def test_photons_that_are_calibrated_once_more_are_told_with_1_and_0():
    units = units_of(read_out(gain=1, offset=0, background=0.02), 130.0, 37.0)

    assert units.proposed == (1.0, 0.0)
    assert "adu_per_photon 130 and offset_adu 37" in units.problem()


def test_a_wrong_offset_alone_is_told_and_the_gain_left():
    units = units_of(read_out(background=0.02), 128.0, 0.0)
    far = units_of(read_out(background=0.02), 128.0, -50.0)

    assert units.problem() == ""  # 0.28 of a photon
    assert far.proposed[0] == 128.0
    assert far.proposed[1] == pytest.approx(OFFSET, abs=4)
    assert "offset_adu -50" in far.problem()


def test_pedestals_that_no_single_offset_takes_away_are_told():
    rough = units_of(read_out(pedestals=90.0, background=0.02), GAIN, OFFSET)
    even = units_of(read_out(pedestals=10.0, background=0.02), GAIN, OFFSET)

    assert "pedestals differ by 0.69 photons" in rough.warning()
    assert "subtract dark frames first" in rough.warning()
    assert even.warning() == ""


def test_of_a_doubtful_gain_it_is_said_how_doubtful_it_is():
    units = units_of(read_out(shots=256, noise=0.8, light=5.0))

    assert "photon transfer tells no more than its order" in units.problem()
