"""What a run uses of the detector, from real configurations and files."""

import h5py
import numpy as np
import pytest

from specklenn.core.config.loading import load_config
from specklenn.core.data import labelled_dataset
from specklenn.core.errors import ConfigError
from specklenn.core.preprocess import Preprocessing
from specklenn.plugin.sources.hdf5 import Hdf5Source
from specklenn.plugin.startup_area import use_area

SHAPE = (160, 96)
"""Four modules of 40 x 96 pixels; a crop of 64 pixels has rows 48 to 111."""

OWN = Preprocessing(crop=64, bin=2)


@pytest.fixture
def used(tmp_path):
    """Settle the area of a run of some frames; returns it and its open source."""

    def settle(frames, *settings, mask=None):
        with h5py.File(tmp_path / "run.cxi", "w") as file:
            file[labelled_dataset.DATA] = frames.reshape(-1, 4, 40, 96)
        (tmp_path / "run.yaml").write_text(
            "source: {kind: hdf5, path: run.cxi}\nsupport: {file: s.yaml}\n"
        )
        loaded = load_config(tmp_path / "run.yaml", settings)
        source = Hdf5Source([tmp_path / "run.cxi"])
        return use_area(loaded, OWN, SHAPE, mask, source), source

    return settle


def noisy(shots=64):
    return np.random.default_rng(0).normal(5, 1, (shots, *SHAPE)).astype(np.float32)


def read_modules(source):
    frame = source.read(0, 1).frames[0].reshape(4, -1)
    return np.flatnonzero(frame.any(axis=1)).tolist()


def test_the_whole_detector_is_read_and_no_mask_made_up(used):
    area, source = used(noisy())

    assert area.mask is None
    assert area.notes == ()
    assert read_modules(source) == [0, 1, 2, 3]


def test_of_a_quadrant_only_the_modules_in_the_crop_are_read(used):
    area, source = used(noisy(), "area.quadrant=1")

    expected = np.ones(SHAPE, bool)
    expected[40:80, 48:] = False  # module 0 holds no pixel of the crop
    np.testing.assert_array_equal(area.mask, expected)
    assert read_modules(source) == [1]


def test_chosen_modules_alone_are_read(used):
    assert read_modules(used(noisy(), "area.modules=[1, 2]")[1]) == [1, 2]


def test_modules_that_a_mask_calls_bad_are_not_read(used):
    mask = np.zeros(SHAPE, bool)
    mask[80:120] = True

    area, source = used(noisy(), mask=mask)

    np.testing.assert_array_equal(area.mask, mask)
    assert read_modules(source) == [0, 1, 3]


def test_a_dead_module_is_found_told_and_not_read(used):
    frames = noisy()
    frames[:, 80:120] = -1

    area, source = used(frames)

    expected = np.zeros(SHAPE, bool)
    expected[80:120] = True
    np.testing.assert_array_equal(area.mask, expected)
    assert area.notes[0].startswith("module 2 gives no signal on 3840 pixels")
    assert read_modules(source) == [0, 1, 3]


def test_dead_area_is_not_looked_for_if_nobody_wants_it(used):
    frames = noisy()
    frames[:, 80:120] = 0

    assert used(frames, "area.find_dead=false")[0].mask is None


def test_a_few_shots_prove_no_death(used):
    frames = noisy(15)
    frames[:, 80:120] = 0

    assert used(frames)[0].mask is None


def test_saturation_is_told_from_the_pedestal_by_the_calibration(used):
    frames = np.full((64, *SHAPE), 100, np.uint16)
    frames[:, 40:80] = 65535
    gain = "calibration={adu_per_photon: 20, offset_adu: 100}"

    area, _ = used(frames, gain)

    assert area.mask[40:80].all()
    assert not area.mask[80:].any()


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("area.modules=[4]", "area.modules: 4 found, expected 0 to 3"),
        ("area.modules=[0]", "modules 0 found, which has no pixel in the crop of 64"),
        ("area.quadrant=7", "area.quadrant: 7 found, expected 0, 1, 2 or 3"),
        ("area.module=1", "area.module: unknown key"),
    ],
)
def test_an_area_that_cannot_be_used_is_refused(used, setting, words):
    with pytest.raises(ConfigError, match=f"--set: .*{words}".replace("[", r"\[")):
        used(noisy(), setting)


def test_modules_of_a_simulated_detector_can_be_chosen(tmp_path):
    (tmp_path / "run.yaml").write_text(
        "source:\n  kind: simulated\n  experiment:\n"
        "    procedural: {count: 1}\n    fractions: {single-hit: 1}\n"
        "    detector:\n      rows: 80\n      columns: 96\n"
        "      modules: [{x_m: 0, y_m: 0.02}, {x_m: 0, y_m: -0.02}]\n"
        "support: {file: s.yaml}\narea: {modules: [1]}\n"
    )

    area = use_area(load_config(tmp_path / "run.yaml"), OWN, SHAPE, None, None)

    assert area.mask[:80].all()
    assert not area.mask[80:].any()


@pytest.mark.parametrize(
    ("dtype", "value"), [("f4", np.nan), ("u2", 65535), ("i4", -1), ("u4", 2**32 - 1)]
)
def test_gaps_without_a_mask_are_left_out_and_told(used, dtype, value):
    frames = np.random.default_rng(0).poisson(2, (64, *SHAPE)).astype(dtype)
    gap = np.zeros(SHAPE, bool)
    gap[60:63] = gap[:, 40] = True
    frames[:, gap] = value

    area, source = used(frames)
    source.close()

    np.testing.assert_array_equal(area.mask, gap)
    assert area.notes[0].startswith(f"{gap.sum()} pixels ")
    assert used(frames, "area.find_dead=false")[0].mask is None


def test_a_run_of_which_no_shot_can_be_read_is_refused_with_the_reason(used, tmp_path):
    frames = noisy(4)
    with h5py.File(tmp_path / "run.cxi", "w") as file:
        data = file.create_dataset(
            labelled_dataset.DATA,
            data=frames.reshape(-1, 4, 40, 96),
            chunks=(1, 4, 40, 96),
            compression="gzip",
        )
        chunks = [data.id.get_chunk_info(number) for number in range(4)]
    content = bytearray((tmp_path / "run.cxi").read_bytes())
    for chunk in chunks:
        first = chunk.byte_offset
        content[first : first + chunk.size] = bytes(chunk.size)
    (tmp_path / "run.cxi").write_bytes(content)
    (tmp_path / "run.yaml").write_text(
        "source: {kind: hdf5, path: run.cxi}\nsupport: {file: s.yaml}\n"
    )
    loaded = load_config(tmp_path / "run.yaml")
    source = Hdf5Source([tmp_path / "run.cxi"])

    with pytest.raises(ConfigError) as caught:
        use_area(loaded, OWN, SHAPE, None, source)

    assert str(caught.value).startswith(
        f"{tmp_path}/run.yaml:1: source.path: no shot that can be used: of 4 shots "
        "looked at, 4 unreadable: "
    )
    assert "shot 3 cannot be read: damaged" in str(caught.value)
