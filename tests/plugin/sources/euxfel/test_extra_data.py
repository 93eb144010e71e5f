"""Recorded runs against EXtra-data's own mock files, and EXtra-geom's assembly."""

import h5py
import numpy as np
import pytest

from specklenn.core.data.sources import ConfigFolder
from specklenn.core.errors import ConfigError, DataError
from specklenn.core.flags import Flag
from specklenn.plugin.sources.euxfel.extra_data import ExtraDataSettings

pytestmark = [
    pytest.mark.hosts,
    # pandas, under EXtra-data, announces what it will change.
    pytest.mark.filterwarnings("default::DeprecationWarning"),
]

pytest.importorskip("extra_data")
extra_geom = pytest.importorskip("extra_geom")

from extra_data.tests.mockdata import write_file  # noqa: E402
from extra_data.tests.mockdata.basler_camera import BaslerCamera  # noqa: E402
from extra_data.tests.mockdata.detectors import AGIPDModule, LPDModule  # noqa: E402
from extra_data.tests.mockdata.jungfrau import JUNGFRAUModule  # noqa: E402

CAMERA = "SPB_IRU_CAM/CAM/SIDEMIC"
CAMERA_SOURCE = f"{CAMERA}:daqOutput"
PIXELS = "data.image.pixels"
CAMERA_FILE = "RAW-R0001-DA01-S00000.h5"
TRAINS, PULSES = 4, 3
CORNERS = [(-525, 625), (-550, -10), (520, -160), (542.5, 475)]


def opened(path, **changes):
    return ExtraDataSettings(kind="extra-data", path=str(path), **changes).open(
        ConfigFolder()
    )


def camera(path, **changes):
    return opened(path, source=CAMERA_SOURCE, key=PIXELS, **changes)


@pytest.fixture
def frames():
    return np.random.default_rng(0).poisson(3, (70, 12, 10)).astype(np.uint16)


@pytest.fixture
def camera_run(tmp_path, frames):
    """A camera's run of 70 trains, of which one has no data."""
    path = tmp_path / CAMERA_FILE
    device = BaslerCamera(CAMERA, sensor_size=frames.shape[1:])
    write_file(path, [device], ntrains=len(frames), format_version="1.2")
    with h5py.File(path, "r+") as file:
        file[f"INSTRUMENT/{CAMERA_SOURCE}/data/image/pixels"][: len(frames)] = frames
        file[f"INDEX/{CAMERA_SOURCE}/data/count"][5] = 0
    return tmp_path


def write_modules(folder, names, module, data_path, values):
    """Write one file for each module; values are (modules, ...)."""
    for number, name in enumerate(names):
        path = folder / f"CORR-R0002-DET{number:02}-S00000.h5"
        write_file(
            path, [module(name)], ntrains=TRAINS, chunksize=32, format_version="1.2"
        )
        with h5py.File(path, "r+") as file:
            found = file[f"INSTRUMENT/{data_path.format(name)}"]
            found[: len(values[number])] = values[number]


@pytest.fixture(scope="module")
def agipd():
    """(trains, pulses, modules, ss, fs) of an AGIPD-1M."""
    random = np.random.default_rng(1)
    return random.poisson(2, (TRAINS, PULSES, 16, 512, 128)).astype(np.float32)


@pytest.fixture(scope="module")
def agipd_run(tmp_path_factory, agipd):
    folder = tmp_path_factory.mktemp("agipd")
    write_modules(
        folder,
        [f"SPB_DET_AGIPD1M-1/CORR/{number}CH0" for number in range(16)],
        lambda name: AGIPDModule(
            name, frames_per_train=PULSES, raw=False, channel_name="output"
        ),
        "{}:output/image/data",
        agipd.transpose(2, 0, 1, 3, 4).reshape(16, -1, 512, 128),
    )
    return folder


def test_every_train_with_data_is_a_shot(camera_run, frames):
    run = camera(camera_run)

    shots = run.read(0, len(run))

    assert len(run) == 69
    assert run.shape == (12, 10)
    assert run.dtype == np.uint16
    np.testing.assert_array_equal(shots.frames, np.delete(frames, 5, axis=0))
    assert shots.index.tolist() == list(range(69))
    assert not shots.flags.any()
    assert run.mask() is None


def test_times_are_those_of_the_trains(camera_run):
    with h5py.File(camera_run / CAMERA_FILE) as file:
        times = file["INDEX/timestamp"][:70]

    run = camera(camera_run)

    expected = np.delete(times, 5)
    np.testing.assert_array_equal(run.read(0, 69).timestamp_ns, expected)


