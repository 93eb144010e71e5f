import copy
import math

import pytest
import torch

from specklenn.core.errors import DataError
from specklenn.core.finetuning.settings import Tuning
from specklenn.core.finetuning.tuner import Tuner, episode_loss
from specklenn.core.network import checkpoint


def test_the_loss_is_that_of_a_plain_loop():
    torch.manual_seed(1)
    vectors = torch.nn.functional.normalize(torch.randn(12, 5), dim=1)

    losses = []
    for query in range(12):
        means = []
        for code in range(3):
            own = [row for row in range(4 * code, 4 * code + 4) if row != query]
            gaps = [float((vectors[query] - vectors[row]).norm()) for row in own]
            means.append(sum(gaps) / len(gaps))
        weights = [math.exp(-7.0 * mean) for mean in means]
        losses.append(-math.log(weights[query // 4] / sum(weights)))

    found = episode_loss(vectors, classes=3, sharpness=7.0)
    assert float(found) == pytest.approx(sum(losses) / 12, rel=1e-4)


@pytest.fixture
def tuner(untrained, make_shots):
    """Make a tuner of the untrained network on 20 shots of each class."""
    model = checkpoint.load(untrained)
    frames, _ = make_shots(20)
    photons = torch.from_numpy(frames.astype("float32")).reshape(-1, 16, 2, 16, 2)
    codes = torch.tensor([0] * 20 + [1] * 20)

    def make(**settings):
        return Tuner(
            model.encoder,
            model.preprocessing,
            photons.sum(dim=(2, 4)),
            codes,
            Tuning(**settings),
            seed=0,
        )

    return make


def test_tuning_lowers_the_loss_and_leaves_the_first_network_alone(tuner, untrained):
    ours = tuner(steps=60, learning_rate=3e-3)
    first = copy.deepcopy(ours.network.state_dict())

    losses = [step.loss for step in ours.steps()]

    assert sum(losses[-10:]) < 0.5 * sum(losses[:10])
    assert not torch.equal(ours.network.embedding.weight, first["embedding.weight"])
    again = checkpoint.load(untrained).encoder
    assert torch.equal(again.embedding.weight, first["embedding.weight"])


def test_the_same_seed_gives_the_same_network(tuner):
    first, second = tuner(steps=3), tuner(steps=3)
    list(first.steps())
    list(second.steps())

    for one, other in zip(
        first.network.parameters(), second.network.parameters(), strict=True
    ):
        assert torch.equal(one, other)


def test_statistics_of_batch_normalisation_stay(tuner):
    ours = tuner(steps=3)
    before = {name: buffer.clone() for name, buffer in ours.network.named_buffers()}

    list(ours.steps())

    for name, buffer in ours.network.named_buffers():
        assert torch.equal(buffer, before[name]), name


def test_a_loss_that_is_not_finite_stops_with_the_step(tuner):
    ours = tuner(steps=3)
    with torch.no_grad():
        ours.network.embedding.bias.fill_(torch.nan)

    with pytest.raises(DataError, match=r"tuning: the loss of step 1 is nan"):
        list(ours.steps())
