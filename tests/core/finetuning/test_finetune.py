"""A small network learns two classes that it could not tell apart."""

import h5py
import numpy as np
import pytest
import torch

from specklenn.core.classify import Classifier
from specklenn.core.data.dataset_writer import write_dataset
from specklenn.core.errors import ConfigError, DataError
from specklenn.core.evaluation.calibration import fit_temperature
from specklenn.core.finetuning.finetune import Finetuning
from specklenn.core.finetuning.labelled_shots import load_labelled_shots
from specklenn.core.finetuning.model_files import next_version, write_model
from specklenn.core.finetuning.settings import Adaptation
from specklenn.core.network import checkpoint
from specklenn.core.network.checkpoint import Card
from specklenn.core.network.specklenn2023 import Encoder
from specklenn.core.preprocess import Preprocessing

LEARNING = {"steps": 60, "learning_rate": 2e-3, "patches": 0}
BRIEFLY = {"steps": 2}


@pytest.fixture
def adapt(untrained, labelled):
    """Adapt the untrained network to the labelled shots."""

    def call(**settings):
        adaptation = Adaptation(
            data=[settings.pop("data", labelled)],
            start=str(settings.pop("start", untrained)),
            tuning=settings.pop("tuning", BRIEFLY),
            folds=settings.pop("folds", 2),
            output=labelled.parent / "ours",
            **settings,
        )
        shots = load_labelled_shots(adaptation)
        finetuning = Finetuning(adaptation, shots, checkpoint.load(adaptation.start))
        return adaptation, finetuning, finetuning.run()

    return call


def test_an_adapted_model_classifies_new_shots_better(adapt, make_shots, untrained):
    adaptation, finetuning, finetuned = adapt(tuning=LEARNING)
    files = next_version(adaptation.output)
    write_model(files, adaptation, finetuning, finetuned)
    frames, labels = make_shots(100, seed=9)

    ours = Classifier.load(files.weights, files.supports).classify(frames)
    first = Classifier.load(untrained, files.supports).classify(frames)

    assert finetuned.kept != "head alone"
    assert (ours.labels == labels).mean() > (first.labels == labels).mean() + 0.05
    assert (ours.labels == labels).mean() > 0.9


def test_a_network_that_got_worse_is_not_kept(adapt, untrained):
    _, _, finetuned = adapt(tuning={"steps": 30, "learning_rate": 3.0})

    first = checkpoint.load(untrained).encoder.state_dict()
    kept = finetuned.encoder.state_dict()

    spoilt = finetuned.candidates["everything"]
    assert spoilt.log_loss > finetuned.result.log_loss
    assert finetuned.kept != "everything"
    frozen = [name for name in kept if name.startswith("layers.")]
    assert all((kept[name] == first[name]).all() for name in frozen)


def test_all_candidates_classify_all_labels(adapt):
    _, finetuning, finetuned = adapt()

    assert [*finetuned.candidates] == ["head alone", "last layers", "everything"]
    for found in finetuned.candidates.values():
        assert found.codes.tolist() == finetuning.shots.codes.tolist()
        assert found.found.scores.shape == (40, 2)


def test_the_labels_of_every_class_are_dealt_out_evenly(adapt):
    _, finetuning, _ = adapt(folds=4)

    assert np.bincount(finetuning.folds).tolist() == [10] * 4
    assert np.bincount(finetuning.shots.codes[finetuning.folds == 0]).tolist() == [5, 5]


def test_no_more_steps_are_made_than_are_announced(untrained, labelled):
    settings = {"steps": 3}
    adaptation = Adaptation(data=[labelled], start=str(untrained), tuning=settings)
    shots = load_labelled_shots(adaptation)
    finetuning = Finetuning(adaptation, shots, checkpoint.load(untrained))
    made = []

    finetuned = finetuning.run(on_step=lambda: made.append(1))

    last = 0 if finetuned.kept == "head alone" else 3
    assert len(made) == finetuning.most_steps - 3 + last


def test_two_labels_of_each_class_are_for_the_head_alone(adapt):
    _, finetuning, finetuned = adapt(most_per_class=2)

    assert finetuning.most_steps == 0
    assert finetuned.kept == "head alone"
    assert [*finetuned.candidates] == ["head alone"]
    assert "fewer than 8 labels" in finetuned.reasons[0]
    assert len(finetuned.yardstick.codes) == 4


def test_the_reasons_name_what_was_compared(adapt):
    _, _, finetuned = adapt()

    first, second = finetuned.choice.compared
    before = [*finetuned.candidates][second.kept]
    assert finetuned.reasons == [
        f"last layers against head alone: log loss {first.gain.words}",
        f"everything against {before}: log loss {second.gain.words}",
    ]


def test_a_temperature_is_fitted_to_all_labels_and_shrunk_to_the_models(adapt):
    _, _, finetuned = adapt(most_per_class=6)

    found = finetuned.result
    fitted = 0.1 * fit_temperature(found.found.scores, found.codes)
    expected = np.exp((12 * np.log(fitted) + 30 * np.log(0.1)) / 42)
    assert finetuned.temperature == pytest.approx(expected)


def test_an_ensemble_keeps_its_temperature(adapt, untrained, tmp_path):
    model = checkpoint.load(untrained)
    start = tmp_path / "ensemble.safetensors"
    checkpoint.save(
        start, model.encoder, model.preprocessing, model.card, "ensemble", 0.3
    )

    _, _, finetuned = adapt(start=start, most_per_class=6)

    assert finetuned.temperature == 0.3


def test_the_paper_s_network_is_adapted_too(adapt, tmp_path):
    torch.manual_seed(0)
    start = tmp_path / "paper.safetensors"
    network = Encoder(16, 16).eval()
    settings = Preprocessing(crop=32, bin=2)
    checkpoint.save(start, network, settings, Card(name="paper"), "mean")

    _, _, finetuned = adapt(start=start)

    assert [*finetuned.candidates] == ["head alone", "last layers", "everything"]


def test_the_same_seed_gives_the_same_model(adapt):
    (_, _, first), (_, _, again) = (adapt() for _ in range(2))

    for name, found in first.candidates.items():
        other = again.candidates[name].found.scores
        np.testing.assert_array_equal(found.found.scores, other)


def test_versions_are_counted_and_carry_what_was_measured(adapt):
    adaptation, finetuning, finetuned = adapt()
    for number in (1, 2):
        files = next_version(adaptation.output)
        write_model(files, adaptation, finetuning, finetuned)
        assert files.weights.name == f"ours_{number}.safetensors"

    model = checkpoint.load(files.weights)
    assert model.card.name == "adapted 2"
    assert model.card.scores["labels"] == {"single-hit": 20, "multi-hit": 20}
    assert model.card.scores["trained"] == finetuned.kept
    assert model.card.scores["reasons"] == finetuned.reasons
    figures = {"accuracy", "log_loss_nats", "calibration_error"}
    assert {*model.card.scores["yardstick"]} == figures
    tried = model.card.scores["cross_fitted"]
    assert {*tried} == {"head alone", "last layers", "everything"}
    assert all({*found} == figures for found in tried.values())
    assert model.temperature == pytest.approx(finetuned.temperature)
    assert model.rule == "prototype"
    with h5py.File(files.supports) as file:
        assert len(file["/entry_1/data_1/data"]) == 40


def test_the_supports_carry_the_area(adapt):
    adaptation, finetuning, finetuned = adapt(area={"quadrant": 3})
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