@pytest.mark.parametrize(("start", "stop"), [(0, 1), (3, 8), (60, 69), (68, 69)])
def test_any_range_is_read_as_from_the_whole(camera_run, frames, start, stop):
    run = camera(camera_run)
    run.read(1, 6)

    shots = run.read(start, stop)

    expected = np.delete(frames, 5, axis=0)[start:stop]
    np.testing.assert_array_equal(shots.frames, expected)


def test_a_single_file_is_a_run_too(camera_run):
    assert len(camera(camera_run / CAMERA_FILE)) == 69


def test_a_damaged_part_is_a_counted_skip(tmp_path, frames):
    path = tmp_path / CAMERA_FILE
    device = BaslerCamera(CAMERA, sensor_size=frames.shape[1:])
    write_file(path, [device], ntrains=70, format_version="1.2")
    name = f"INSTRUMENT/{CAMERA_SOURCE}/data/image/pixels"
    with h5py.File(path, "r+") as file:
        del file[name]
        made = file.create_dataset(
            name, data=frames, chunks=(10, 12, 10), compression="gzip"
        )
        place = made.id.get_chunk_info(3)
    with path.open("r+b") as raw:
        raw.seek(place.byte_offset)
        raw.write(bytes(place.size))

    shots = camera(tmp_path).read(0, 70)

    bad = np.zeros(70, bool)
    bad[30:40] = True
    assert (shots.flags == np.where(bad, Flag.UNREADABLE, 0)).all()
    np.testing.assert_array_equal(shots.frames[~bad], frames[~bad])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"source": "no"}, f"no source no; instrument sources found: {CAMERA_SOURCE}"),
        ({"key": "no"}, "no key no; keys found: data.image.binning, "),
        ({"key": "data.image.flipX"}, r"shape \(\), 2 to 4 axes expected"),
        ({"axes": "pulses ss fs"}, r"shape \(12, 10\), the axes pulses ss fs"),
        ({"only_modules": [2]}, "1 modules, module 2 of only_modules expected"),
        ({"pulses": "5:"}, "no train has the pulses 5:, the longest has 1"),
        ({"source": None}, "detectors found: none; instrument sources found: SPB"),
        ({"mask_key": "data.image.mask"}, "no key data.image.mask"),
        ({"pulse_id_key": "data.id"}, "no key data.id"),
        ({"mask_key": "data.image.dims"}, r"mask of shape \(2,\) for pixels of"),
    ],
)
def test_what_is_not_in_a_run_is_told_with_what_is(camera_run, changes, words):
    with pytest.raises(DataError, match=words):
        opened(camera_run, **{"source": CAMERA_SOURCE, "key": PIXELS, **changes})


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    (tmp_path / "broken.h5").write_bytes(b"no HDF5 at all")

    with pytest.raises(DataError, match="No such file"):
        camera(tmp_path / "none")
    with pytest.raises(DataError, match="no run for EXtra-data"):
        camera(tmp_path)


def test_a_proposal_that_is_not_there_is_refused():
    settings = ExtraDataSettings(
        kind="extra-data", proposal=999999, run=1, source="cam"
    )

    with pytest.raises(DataError, match="proposal 999999, run 1: "):
        settings.open(ConfigFolder())


def test_modules_are_stacked_from_top_to_bottom(agipd_run, agipd):
    run = opened(agipd_run)

    shots = run.read(2, 8)

    assert run.shape == (16 * 512, 128)
    assert run.modules == 16
    expected = agipd.reshape(-1, 16 * 512, 128)
    np.testing.assert_array_equal(shots.frames, expected[2:8])


def test_chosen_pulses_and_modules_are_shots_with_their_times(agipd_run, agipd):
    run = opened(
        agipd_run,
        detector="SPB_DET_AGIPD1M-1",
        pulses="1:",
        only_modules=[0, 9],
        pulse_id_key="image.pulseId",
        pulse_spacing_ns=1000.0,
    )

    shots = run.read(0, len(run))

    expected = agipd[:, 1:, [0, 9]].reshape(-1, 1024, 128)
    np.testing.assert_array_equal(shots.frames, expected)
    assert np.diff(shots.timestamp_ns.astype(np.int64))[::2].tolist() == [1000] * TRAINS


