import h5py
import numpy as np
import pytest

from specklenn.core.data import dataset_writer, labelled_dataset
from specklenn.core.errors import ConfigError
from specklenn.core.support import load_supports


@pytest.fixture
def folder(tmp_path, draw_shots):
    frames, names = draw_shots(12)
    dataset_writer.write_dataset(tmp_path / "a.h5", frames, names)
    dataset_writer.write_dataset(tmp_path / "small.h5", frames[:3, :50, :50], names[:3])
    return tmp_path


def load(folder, text):
    (folder / "s.yaml").write_text(text)
    return load_supports(folder / "s.yaml")


def test_supports_are_the_shots_that_the_file_names(folder, draw_shots):
    found = load(
        folder,
        "version: 4\nclasses:\n"
        "  single-hit:\n    - {file: a.h5, events: [8, 0]}\n"
        "  junk:\n    - {file: a.h5, events: [2]}\n    - {file: a.h5, events: [6]}\n",
    )

    np.testing.assert_array_equal(found.frames, draw_shots(12)[0][[8, 0, 2, 6]])
    assert found.labels.tolist() == ["single-hit", "single-hit", "junk", "junk"]
    assert found.classes == ("single-hit", "junk")
    assert found.origins[1] == "a.h5 event 0"
    assert found.version == 4


def test_a_saved_support_file_works_too(folder):
    found = load_supports(folder / "a.h5")

    assert found.classes == ("single-hit", "multi-hit", "non-sample-hit", "no-hit")
    assert len(found.frames) == 12


def test_the_hash_follows_the_content(folder):
    text = "classes: {{a: [{{file: a.h5, events: [{}]}}]}}"

    first = load(folder, text.format(0)).content_hash

    assert load(folder, text.format(0)).content_hash == first
    assert load(folder, text.format(1)).content_hash != first


def test_all_problems_are_reported_at_once_with_their_lines(folder):
    text = """\
classes:
  single-hit:
    - {file: a.h5, events: [0, 1, 99, 12]}
  multi-hit: []
  junk:
    - {file: missing.h5, events: [0]}
    - {file: a.h5, dataset: /nowhere, events: [0]}
    - {file: a.h5, events: [3, 3]}
"""
    with pytest.raises(ConfigError) as caught:
        load(folder, text)

    problems = caught.value.problems
    assert len(problems) == 5
    assert "s.yaml:3:" in problems[0]
    assert "events [99, 12] do not exist, the dataset has shots 0 to 11" in problems[0]
    assert "s.yaml:4: class 'multi-hit' has no support" in problems[1]
    assert "s.yaml:6:" in problems[2]
    assert "no such file" in problems[2]
    assert "s.yaml:7:" in problems[3]
    assert "no dataset /nowhere" in problems[3]
    assert "s.yaml:8:" in problems[4]
    assert "repeated" in problems[4]


def test_supports_of_different_shapes_are_refused(folder):
    with pytest.raises(ConfigError, match=r"has shape \(50, 50\), a.h5 event 0"):
        load(
            folder,
            "classes: {a: [{file: a.h5, events: [0]}, {file: small.h5, events: [1]}]}",
        )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("classes: {}", "classes: {} found"),
        ("{}", "classes: missing"),
        ("classes: {a: [{file: a.h5, events: []}]}", "events: .* at least 1 item"),
        ("classes: {a: [{file: a.h5, events: [-1]}]}", "greater than or equal to 0"),
        ("classes: {a: [{fil: a.h5, events: [1]}]}", "unknown key"),
        ("classes: [", "not YAML"),
        (
            "classes:\n  a: [{file: a.h5, events: [1]}]\n"
            "  needs-help: [{file: a.h5, events: [2]}]",
            r"s.yaml:3: class 'needs-help' found, which is what somebody says who",
        ),
    ],
)
def test_a_support_set_of_the_wrong_form_is_refused(folder, text, words):
    with pytest.raises(ConfigError, match=words):
        load(folder, text)


def test_a_file_without_labels_is_no_support_file(folder):
    dataset_writer.write_dataset(folder / "b.h5", np.ones((3, 9, 9), np.float32))

    with pytest.raises(ConfigError, match="no labels"):
        load_supports(folder / "b.h5")


def test_supports_are_masked_each_by_its_own_mask(folder):
    masks = np.zeros((12, 100, 100), np.uint16)
    masks[8, 10:20] = 2
    masks[0] = 0x4000
    with h5py.File(folder / "a.h5", "r+") as file:
        file[labelled_dataset.MASK] = masks

    found = load(folder, "classes: {a: [{file: a.h5, events: [8, 0]}]}")

    assert found.bad.shape == (2, 100, 100)
    assert np.flatnonzero(found.bad[0].all(axis=1)).tolist() == list(range(10, 20))
    assert not found.bad[1].any()
    assert load_supports(folder / "a.h5").bad.sum() == found.bad.sum()


def test_frames_of_another_name_are_not_masked_by_the_usual_mask(folder):
    with h5py.File(folder / "a.h5", "r+") as file:
        file["/other/data"] = np.ones((3, 20, 20))
        file[labelled_dataset.MASK] = np.ones((12, 100, 100), np.uint8)

    text = "classes: {a: [{file: a.h5, dataset: /other/data, events: [1]}]}"

    assert load(folder, text).bad is None


def test_without_masks_of_every_shot_supports_have_none(folder):
    assert load(folder, "classes: {a: [{file: a.h5, events: [8, 0]}]}").bad is None


def test_abstentions_and_shots_without_a_label_are_no_supports(folder, draw_shots):
    frames = draw_shots(5)[0]
    labels = np.array(["single-hit", "unknown", "", "needs-help", "multi-hit"])
    dataset_writer.write_dataset(folder / "b.h5", frames, labels)
    dataset_writer.write_dataset(folder / "c.h5", frames[1:4], labels[1:4])

    found = load_supports(folder / "b.h5")

    assert found.classes == ("single-hit", "multi-hit")
    assert found.origins == ("b.h5 event 0", "b.h5 event 4")
    np.testing.assert_array_equal(found.frames, frames[[0, 4]])
    with pytest.raises(ConfigError, match=r"c.h5: no shot with the label of a class"):
        load_supports(folder / "c.h5")
