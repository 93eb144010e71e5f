"""A labelled file that does not fit together is refused by everything that reads one.

The checks themselves are tested in tests/core/data: here it is that nobody goes
around them.
"""

import argparse

import h5py
import numpy as np
import pytest

from specklenn.core.config.loading import check_config
from specklenn.core.config.run_config import Calibration
from specklenn.core.data.dataset_writer import DatasetWriter, write_dataset
from specklenn.core.data.detector_area import Area
from specklenn.core.data.emc import hits_to_emc
from specklenn.core.data.labelled_dataset import DATA, LABEL, MASK
from specklenn.core.errors import DataError, SpecklennError
from specklenn.core.evaluation.labelled_file import LabelledFile
from specklenn.core.finetuning.labelled_shots import load_labelled_shots
from specklenn.core.finetuning.settings import Adaptation
from specklenn.core.preprocess import Preprocessing
from specklenn.core.settings_file import Document
from specklenn.core.support import load_supports
from specklenn.core.training.data import load_training_data
from specklenn.core.training.validate_model import ValidationFile, load_validation
from specklenn.plugin.commands import label
from specklenn.plugin.commands.few_shot_arguments import leave_out
from specklenn.plugin.labelling.labelling_run import LabellingRun
from specklenn.plugin.sources.hdf5 import Hdf5Source
from specklenn.plugin.startup import load_mask, prepare_run

CLASSES = ("single-hit", "multi-hit")
SHAPE = (40, 30)
SHOTS = 16


def evaluate(path):
    return LabelledFile(path).read(np.arange(SHOTS))


def train(path):
    return load_training_data([path], CLASSES, 2)


def validate(path):
    return load_validation(
        [ValidationFile(file=path)], SHOTS, Preprocessing(crop=24, bin=2), "mean"
    )


def adapt(path):
    return load_labelled_shots(Adaptation(data=[path]))


def support(path):
    return load_supports(path)


def support_events(path):
    listed = path.with_suffix(".yaml")
    events = list(range(SHOTS))
    listed.write_text(f"classes: {{a: [{{file: {path.name}, events: {events}}}]}}")
    return load_supports(listed)


def run_or_label(path):
    return Hdf5Source([path])


def emc(path):
    return hits_to_emc(path, path.with_suffix(".emc"))


FRAMES_ALONE = [support_events]
READERS = [evaluate, train, validate, adapt, support, run_or_label, emc]