def test_a_numbered_pulse_behind_the_end_of_a_train_is_skipped(agipd_run, agipd):
    run = opened(agipd_run, pulses=[2, 3], only_modules=[4])

    shots = run.read(0, len(run))

    assert shots.flags.tolist() == [0, Flag.UNREADABLE] * TRAINS
    np.testing.assert_array_equal(shots.frames[::2], agipd[:, 2, 4])


def test_modules_that_are_not_needed_are_not_read(agipd_run, agipd):
    run = opened(agipd_run)
    needed = np.zeros(16, bool)
    needed[[1, 15]] = True

    run.read_only(needed)

    expected = np.where(needed[:, None, None], agipd[1, 2], 0).reshape(-1, 128)
    np.testing.assert_array_equal(run.read(5, 6).frames[0], expected)


@pytest.fixture
def holed_run(agipd_run, tmp_path):
    """The same run, whose module 3 has no data in train 2, and with a mask."""
    for path in agipd_run.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    source = "SPB_DET_AGIPD1M-1/CORR/3CH0:output"
    with h5py.File(tmp_path / "CORR-R0002-DET03-S00000.h5", "r+") as file:
        file[f"INDEX/{source}/image/count"][2] = 0
        mask = file[f"INSTRUMENT/{source}/image/mask"]
        mask[:, :5, :7] = 8
        mask[4, 100] = 1
    return tmp_path


@pytest.mark.parametrize("key", ["key", "mask_key", "pulse_id_key"])
def test_a_key_that_modules_do_not_have_is_told(agipd_run, key):
    with pytest.raises(DataError, match=r"CORR/\d+CH0:output: no key image.no; keys"):
        opened(agipd_run, **{key: "image.no"})


def test_a_train_without_one_of_the_modules_is_skipped(holed_run, agipd):
    run = opened(holed_run)
    others = opened(holed_run, only_modules=[0, 1])

    flags = run.read(0, len(run)).flags

    assert flags.tolist() == [0] * 6 + [Flag.UNREADABLE] * 3 + [0] * 3
    assert not others.read(0, len(others)).flags.any()


def test_bad_pixels_are_dark_and_masked_where_they_always_are(holed_run, agipd):
    run = opened(holed_run, mask_key="image.mask", only_modules=[2, 3])

    shots = run.read(4, 5)

    expected = agipd[1, 1, 2:4].copy()
    expected[1, :5, :7] = 0
    expected[1, 100] = 0
    np.testing.assert_array_equal(shots.frames[0], expected.reshape(1024, 128))
    bad = np.zeros((2, 512, 128), bool)
    bad[1, :5, :7] = bad[1, 100] = True
    np.testing.assert_array_equal(shots.bad[0], bad.reshape(1024, 128))
    assert np.argwhere(run.mask())[[0, -1]].tolist() == [[512, 0], [516, 6]]
    assert run.mask().sum() == 35


def brute_force(geometry, modules):
    """Put every pixel of (modules, ss, fs) where the geometry says, one by one tile."""
    size = geometry.output_array_for_position().shape
    picture = np.full(size, np.nan)
    snapped = geometry._snapped()
    for module, tiles in zip(modules, snapped.modules, strict=True):
        for tile, part in zip(tiles, np.split(module, 8), strict=True):
            row, column = tile.corner_idx
            values = part.T if tile.fs_vec[0] else part
            turned = values[:: _sign(tile, 0), :: _sign(tile, 1)]
            height, width = turned.shape
            picture[row : row + height, column : column + width] = turned
    return picture


def _sign(tile, axis):
    """Which way rows (0) or columns (1) of the picture run along a tile."""
    return int(tile.fs_vec[axis] or tile.ss_vec[axis])


@pytest.mark.parametrize("used", [None, [0, 7, 12]])
def test_an_assembled_picture_is_that_of_extra_geom_and_of_a_brute_force(
    agipd_run, agipd, used
):
    geometry = extra_geom.AGIPD_1MGeometry.from_quad_positions(CORNERS)
    known = np.full_like(agipd[0], np.nan)
    chosen = slice(None) if used is None else used
    known[:, chosen] = agipd[0][:, chosen]

    run = opened(
        agipd_run,
        geometry={"detector": "AGIPD-1M", "quadrants": CORNERS},
        only_modules=used,
    )
    frames = run.read(0, PULSES).frames

    theirs, _ = geometry.position_modules(known)
    ours = np.where(run.mask(), np.nan, frames)
    assert run.modules == 1
    assert run.shape == theirs.shape[1:]
    np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(ours[1], brute_force(geometry, known[1]))
    assert (frames[:, run.mask()] == 0).all()


