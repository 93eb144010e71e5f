"""A small network learns two classes that it could not tell apart."""

import h5py
import numpy as np
import pytest

from specklenn.core.classify import Classifier
from specklenn.core.data.dataset_writer import write_dataset
from specklenn.core.errors import ConfigError, DataError
from specklenn.core.evaluation.calibration import fit_temperature
from specklenn.core.finetuning.finetune import FinetunedModel, Finetuning, HeldOutResult
from specklenn.core.finetuning.labelled_shots import load_labelled_shots
from specklenn.core.finetuning.model_files import next_version, write_model
from specklenn.core.finetuning.settings import Adaptation
from specklenn.core.network import checkpoint

LEARNING = {"steps": 80, "learning_rate": 1e-3, "patches": 0}


@pytest.fixture
def adapt(untrained, labelled):
    """Adapt the untrained network to the labelled shots."""

    def call(**settings):
        adaptation = Adaptation(
            data=[settings.pop("data", labelled)],
            start=str(untrained),
            tuning=LEARNING | settings.pop("tuning", {}),
            output=labelled.parent / "ours",
            **settings,
        )
        shots = load_labelled_shots(adaptation)
        finetuning = Finetuning(adaptation, shots, checkpoint.load(adaptation.start))
        for _ in finetuning.steps():
            pass
        return adaptation, finetuning, finetuning.result()

    return call


def test_an_adapted_model_classifies_new_shots_better(adapt, make_shots, untrained):
    adaptation, finetuning, finetuned = adapt()
    files = next_version(adaptation.output)
    write_model(files, adaptation, finetuning, finetuned)
    frames, labels = make_shots(100, seed=9)

    ours = Classifier.load(files.weights, files.supports).classify(frames)
    first = Classifier.load(untrained, files.supports).classify(frames)

    assert finetuned.tuned
    assert (ours.labels == labels).mean() > (first.labels == labels).mean() + 0.05
    assert (ours.labels == labels).mean() > 0.9


def test_a_network_that_got_worse_is_not_kept(adapt, untrained):
    _, _, finetuned = adapt(tuning={"steps": 30, "learning_rate": 3.0})

    first = checkpoint.load(untrained).encoder.state_dict()
    kept = finetuned.encoder.state_dict()

    assert not finetuned.tuned
    assert finetuned.after.nll > finetuned.before.nll
    assert all((kept[name] == tensor).all() for name, tensor in first.items())


@pytest.mark.parametrize(
    ("before", "after", "tuned"),
    [
        ([[0.1, 0.9], [0.9, 0.1]], [[0.0, 1.4], [1.4, 0.0]], False),  # no error before
        ([[0.1, 0.9], [0.1, 0.9]], [[0.1, 0.9], [0.9, 0.1]], True),
        ([[0.1, 0.9], [0.4, 0.5]], [[0.1, 0.9], [0.1, 0.9]], False),
    ],
)
def test_a_network_is_replaced_if_it_errs_and_the_tuned_one_is_better(
    before, after, tuned
):
    codes = np.array([0, 1])
    first, second = (
        HeldOutResult(distances=np.float32(found), codes=codes, temperature=0.1)
        for found in (before, after)
    )

    assert FinetunedModel(encoder=None, before=first, after=second).tuned == tuned


def test_held_out_shots_are_classified_by_the_others_alone(adapt):
    _, finetuning, finetuned = adapt()

    codes = finetuning.shots.codes
    assert not {*finetuning.held} & {*finetuning.trained}
    assert np.bincount(codes[finetuning.held]).tolist() == [7, 7]
    assert finetuned.after.codes.tolist() == codes[finetuning.held].tolist()
    fitted = fit_temperature(finetuned.after.distances, finetuned.after.codes)
    expected = np.exp((14 * np.log(fitted) + 30 * np.log(0.1)) / 44)
    assert finetuned.after.temperature == pytest.approx(expected)


def test_with_nothing_held_out_the_tuned_network_is_kept_unvalidated(adapt):
    adaptation, finetuning, finetuned = adapt(held_out=0, tuning={"steps": 2})
    files = next_version(adaptation.output)

    write_model(files, adaptation, finetuning, finetuned)

    assert finetuned.kept is None
    assert finetuned.tuned
    assert checkpoint.load(files.weights).temperature == checkpoint.TEMPERATURE


def test_versions_are_counted_and_carry_what_was_measured(adapt):
    adaptation, finetuning, finetuned = adapt(tuning={"steps": 2})
    for number in (1, 2):
        files = next_version(adaptation.output)
        write_model(files, adaptation, finetuning, finetuned)
        assert files.weights.name == f"ours_{number}.safetensors"

    model = checkpoint.load(files.weights)
    assert model.card.name == "adapted 2"
    assert model.card.scores["labels"] == {"single-hit": 20, "multi-hit": 20}
    assert model.temperature == pytest.approx(finetuned.kept.temperature)
    assert model.rule == "prototype"
    with h5py.File(files.supports) as file:
        assert len(file["/entry_1/data_1/data"]) == 40


def test_the_supports_carry_the_area(adapt):
    adaptation, finetuning, finetuned = adapt(tuning={"steps": 2}, area={"quadrant": 3})
    files = next_version(adaptation.output)
    write_model(files, adaptation, finetuning, finetuned)

    mask = Classifier.load(files.weights, files.supports).preprocessor.mask

    seen = np.zeros((32, 32), bool)
    seen[16:, 16:] = True
    np.testing.assert_array_equal(mask, ~seen)


def test_labelled_shots_that_cannot_be_used_are_named(adapt, tmp_path, make_shots):
    frames, labels = make_shots(4)
    frames[2] = 0
    write_dataset(tmp_path / "bad.h5", frames, labels)

    with pytest.raises(DataError, match=r"^bad.h5 event 2: cannot be used: flat"):
        adapt(data=tmp_path / "bad.h5")


def test_a_folder_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="its folder does not exist"):
        next_version(tmp_path / "nowhere" / "ours")