@pytest.fixture
def path(tmp_path):
    random = np.random.default_rng(0)
    write_dataset(
        tmp_path / "d.h5",
        random.poisson(2, (SHOTS, *SHAPE)).astype(np.uint16),
        list(CLASSES) * (SHOTS // 2),
        ["1ABC"] * SHOTS,
        np.zeros(SHAPE, bool),
    )
    return tmp_path / "d.h5"


def replace(path, name, values=None):
    with h5py.File(path, "r+") as file:
        del file[name]
        if values is not None:
            file[name] = values


@pytest.mark.parametrize("read", [*READERS, *FRAMES_ALONE])
def test_a_file_that_fits_together_is_read(path, read):
    assert read(path) is not None


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("number", [SHOTS - 1, SHOTS + 1])
def test_labels_of_another_number_are_refused(path, read, number):
    replace(path, LABEL, ["single-hit"] * number)

    with pytest.raises(SpecklennError, match=rf"d\.h5:{LABEL}: {number} entries found"):
        read(path)


@pytest.mark.parametrize("read", READERS)
def test_labels_that_are_no_words_are_refused(path, read):
    replace(path, LABEL, np.arange(SHOTS))

    with pytest.raises(SpecklennError, match=rf"d\.h5:{LABEL}: data type int64"):
        read(path)


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("shape", [SHAPE[::-1], (8, 8)])
def test_a_mask_of_another_shape_is_refused(path, read, shape):
    replace(path, MASK, np.zeros(shape, np.uint8))

    with pytest.raises(SpecklennError, match=rf"d\.h5:{MASK}: mask of shape"):
        read(path)


@pytest.mark.parametrize("read", [*READERS, *FRAMES_ALONE])
def test_missing_frames_are_named(path, read):
    replace(path, DATA)

    with pytest.raises(SpecklennError, match=rf"d\.h5: no dataset {DATA}; datasets fo"):
        read(path)


@pytest.mark.parametrize("read", [evaluate, train, validate, adapt, support])
def test_missing_labels_are_named_where_they_are_needed(path, read):
    replace(path, LABEL)

    with pytest.raises(SpecklennError, match=rf"d\.h5: no labels at {LABEL}; .* needs"):
        read(path)


@pytest.mark.parametrize(
    "read", [evaluate, train, validate, adapt, support, support_events]
)
def test_a_damaged_frame_is_named(path, read):
    with h5py.File(path) as file:
        chunk = file[DATA].id.get_chunk_info(4)
    content = bytearray(path.read_bytes())
    content[chunk.byte_offset : chunk.byte_offset + chunk.size] = bytes(chunk.size)
    path.write_bytes(content)

    with pytest.raises(SpecklennError, match=rf"d\.h5:{DATA}: shot 4 cannot be read"):
        read(path)


@pytest.fixture(scope="module")
def both(tmp_path_factory, draw_shots):
    """The same shots as a detector gives them, and saved in photons: their folder."""
    folder = tmp_path_factory.mktemp("both")
    frames, labels = draw_shots(8)
    for name, saved in (("raw.h5", False), ("hits.cxi", True)):
        with DatasetWriter(
            folder / name,
            frames.shape[1:],
            names=False,
            timestamps=False,
            in_photons=saved,
        ) as writer:
            writer.append(frames, labels)
    return folder


def start_a_run(folder, source, support, adu_per_photon):
    document = {
        "source": {"kind": "hdf5", "path": source},
        "support": {"file": support},
        "calibration": {"adu_per_photon": adu_per_photon},
    }
    return prepare_run(check_config(Document(document, "run.yaml", folders=(folder,))))


@pytest.mark.parametrize(
    ("source", "support", "words"),
    [
        ("hits.cxi", "raw.h5", rf"hits\.cxi:{DATA}: calibrated already"),
        ("raw.h5", "hits.cxi", r"supports: calibrated already \(units: photons\)"),
    ],
)
def test_a_run_calibrates_no_frames_a_second_time(both, source, support, words):
    with pytest.raises(SpecklennError, match=words):
        start_a_run(both, source, support, 130.0)

    assert len(start_a_run(both, source, support, 1.0).source) == 8


def test_an_adaptation_calibrates_no_frames_a_second_time(both):
    settings = {"data": [both / "hits.cxi"], "calibration": {"offset_adu": 5.0}}

    with pytest.raises(DataError, match=rf"hits\.cxi:{DATA}: calibrated already"):
        load_labelled_shots(Adaptation(**settings))


def test_labelling_calibrates_no_frames_a_second_time(both):
    words = ["--set", "calibration.adu_per_photon=130"]
    options = label.parser().parse_args([str(both / "hits.cxi"), *words])

    with pytest.raises(DataError, match=rf"hits\.cxi:{DATA}: calibrated already"):
        LabellingRun(options)


def mask_of_a_run(data, mask):
    document = {
        "source": {"kind": "hdf5", "path": str(data)},
        "support": {"file": str(data)},
        "calibration": {"mask_file": str(mask)},
    }
    loaded = check_config(Document(document, "run.yaml", folders=(mask.parent,)))
    return load_mask(loaded, SHAPE)


def mask_of_an_evaluation(data, mask):
    file = LabelledFile(data)
    leave_out(file, argparse.Namespace(area=None, mask=mask), None)
    return file.bad


def mask_of_an_adaptation(data, mask):
    calibration = Calibration(mask_file=str(mask))
    return load_labelled_shots(Adaptation(data=[data], calibration=calibration)).mask


MASK_READERS = [mask_of_a_run, mask_of_an_evaluation, mask_of_an_adaptation]


@pytest.fixture
def write_mask(tmp_path):
    def call(values, name=MASK):
        with h5py.File(tmp_path / "mask.h5", "w") as file:
            file[name] = values
        return tmp_path / "mask.h5"

    return call


@pytest.mark.parametrize("read", MASK_READERS)
@pytest.mark.parametrize("shape", [SHAPE, (4, 10, 30), (3, *SHAPE)])
def test_a_mask_file_may_have_modules_or_a_mask_for_every_shot(
    path, write_mask, read, shape
):
    values = np.zeros(SHAPE, np.uint8)
    values[17, 4] = 1
    if shape == (3, *SHAPE):
        values = np.stack([np.zeros(SHAPE), values, np.zeros(SHAPE)])

    found = read(path, write_mask(values.reshape(shape)))

    assert np.argwhere(found).tolist() == [[17, 4]]


@pytest.mark.parametrize("read", MASK_READERS)
def test_a_mask_file_of_another_shape_is_refused(path, write_mask, read):
    mask = write_mask(np.zeros((8, 8), np.uint8))

    with pytest.raises(
        SpecklennError, match=rf"mask\.h5:{MASK}: mask of shape \(8, 8\), \(40, 30\)"
    ):
        read(path, mask)


@pytest.mark.parametrize("read", MASK_READERS)
def test_a_mask_file_without_a_mask_is_refused(path, write_mask, read):
    mask = write_mask(np.zeros(SHAPE), "/other")

    with pytest.raises(SpecklennError, match=rf"mask\.h5: no dataset {MASK}; .*/other"):
        read(path, mask)


def spoilt_mask_of_an_evaluation(path, find_dead):
    file = LabelledFile(path)
    area = Area(find_dead=find_dead)
    leave_out(file, argparse.Namespace(area=area, mask=None), None)
    return file.bad


def spoilt_mask_of_an_adaptation(path, find_dead):
    area = Area(find_dead=find_dead)
    return load_labelled_shots(Adaptation(data=[path], area=area)).mask


@pytest.mark.parametrize(
    "read", [spoilt_mask_of_an_evaluation, spoilt_mask_of_an_adaptation]
)
def test_gaps_without_a_mask_are_found_by_everything_that_classifies(
    path, read, caplog
):
    gap = np.zeros(SHAPE, bool)
    gap[20] = True
    with h5py.File(path, "r+") as file:
        frames = file[DATA][:]
        frames[:, gap] = 65535
        file[DATA][:] = frames

    np.testing.assert_array_equal(read(path, True), gap)
    assert "30 pixels always give the largest value of their type" in caplog.text
    assert not read(path, False).any()
