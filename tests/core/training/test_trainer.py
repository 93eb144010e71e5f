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
from specklenn.core.training.from_settings import make_objective, make_trainer
from specklenn.core.training.settings import (
    Exposure,
    Training,
    draw_fluence,
    exposure_mask,
)
from specklenn.core.training.validate_model import ValidationSet, validate

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


def _inputs(data, number, settings=SMALL):
    generator = torch.Generator().manual_seed(0)
    return make_objective(settings, data).inputs(torch.arange(number), generator)


def validation(data: TrainingData):
    return ValidationSet(
        name="all",
        inputs=_inputs(data, 72)[:, 0].numpy(),
        labels=np.array(SMALL.classes)[data.labels.numpy()],
        names=data.samples.numpy().astype(str),
        classes=SMALL.classes,
    )


def test_training_learns_to_tell_fringes():
    data = fringes()
    trainer = make_trainer(SMALL, data)

    steps = list(trainer.steps())

    assert [step.step for step in steps] == list(range(1, SMALL.steps + 1))
    assert trainer.steps_done == trainer.last_step == SMALL.steps
    assert validate(trainer.trained(), [validation(data)]).score > 0.9


def test_inputs_have_the_networks_shape_and_the_detectors_mask():
    inputs = _inputs(fringes(), 5)

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

    inputs = _inputs(data, 6, shots)

    assert (inputs == 0).flatten(1).sum(dim=1).min() >= 4 * 16


def test_the_trained_network_is_a_copy_that_does_not_learn_on():
    trainer = make_trainer(SMALL, fringes())
    trainer.step()

    trained = trainer.trained()
    before = {name: value.clone() for name, value in trained.state_dict().items()}
    state = trainer.state()

    assert not trained.training
    assert all(
        torch.equal(value, state[f"network.{name}"]) for name, value in before.items()
    )
    trainer.step()
    assert all(map(torch.equal, before.values(), trained.state_dict().values()))


def test_what_is_not_to_learn_stays_as_it_is(few_shot, make_data):
    only = few_shot.model_copy(update={"only_prototype_adapter": True})
    trainer = make_trainer(only, make_data())
    before = {name: value.clone() for name, value in trainer.state().items()}

    trainer.step()

    changed = [
        name.removeprefix("network.")
        for name, value in trainer.state().items()
        if name.startswith("network.") and not torch.equal(value, before[name])
    ]
    assert changed
    assert all(name.startswith("prototype_adapter.") for name in changed)


def test_a_gradient_that_is_not_finite_stops_the_training_before_the_weights():
    data = fringes()
    trainer = make_trainer(SMALL, data)
    trainer.step()
    batch = make_objective(SMALL, data).draw(1, range(2))
    batch.inputs[:] = float("nan")
    before = trainer.trained().parameters()

    with pytest.raises(DataError, match=r"step 2: .* not finite .* s\d, s\d of d.h5"):
        trainer.step(batch)

    after = trainer.trained().parameters()
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
        make_objective(SMALL, lonely)
    with pytest.raises(DataError, match="at least 48 expected"):
        make_objective(SMALL.model_copy(update={"preprocess": Preprocessing()}), data)


def test_the_network_can_compute_in_bfloat16(settings, make_data):
    half = make_trainer(settings, make_data(), bfloat16=True)
    full = make_trainer(settings, make_data())

    found, expected = half.step(), full.step()

    assert found.loss == pytest.approx(expected.loss, rel=0.3)
    assert found.loss != expected.loss
    assert {weight.dtype for weight in half.trained().parameters()} == {torch.float32}
    assert half.trained().embedding.weight.isfinite().all()


@pytest.fixture
def weights(tmp_path):
    """Weights of a few steps with another seed."""
    trainer = make_trainer(SMALL.model_copy(update={"seed": 9}), fringes())
    trainer.step()
    card = checkpoint.Card(name="earlier")
    path = tmp_path / "earlier.safetensors"
    checkpoint.save(path, trainer.trained(), SMALL.preprocess, card)
    return path


@pytest.mark.parametrize("average", [0.0, 0.9])
def test_a_training_can_start_from_weights(weights, average):
    settings = SMALL.model_copy(update={"average": average})

    trainer = make_trainer(settings, fringes(), start=[weights])

    inputs = torch.rand(2, 1, 16, 16)
    earlier = checkpoint.load(weights).encoder
    torch.testing.assert_close(trainer.trained()(inputs), earlier(inputs))
    assert trainer.step().step == 1


def test_weights_of_another_network_are_no_start(weights):
    other = SMALL.model_copy(update={"embedding_size": 4})

    with pytest.raises(
        DataError, match=r"16 pixels and 8 numbers, .* of 16 and 4 expected"
    ):
        make_trainer(other, fringes(), start=[weights])


def test_measuring_the_throughput_leaves_the_training_as_it_is(settings, make_data):
    measured, other = (make_trainer(settings, make_data()) for _ in range(2))

    found = measured.measure_throughput()

    assert measured.step().loss == other.step().loss
    one, two = measured.state(), other.state()
    assert [name for name in one if not torch.equal(one[name], two[name])] == []
    assert found.network > 0
    assert found.drawing > 0
