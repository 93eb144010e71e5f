"""Files of every kind, as they are shown."""

import shutil

import h5py
import numpy as np
import pytest

from specklenn.core.config.loading import load_config, resolved_yaml
from specklenn.core.data.assembly import TILE_GAP
from specklenn.core.data.dataset_writer import write_dataset
from specklenn.core.errors import DataError
from specklenn.core.flags import Flag
from specklenn.core.reports.contact_sheet import PHOTONS
from specklenn.core.reports.show import open_shown
from specklenn.core.reports.shown_pictures import LARGEST_SIDE, shrunk
from specklenn.core.reports.shown_sheet import Choice, choose, draw_shots
from specklenn.core.rows import empty_rows
from specklenn.plugin.live.report import Report, attach
from specklenn.plugin.live.results import HitsFile, ResultsFile
from specklenn.plugin.live.run_state import RunFacts
from specklenn.plugin.live.versions import Version

FACTS = RunFacts(
    experiment="test",
    run=94,
    classes=("single-hit", "multi-hit", "no-hit", "unknown"),
    support_classes=("single-hit", "multi-hit"),
)
VERSION = Version(
    model="default",
    weights_sha256="0a" * 32,
    rule="mean",
    support_version=3,
    support_hash="abc",
)
LABELS = np.array([0, 1, 0, 2, 3, -1])
SCORES = np.array([0.9, 0.8, 0.95, np.nan, 0.4, np.nan], np.float32)
ORDER = [3, 0, 5, 1, 4, 2]
"""In which the rows of the shots came."""


def write_run(folder, config, frames, kept, modules=1):
    """Results and hits of six shots of a run."""
    rows = empty_rows(6, 2)
    rows["index"], rows["label"], rows["score"] = np.arange(6), LABELS, SCORES
    rows["support_version"], rows["model_version"] = 3, 1
    rows["flags"][5] = Flag.FLAT.bits
    shape = frames.shape[1:]
    sinks = (
        ResultsFile(folder / "results.h5", FACTS, config),
        HitsFile(folder / "hits.cxi", FACTS, shape, None, frames.dtype, modules),
    )
    places = [ORDER.index(shot) for shot in kept]
    report = Report(rows=rows[ORDER], frames=attach(places, frames[list(kept)]))
    for sink in sinks:
        sink.use(VERSION)
        sink.write(report)
        sink.close()


@pytest.fixture
def run(run_folder, tmp_path, draw_shots):
    """A run of a file, in ADU, with its results: the folder."""
    shutil.copytree(run_folder.path, tmp_path / "data")
    folder = tmp_path / "out"
    folder.mkdir()
    settings = load_config(
        tmp_path / "data/run.yaml",
        ["calibration.adu_per_photon=2", "calibration.offset_adu=-4"],
    ).settings
    write_run(folder, resolved_yaml(settings), draw_shots(6)[0], kept=(2, 0))
    return folder


def test_results_are_shown_with_the_frames_of_their_run_in_photons(
    run, draw_shots, mask
):
    frames, _ = draw_shots(600)

    with open_shown(run) as shown:
        picture = shown.read(3)

        assert shown.kind == "results of run 94 of test"
        assert shown.shots.tolist() == list(range(6))
        assert shown.classes.tolist() == [
            "single-hit",
            "multi-hit",
            "single-hit",
            "no-hit",
            "unknown",
            "skipped: flat",
        ]
        assert shown.class_names[-2:] == ("unknown", "skipped: flat")
        assert shown.drawable.all()
        assert shown.unit == PHOTONS
        assert shown.versions["shots"].tolist() == [6]
        np.testing.assert_allclose(picture, (frames[3] + 4.0) / 2)


def test_the_mask_of_the_run_is_that_of_its_hits_or_else_of_the_data(run, mask):
    (run / "hits.cxi").unlink()

    with open_shown(run / "results.h5") as shown:
        np.testing.assert_array_equal(np.isnan(shown.read(0)), mask)


def test_without_the_data_the_hits_that_were_kept_are_shown(run, draw_shots):
    shutil.rmtree(run.parent / "data")

    with open_shown(run) as shown:
        assert shown.drawable.tolist() == [True, False, True, False, False, False]
        np.testing.assert_array_equal(shown.read(2), draw_shots(6)[0][2])
        (note,) = shown.notes
        assert "run.cxi: no such file" in note


def test_without_any_frame_the_results_are_told_all_the_same(run, tmp_path):
    shutil.rmtree(run.parent / "data")
    (run / "hits.cxi").unlink()

    with open_shown(run) as shown:
        assert len(shown) == 6
        assert "hits.cxi cannot be read either" in shown.notes[-1]
        with pytest.raises(DataError, match="none of 6 shots has a frame to draw"):
            draw_shots(tmp_path / "no.png", shown, Choice())


def test_hits_are_shown_by_their_numbers_with_scores_and_versions(run, draw_shots):
    with open_shown(run / "hits.cxi") as shown:
        assert shown.kind == "frames kept of run 94 of test"
        assert shown.shots.tolist() == [2, 0]
        np.testing.assert_allclose(shown.scores, [0.95, 0.9])
        assert shown.versions["support_hash"].tolist() == ["abc"]
        np.testing.assert_array_equal(shown.read(1), draw_shots(6)[0][0])


def test_hits_of_modules_remember_how_many_there_are(tmp_path):
    frames = np.arange(6 * 32 * 20, dtype=np.float32).reshape(6, 32, 20)
    write_run(tmp_path, "", frames, kept=(1,), modules=4)

    with open_shown(tmp_path / "hits.cxi") as shown:
        picture = shown.read(0)

    assert picture.shape == (4 * 8 + 3 * TILE_GAP, 20)
    assert np.nansum(picture) == pytest.approx(frames[1].sum())