def test_a_crystfel_geometry_beside_the_configuration_is_read(
    agipd_run, agipd, tmp_path
):
    geometry = extra_geom.AGIPD_1MGeometry.from_quad_positions(CORNERS)
    geometry.write_crystfel_geom(
        tmp_path / "a.geom", dims=("frame", "modno", "ss", "fs")
    )
    settings = ExtraDataSettings(
        kind="extra-data",
        path=str(agipd_run),
        geometry={"detector": "AGIPD-1M", "file": "a.geom"},
    )

    run = settings.open(ConfigFolder(folder=tmp_path))

    expected = np.nan_to_num(geometry.position_modules(agipd[1])[0])
    np.testing.assert_array_equal(run.read(3, 6).frames, expected)


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "No such file"), ("nothing", "no geometry of AGIPD-1M")],
)
def test_a_geometry_that_cannot_be_read_is_refused(agipd_run, tmp_path, content, words):
    if content is not None:
        (tmp_path / "a.geom").write_text(content)

    with pytest.raises(ConfigError, match=words):
        opened(
            agipd_run,
            geometry={"detector": "AGIPD-1M", "file": str(tmp_path / "a.geom")},
        )


def test_a_geometry_of_another_detector_is_refused(agipd_run):
    with pytest.raises(DataError, match="LPD-1M expects"):
        opened(agipd_run, geometry={"detector": "LPD-1M", "quadrants": CORNERS})


def test_the_stages_of_raw_data_are_left_out(tmp_path):
    raw = np.random.default_rng(2).poisson(9, (2, TRAINS * PULSES, 2, 512, 128))
    write_modules(
        tmp_path,
        [f"SPB_DET_AGIPD1M-1/DET/{number}CH0" for number in range(2)],
        lambda name: AGIPDModule(name, frames_per_train=PULSES),
        "{}:xtdf/image/data",
        raw,
    )

    run = opened(tmp_path)
    one = opened(
        tmp_path, source="SPB_DET_AGIPD1M-1/DET/1CH0:xtdf", axes="pulses gain ss fs"
    )

    expected = raw[:, 4, 0].reshape(1024, 128)
    np.testing.assert_array_equal(run.read(4, 5).frames[0], expected)
    np.testing.assert_array_equal(one.read(4, 5).frames[0], raw[1, 4, 0])
    assert len(one) == TRAINS * PULSES


def test_an_lpd_is_read_as_well(tmp_path):
    raw = np.random.default_rng(3).poisson(9, (3, TRAINS * PULSES, 1, 256, 256))
    write_modules(
        tmp_path,
        [f"FXE_DET_LPD1M-1/DET/{number}CH0" for number in range(3)],
        lambda name: LPDModule(name, frames_per_train=PULSES),
        "{}:xtdf/image/data",
        raw,
    )

    frames = opened(tmp_path).read(7, 9).frames

    expected = raw[:, 7:9, 0].swapaxes(0, 1).reshape(2, 768, 256)
    np.testing.assert_array_equal(frames, expected)


def test_the_cells_of_a_jungfrau_are_its_pulses(tmp_path):
    adc = np.random.default_rng(4).poisson(1, (2, TRAINS, 16, 512, 1024))
    write_modules(
        tmp_path,
        [f"SPB_IRDA_JF4M/DET/JNGFR{number:02}" for number in (1, 2)],
        JUNGFRAUModule,
        "{}:daqOutput/data/adc",
        adc.astype(np.float32),
    )

    run = opened(tmp_path, key="data.adc", pulses="::8")

    assert len(run) == 2 * TRAINS
    assert run.modules == 2
    expected = adc[:, 1, 8].reshape(1024, 1024)
    np.testing.assert_array_equal(run.read(3, 4).frames[0], expected)


def test_cells_of_one_source_are_pulses_too(tmp_path):
    adc = np.random.default_rng(5).poisson(1, (1, TRAINS, 16, 512, 1024))
    write_modules(
        tmp_path,
        ["SPB_IRDA_JF4M/DET/JNGFR01"],
        JUNGFRAUModule,
        "{}:daqOutput/data/adc",
        adc.astype(np.float32),
    )

    run = opened(tmp_path, source="SPB_IRDA_JF4M/DET/JNGFR01:daqOutput", key="data.adc")

    assert len(run) == 16 * TRAINS
    np.testing.assert_array_equal(
        run.read(15, 18).frames, adc[0].reshape(-1, 512, 1024)[15:18]
    )
