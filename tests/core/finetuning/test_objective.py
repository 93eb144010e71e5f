import pytest
import torch

from specklenn.core.errors import DataError
from specklenn.core.finetuning.objective import (
    ORIENTATIONS,
    convolve_all_orientations,
    make_finetuner,
    make_last_layers_finetuner,
)
from specklenn.core.finetuning.settings import Tuning
from specklenn.core.network import checkpoint


@pytest.fixture
def model(untrained):
    return checkpoint.load(untrained)


CODES = torch.tensor([0] * 20 + [1] * 20)


@pytest.fixture
def photons(make_shots):
    """Twenty shots of each class in the network's pixels."""
    frames, _ = make_shots(20)
    return (
        torch.from_numpy(frames.astype("float32"))
        .reshape(-1, 16, 2, 16, 2)
        .sum(dim=(2, 4))
    )


@pytest.fixture
def finetuner(model, photons):
    """Make a trainer of the untrained network on 20 shots of each class."""

    def make(**settings):
        return make_finetuner(
            model.encoder,
            model.preprocessing,
            photons,
            CODES,
            Tuning(**settings),
            seed=0,
        )

    return make


@pytest.fixture
def last_layers_finetuner(model, photons):
    """The same for the fully connected layers alone."""

    def make(**settings):
        convolved = convolve_all_orientations(
            model.encoder, model.preprocessing, photons
        )
        return make_last_layers_finetuner(
            model.encoder, convolved, CODES, Tuning(**settings), seed=0
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


def test_tuning_the_last_layers_lowers_the_loss_and_leaves_the_others(
    last_layers_finetuner, model
):
    ours = last_layers_finetuner(steps=60, learning_rate=3e-3)

    losses = [step.loss for step in ours.steps()]

    assert sum(losses[-10:]) < 0.7 * sum(losses[:10])
    first = model.encoder.state_dict()
    tuned = ours.trained().state_dict()
    changed = {name for name in tuned if not torch.equal(tuned[name], first[name])}
    assert {name.split(".")[0] for name in changed} == {
        "hidden",
        "normalisation",
        "embedding",
    }
    assert not {name for name in changed if "running" in name}


@pytest.mark.parametrize("network", ["compact", "paper"])
def test_convolutions_are_those_of_all_turned_and_mirrored_shots(
    network, model, tiny_model, photons
):
    used = model if network == "compact" else tiny_model

    convolved = convolve_all_orientations(used.encoder, used.preprocessing, photons)

    assert len(convolved) == ORIENTATIONS
    turned = torch.stack([photons[0].flip(0).rot90(turn) for turn in range(4)])
    alone = convolve_all_orientations(used.encoder, used.preprocessing, turned)[0]
    closest = torch.cdist(alone, convolved[:, 0]).min(dim=1)
    assert closest.values.max() < 1e-3 * alone.norm(dim=1).mean()
    assert len(closest.indices.unique()) == 4
    assert not convolved.requires_grad
