import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from specklenn.core.errors import DataError
from specklenn.core.labels import MULTI_HIT, SINGLE_HIT
from specklenn.core.preprocess import Preprocessing
from specklenn.core.simulation.detector import Detector
from specklenn.core.simulation.noise import Noise
from specklenn.core.training.augment import Augmentation
from specklenn.core.training.data import TrainingData
from specklenn.core.training.settings import (
    Exposure,
    Training,
    draw_fluence,
    exposure_mask,
)
from specklenn.core.training.state import resume, save_state
from specklenn.core.training.trainer import Trainer

SMALL = Training(
    preprocess=Preprocessing(crop=32, bin=2),
    classes=(SINGLE_HIT, MULTI_HIT),
    exposure=Exposure(detector=Detector(rows=40, columns=40)),
    augment=Augmentation(zoom=(1, 1), shift_pixels=0, patches=0),
    embedding_size=8,
    steps=20,
    samples_per_step=2,
    patterns_per_class=8,
)


def make_data(seed: int = 0) -> TrainingData:
    """Round blobs as single-hits; the same with vertical fringes as multi-hits."""
    random = np.random.default_rng(seed)
    axis = np.arange(24) - 11.5
    round_one = 30 * np.exp(-(axis[:, None] ** 2 + axis**2) / 60)
    patterns = []
    for sample in range(3):
        for fringes in (0.0, 0.9):
            for _ in range(12):
                phase = random.uniform(0, 6.28)
                wave = 1 + fringes * np.cos(axis * (1.4 + 0.1 * sample) + phase)
                patterns.append(round_one * wave)
    return TrainingData(
        patterns=torch.tensor(np.array(patterns), dtype=torch.float16),
        bad=torch.zeros(24, 24, dtype=torch.bool),
        samples=torch.arange(72) // 24,
        labels=torch.arange(72) // 12 % 2,
        classes=SMALL.classes,
        files=torch.zeros(72, dtype=torch.int64),
    )


def _inputs(trainer, number):
    return trainer.lesson.inputs(torch.arange(number), trainer.generator)


def validation(trainer: Trainer):
    rows = torch.arange(72)
    inputs = trainer.lesson.inputs(rows, trainer.generator)[:, 0].numpy()
    labels = np.array(SMALL.classes)[trainer.data.labels.numpy()]
    return inputs, labels, trainer.data.samples.numpy().astype(str)


def test_training_learns_to_tell_fringes():
    trainer = Trainer(SMALL, make_data())

    for _ in range(SMALL.steps):
        trainer.step()

    assert trainer.validate(*validation(trainer)) > 0.9


def test_a_resumed_training_is_the_same_training(tmp_path):
    straight = Trainer(SMALL, make_data())
    for _ in range(6):
        expected = straight.step()

    first = Trainer(SMALL, make_data())
    for _ in range(3):
        first.record(first.step(), None)
    save_state(first, tmp_path / "state.safetensors")
    second = Trainer(SMALL, make_data())
    resume(second, tmp_path / "state.safetensors")
    for _ in range(3):
        found = second.step()

    assert found.step == expected.step == 6
    assert found.loss == pytest.approx(expected.loss, rel=1e-4)
    assert found.semi_hard_share == pytest.approx(expected.semi_hard_share, abs=0.02)
    assert [line["step"] for line in second.history] == [1, 2, 3]


def test_a_state_of_another_training_is_refused(tmp_path):
    state = tmp_path / "state.safetensors"
    save_state(Trainer(SMALL, make_data()), state)
    other = Trainer(SMALL.model_copy(update={"margin": 0.5}), make_data())

    with pytest.raises(DataError, match="other settings"):
        resume(other, state)


def test_a_file_that_is_no_state_is_refused(tmp_path):
    trainer = Trainer(SMALL, make_data())
    (tmp_path / "broken").write_bytes(b"nothing")
    save_file({"x": torch.zeros(1)}, tmp_path / "weights.safetensors")

    for name in ("broken", "weights.safetensors", "missing"):
        with pytest.raises(DataError, match="not a training state"):
            resume(trainer, tmp_path / name)


def test_inputs_have_the_networks_shape_and_the_detectors_mask():
    trainer = Trainer(SMALL, make_data())

    inputs = _inputs(trainer, 5)

    assert inputs.shape == (5, 1, 16, 16)
    assert (inputs[:, 0][:, exposure_mask(SMALL)] == 0).all()
    assert exposure_mask(SMALL).any()
    assert inputs.mean().abs() < 0.01


def test_bad_pixels_of_the_data_stay_bad_wherever_they_turn():
    data = make_data()
    data.bad[10:14] = True
    shots = SMALL.model_copy(
        update={"exposure": None, "augment": Augmentation(rotate=False, patches=0)}
    )

    inputs = _inputs(Trainer(shots, data), 6)

    assert (inputs == 0).flatten(1).sum(dim=1).min() >= 4 * 16


def test_the_copy_of_the_network_embeds_alike():
    trainer = Trainer(SMALL, make_data())
    trainer.step()
    inputs = _inputs(trainer, 4)

    trainer.encoder.eval()

    torch.testing.assert_close(
        trainer.trained()(inputs), trainer.encoder(inputs), atol=1e-5, rtol=1e-4
    )


def test_the_best_accuracy_is_remembered():
    trainer = Trainer(SMALL, make_data())
    step = trainer.step()

    assert trainer.record(step, 0.7)
    assert not trainer.record(step, 0.6)
    assert trainer.record(step, 0.8)
    assert trainer.best == 0.8


def test_fluence_lies_in_its_range_times_the_jitter():
    generator = torch.Generator().manual_seed(0)
    steady = Exposure(fluence=(0.1, 10.0), noise=Noise(jitter_shape=0))

    drawn = draw_fluence(steady, 5000, generator)
    jittered = draw_fluence(Exposure(), 5000, generator)

    assert 0.1 <= drawn.min() < 0.11
    assert 9 < drawn.max() <= 10.0
    assert drawn.median().item() == pytest.approx(1.0, rel=0.1)
    assert jittered.mean().item() == pytest.approx(1.0, abs=0.05)


def test_data_without_pairs_or_too_small_are_refused():
    data = make_data()
    lonely = TrainingData(
        patterns=data.patterns,
        bad=data.bad,
        samples=torch.arange(72),
        labels=data.labels,
        classes=data.classes,
        files=data.files,
    )

    with pytest.raises(DataError, match="two patterns of every class"):
        Trainer(SMALL, lonely)
    with pytest.raises(DataError, match="at least 48 expected"):
        Trainer(SMALL.model_copy(update={"preprocess": Preprocessing()}), data)