def test_labelled_datasets_are_shown_by_their_labels(run_folder, mask):
    with open_shown(run_folder.path / "run.cxi") as shown:
        assert shown.kind == "labelled dataset"
        assert shown.class_names[:2] == ("single-hit", "multi-hit")
        assert np.isnan(shown.scores).all()
        np.testing.assert_array_equal(np.isnan(shown.read(0)), mask)


def test_frames_of_another_name_are_found_as_the_largest_stack(tmp_path):
    frames = np.arange(3 * 20 * 24).reshape(3, 20, 24)
    with h5py.File(tmp_path / "raw.h5", "w") as file:
        file["detector/frames"], file["small"] = frames, frames[:, :10, :10]
        file["picture"] = np.zeros((500, 500))
        file["spectra"] = np.zeros((3, 4000))

    with open_shown(tmp_path / "raw.h5") as shown:
        assert "/detector/frames" in shown.facts["frames"]
        assert shown.kind == "frames without labels"
        assert shown.unit != PHOTONS
        assert shown.class_names == ()
        np.testing.assert_array_equal(shown.read(2), frames[2])
    with open_shown(tmp_path / "raw.h5", "/small") as shown:
        assert shown.read(0).shape == (10, 10)


def test_modules_are_tiled_and_told_as_they_lie_in_the_file(tmp_path):
    frames = np.ones((2, 8, 16, 64), np.float32)
    with h5py.File(tmp_path / "modules.h5", "w") as file:
        file["/entry_1/data_1/data"] = frames

    with open_shown(tmp_path / "modules.h5") as shown:
        assert "2 x 8 x 16 x 64 float32" in shown.facts["frames"]
        height, width = shown.read(0).shape
    assert 0.5 < height / width < 2


def test_a_file_without_frames_is_refused_with_what_it_has(tmp_path):
    with h5py.File(tmp_path / "none.h5", "w") as file:
        file["times"] = np.zeros(9)

    with (
        pytest.raises(DataError, match=r"none\.h5: no frames .* found: /times"),
        open_shown(tmp_path / "none.h5"),
    ):
        pass


def test_large_pictures_become_means_of_good_pixels():
    picture = np.ones((3 * LARGEST_SIDE, 2 * LARGEST_SIDE + 1), np.float32)
    picture[:, ::2] = np.nan
    picture[:6, :6] = np.nan

    found = shrunk(picture)

    assert max(found.shape) <= LARGEST_SIDE
    assert np.isnan(found[0, 0])
    assert (found[4:, 4:] == 1).all()


@pytest.mark.parametrize(
    ("choice", "shots"),
    [
        (Choice(events=(4, 0, 5)), [4, 0, 5]),
        (Choice(classes=("single-hit",)), [0, 2]),
        (Choice(best=1), [2, 1, 4]),
        (Choice(best=5, classes=("single-hit",)), [2, 0]),
        (Choice(events=(0, 1, 2), classes=("multi-hit",)), [1]),
        (Choice(classes=("skipped: flat",)), [5]),
        (Choice(), [0, 2, 1, 3, 4, 5]),
    ],
)
def test_shots_are_chosen_by_number_class_and_score(run, choice, shots):
    with open_shown(run) as shown:
        found = shown.shots[choose(shown, choice)]

    assert found.tolist() == shots


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        (Choice(events=(2, 77, 88)), "no shots 77, 88; 6 are there, numbers 0 to 5"),
        (Choice(classes=("ice",)), "no shot of ice; classes found: single-hit, multi-"),
        (Choice(best=2, classes=("no-hit",)), "no scores"),
    ],
)
def test_shots_that_are_not_there_are_told(run, choice, words):
    with open_shown(run) as shown, pytest.raises(DataError, match=words):
        choose(shown, choice)


def test_more_pictures_than_anybody_can_look_at_are_refused(run_folder):
    choice = Choice(events=tuple(range(600)))

    with (
        open_shown(run_folder.path / "run.cxi") as shown,
        pytest.raises(DataError, match="600 pictures asked for, at most 400"),
    ):
        choose(shown, choice)


def test_a_sheet_is_drawn_of_a_row_for_each_class(run, tmp_path):
    image = pytest.importorskip("matplotlib.image")
    with open_shown(run) as shown:
        words = draw_shots(tmp_path / "all.png", shown, Choice())
        draw_shots(tmp_path / "two.png", shown, Choice(classes=("no-hit", "unknown")))

    assert words == "6 shots, examples"
    heights = [image.imread(tmp_path / f"{n}.png").shape[0] for n in ("all", "two")]
    assert heights[0] > 2 * heights[1]


def test_shots_that_were_named_and_have_no_frame_are_counted(run, tmp_path):
    pytest.importorskip("matplotlib")
    shutil.rmtree(run.parent / "data")

    with open_shown(run) as shown:
        words = draw_shots(tmp_path / "all.png", shown, Choice(events=(0, 1, 2, 3)))

    assert words == "2 shots, chosen shots; 2 have no frame"


def test_frames_of_each_shots_own_mask_are_grey_there(tmp_path):
    frames = np.ones((3, 20, 20), np.float32)
    write_dataset(tmp_path / "own.cxi", frames)
    masks = np.zeros((3, 20, 20), np.uint8)
    masks[1, :5] = 1
    with h5py.File(tmp_path / "own.cxi", "r+") as file:
        file["/entry_1/data_1/mask"] = masks

    with open_shown(tmp_path / "own.cxi") as shown:
        bad = [int(np.isnan(shown.read(position)).sum()) for position in range(3)]

    assert bad == [0, 100, 0]
