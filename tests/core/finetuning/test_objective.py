import pytest
import torch

from specklenn.core.errors import DataError
from specklenn.core.finetuning.objective import make_finetuner
from specklenn.core.finetuning.settings import Tuning
from specklenn.core.network import checkpoint


@pytest.fixture
def model(untrained):
    return checkpoint.load(untrained)


@pytest.fixture
def finetuner(model, make_shots):
    """Make a trainer of the untrained network on 20 shots of each class."""
    frames, _ = make_shots(20)
    photons = torch.from_numpy(frames.astype("float32")).reshape(-1, 16, 2, 16, 2)
    codes = torch.tensor([0] * 20 + [1] * 20)

    def make(**settings):
        return make_finetuner(
            model.encoder,
            model.preprocessing,
            photons.sum(dim=(2, 4)),
            codes,
            Tuning(**settings),
            seed=0,
        )

    return make


def test_tuning_lowers_the_loss_and_leaves_the_first_network_alone(finetuner, model):
    ours = finetuner(steps=60, learning_rate=3e-3)
    first = ours.trained().state_dict()

    losses = [step.loss for step in ours.steps()]

    assert sum(losses[-10:]) < 0.5 * sum(losses[:10])
    tuned = ours.trained().embedding.weight
    assert not torch.equal(tuned, first["embedding.weight"])
    assert torch.equal(model.encoder.embedding.weight, first["embedding.weight"])


def test_the_same_seed_gives_the_same_network(finetuner):
    first, second = finetuner(steps=3), finetuner(steps=3)
    list(first.steps())
    list(second.steps())

    for one, other in zip(
        first.trained().parameters(), second.trained().parameters(), strict=True
    ):
        assert torch.equal(one, other)


def test_statistics_of_batch_normalisation_stay(finetuner):
    ours = finetuner(steps=3)
    before = dict(ours.trained().named_buffers())

    list(ours.steps())

    for name, buffer in ours.trained().named_buffers():
        assert torch.equal(buffer, before[name]), name


def test_a_loss_that_is_not_finite_stops_with_the_step(finetuner, model):
    with torch.no_grad():
        model.encoder.embedding.bias.fill_(torch.nan)
    ours = finetuner(steps=3)

    with pytest.raises(DataError, match=r"step 1: .* tuning.learning_rate may help"):
        list(ours.steps())
