import json

import h5py
import numpy as np
import pytest
from pydantic import ValidationError

from specklenn.core.data import labelled_dataset
from specklenn.core.data.dataset_writer import write_dataset
from specklenn.core.errors import DataError
from specklenn.core.finetuning.labelled_shots import load_labelled_shots
from specklenn.core.finetuning.settings import Adaptation
from specklenn.core.labelling.data_identity import LabelledData, read_alone
from specklenn.core.labelling.label_file import write_labels


def load(*data, **settings):
    return load_labelled_shots(Adaptation(data=list(data), **settings))


@pytest.fixture
def run(tmp_path, make_shots):
    """A run of 40 shots without labels: its path."""
    path = tmp_path / "run.h5"
    write_dataset(path, make_shots(20)[0])
    return path


def write_json(path, labels):
    path.write_text(json.dumps(labels))
    return path


def test_labels_in_the_file_are_read_single_hits_first(labelled, make_shots):
    shots = load(labelled)

    frames, labels = make_shots(20)
    assert shots.classes == ("single-hit", "multi-hit")
    assert [shots.classes[code] for code in shots.codes] == sorted(labels)[::-1]
    np.testing.assert_array_equal(shots.frames, np.roll(frames, -20, axis=0))
    assert shots.origins[0] == "labelled.h5 event 20"


def test_labels_of_psocake_are_read(run, tmp_path):
    labels = write_json(
        tmp_path / "exp_0001.label.json",
        {"3": "1", "7": "2", "9": "1", "11": "2", "12": "3", "13": "9", "14": "4"},
    )
    shots = load({"file": run, "labels": labels})

    found = dict(zip(shots.origins, shots.codes.tolist(), strict=True))
    expected = {3: 0, 9: 0, 7: 1, 11: 1}
    assert found == {f"run.h5 event {event}": code for event, code in expected.items()}


def test_abstentions_are_never_a_class(run, tmp_path):
    codes = {"1": "1", "2": "1", "3": "3", "4": "3", "5": "4", "6": "4", "7": "0"}
    labels = write_json(tmp_path / "x.label.json", {**codes, "8": "0"})

    shots = load({"file": run, "labels": labels})

    assert shots.counts() == {"single-hit": 2, "non-sample-hit": 2}
    for name in ("unknown", "needs-help"):
        with pytest.raises(ValidationError, match="unknown and needs-help are none"):
            Adaptation(data=[run], classes=["single-hit", name])


def test_codes_may_have_another_table(run, tmp_path):
    codes = {"1": "7", "2": "7", "3": "8", "4": "8"}
    labels = write_json(tmp_path / "x.label.json", codes)
    table = {7: "single-hit", "8": "multi-hit"}

    shots = load({"file": run, "labels": labels}, label_codes=table)

    assert shots.counts() == {"single-hit": 2, "multi-hit": 2}
    assert shots.notes == (
        f"{labels}: does not say to which data it belongs; taken for {run}",
    )


def test_labels_of_another_file_are_refused(run, tmp_path, make_shots):
    other = tmp_path / "other.h5"
    write_dataset(other, make_shots(20, seed=5)[0])
    frame_of = read_alone(other, labelled_dataset.DATA)
    data = LabelledData(path=other, shots=40, frame_of=frame_of)
    named = {1: "single-hit", 2: "single-hit", 3: "multi-hit", 4: "multi-hit"}
    write_labels(tmp_path / "run.labels.json", named, data.identity)

    right = load({"file": other, "labels": tmp_path / "run.labels.json"})
    with pytest.raises(DataError, match=r"run.labels.json: labels of .*other.h5, "):
        load({"file": run, "labels": tmp_path / "run.labels.json"})

    assert (right.counts(), right.notes) == ({"single-hit": 2, "multi-hit": 2}, ())


def test_a_shot_that_is_listed_twice_with_one_label_counts_once(run, tmp_path):
    labels = {"1": "1", "2": "1", "3": "2", "4": "2"}
    first = write_json(tmp_path / "a.label.json", labels)
    second = write_json(tmp_path / "b.label.json", labels)

    shots = load({"file": run, "labels": first}, {"file": run, "labels": second})

    assert shots.counts() == {"single-hit": 2, "multi-hit": 2}


def test_a_limit_draws_as_many_of_each_class(labelled):
    few = load(labelled, most_per_class=6, seed=1)
    others = load(labelled, most_per_class=6, seed=2)

    assert few.counts() == {"single-hit": 6, "multi-hit": 6}
    assert few.origins != others.origins
    assert len({*few.origins}) == 12


def test_the_area_and_the_mask_of_the_file_are_left_out(tmp_path, make_shots):
    frames, labels = make_shots(4)
    mask = np.zeros(frames.shape[1:], bool)
    mask[3, 4] = True
    write_dataset(tmp_path / "l.h5", frames, labels, mask=mask)

    found = load(tmp_path / "l.h5", area={"quadrant": 0}).mask

    seen = np.zeros_like(mask)
    seen[:16, :16] = True
    seen[3, 4] = False
    np.testing.assert_array_equal(found, ~seen)


def test_every_problem_is_told_at_once(run, labelled, tmp_path, make_shots):
    first, second = tmp_path / "one", tmp_path / "other"
    for folder in (first, second):
        folder.mkdir()
    name = "run.labels.json"
    one = write_json(first / name, {"1": "single-hit", "2": "multi-hit"})
    other = write_json(second / name, {"1": "multi-hit", "2": "multi-hit"})
    beyond = write_json(tmp_path / "beyond.json", {"40": "1", "99": "2"})
    with h5py.File(tmp_path / "mask.h5", "w") as file:
        file[labelled_dataset.MASK] = np.zeros((8, 8), np.uint8)

    with pytest.raises(DataError) as raised:
        load(
            {"file": run, "labels": one},
            {"file": run, "labels": other},
            {"file": run, "labels": beyond},
            {"file": tmp_path / "missing.h5"},
            calibration={"mask_file": str(tmp_path / "mask.h5")},
        )

    text = str(raised.value)
    assert "event 1 is multi-hit in" in text
    assert "event 40: does not exist, the run has shots 0 to 39" in text
    assert "event 99: does not exist" in text
    assert "missing.h5" in text
    assert "mask.h5:/entry_1/data_1/mask: mask of shape (8, 8), (32, 32)" in text
    assert len(text.splitlines()) == 5


def test_a_class_with_one_label_is_refused(run, tmp_path):
    labels = write_json(tmp_path / "l.json", {"1": "1", "2": "1", "3": "2"})

    with pytest.raises(DataError, match=r"class multi-hit has 1 label, 2 or more"):
        load({"file": run, "labels": labels})


def test_one_class_alone_is_refused(run, tmp_path):
    labels = write_json(tmp_path / "l.json", {"1": "1", "2": "1"})

    with pytest.raises(DataError, match="labels of single-hit found, two classes"):
        load({"file": run, "labels": labels})


def test_a_run_without_labels_is_refused(run):
    with pytest.raises(DataError, match=r"no labels at .*; without a file of labels"):
        load(run)
