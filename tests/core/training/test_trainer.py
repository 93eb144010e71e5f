import numpy as np
import pytest
import torch

from specklenn.core.errors import DataError
from specklenn.core.labels import MULTI_HIT, SINGLE_HIT
from specklenn.core.network import checkpoint
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
from specklenn.core.training.trainer import Trainer
from specklenn.core.training.validate_model import ValidationSet, compute_loss

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


def fringes(seed: int = 0) -> TrainingData:
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
        sample_names=("s0", "s1", "s2"),
        file_names=("d.h5",),
    )


def _inputs(trainer, number):
    generator = torch.Generator().manual_seed(0)
    return trainer.objective.inputs(torch.arange(number), generator)


def validation(trainer: Trainer):
    return ValidationSet(
        name="all",
        inputs=_inputs(trainer, 72)[:, 0].numpy(),
        labels=np.array(SMALL.classes)[trainer.data.labels.numpy()],
        names=trainer.data.samples.numpy().astype(str),
        classes=SMALL.classes,
    )


def test_training_learns_to_tell_fringes():
    trainer = Trainer(SMALL, fringes())

    for _ in range(SMALL.steps):
        trainer.step()

    assert compute_loss(trainer.trained(), [validation(trainer)]).score > 0.9


def test_inputs_have_the_networks_shape_and_the_detectors_mask():
    trainer = Trainer(SMALL, fringes())

    inputs = _inputs(trainer, 5)

    assert inputs.shape == (5, 1, 16, 16)
    assert (inputs[:, 0][:, exposure_mask(SMALL)] == 0).all()
    assert exposure_mask(SMALL).any()
    assert inputs.mean().abs() < 0.01


def test_bad_pixels_of_the_data_stay_bad_wherever_they_turn():
    data = fringes()
    data.bad[10:14] = True
    shots = SMALL.model_copy(
        update={"exposure": None, "augment": Augmentation(rotate=False, patches=0)}
    )

    inputs = _inputs(Trainer(shots, data), 6)

    assert (inputs == 0).flatten(1).sum(dim=1).min() >= 4 * 16


def test_the_copy_of_the_network_embeds_alike():
    trainer = Trainer(SMALL, fringes())
    trainer.step()
    inputs = _inputs(trainer, 4)

    trainer.encoder.eval()

    torch.testing.assert_close(
        trainer.trained()(inputs), trainer.encoder(inputs), atol=1e-5, rtol=1e-4
    )


def test_the_best_score_is_remembered():
    trainer = Trainer(SMALL, fringes())

    assert trainer.record({"score": 0.7})
    assert not trainer.record({"score": 0.6})
    assert trainer.record({"score": 0.8})
    assert trainer.best == 0.8


def test_without_a_score_the_last_weights_are_the_best():
    trainer = Trainer(SMALL, fringes())

    assert trainer.record({})
    assert trainer.record({})


def test_a_gradient_that_is_not_finite_stops_the_training_before_the_weights():
    trainer = Trainer(SMALL, fringes())
    trainer.step()
    batch = trainer.draw(1)
    batch.inputs[:] = float("nan")
    before = [weight.detach().clone() for weight in trainer.encoder.parameters()]

    with pytest.raises(DataError, match=r"step 2: .* not finite .* s\d, s\d of d.h5"):
        trainer.step(batch)

    after = list(trainer.encoder.parameters())
    assert trainer.steps_done == 1
    assert all(map(torch.equal, before, after))


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
    data = fringes()
    lonely = TrainingData(
        patterns=data.patterns,
        bad=data.bad,
        samples=torch.arange(72),
        labels=data.labels,
        classes=data.classes,
        files=data.files,
        sample_names=tuple(map(str, range(72))),
        file_names=data.file_names,
    )

    with pytest.raises(
        DataError, match=r"d.h5: no sample has two patterns of every class"
    ):
        Trainer(SMALL, lonely)
    with pytest.raises(DataError, match="at least 48 expected"):
        Trainer(SMALL.model_copy(update={"preprocess": Preprocessing()}), data)


def test_the_network_can_compute_in_bfloat16(settings, make_data):
    half = Trainer(settings, make_data(), bfloat16=True)
    full = Trainer(settings, make_data())

    found, expected = half.step(), full.step()

    assert found.loss == pytest.approx(expected.loss, rel=0.3)
    assert found.loss != expected.loss
    assert {weight.dtype for weight in half.encoder.parameters()} == {torch.float32}
    assert half.trained().embedding.weight.isfinite().all()


@pytest.fixture
def weights(tmp_path):
    """Weights of a few steps with another seed."""
    trainer = Trainer(SMALL.model_copy(update={"seed": 9}), fringes())
    trainer.step()
    card = checkpoint.Card(name="earlier")
    path = tmp_path / "earlier.safetensors"
    checkpoint.save(path, trainer.trained(), SMALL.preprocess, card)
    return path


@pytest.mark.parametrize("average", [0.0, 0.9])
def test_a_training_can_start_from_weights(weights, average):
    trainer = Trainer(SMALL.model_copy(update={"average": average}), fringes())

    trainer.start_from([weights])

    inputs = torch.rand(2, 1, 16, 16)
    earlier = checkpoint.load(weights).encoder
    torch.testing.assert_close(trainer.trained()(inputs), earlier(inputs))
    assert trainer.step().step == 1


def test_weights_of_another_network_are_no_start(weights):
    trainer = Trainer(SMALL.model_copy(update={"embedding_size": 4}), fringes())

    with pytest.raises(
        DataError, match=r"16 pixels and 8 numbers, .* of 16 and 4 expected"
    ):
        trainer.start_from([weights])
