import math

import pytest
import torch

from specklenn.core.training.from_settings import make_trainer
from specklenn.core.training.optimiser import (
    learning_rate,
    make_average,
    make_optimiser,
)
from specklenn.core.training.settings import Training


def test_the_learning_rate_rises_linearly_and_falls_along_a_cosine():
    settings = Training(learning_rate=2.0, steps=100, warm_up=0.2)

    rates = [learning_rate(settings, step) for step in (0, 9, 19, 20, 60, 100)]

    assert rates == pytest.approx([0.1, 1.0, 2.0, 2.0, 1.0, 0.0])


def test_without_warm_up_and_decay_the_learning_rate_stays():
    steady = Training(learning_rate=2.0, steps=10, decay=False)
    falling = Training(learning_rate=2.0, steps=10)

    assert [learning_rate(steady, step) for step in range(10)] == [2.0] * 10
    assert learning_rate(falling, 3) == pytest.approx(1 + math.cos(0.3 * math.pi))


def test_adamw_takes_a_share_off_filters_and_matrices_only():
    layer = torch.nn.Linear(3, 2)
    settings = Training(optimiser="adamw", weight_decay=0.5, learning_rate=0.1)
    optimiser = make_optimiser(settings, layer)
    weight, bias = layer.weight.detach().clone(), layer.bias.detach().clone()
    for parameter in layer.parameters():
        parameter.grad = torch.zeros_like(parameter)

    optimiser.step()

    torch.testing.assert_close(layer.weight.detach(), 0.95 * weight)
    torch.testing.assert_close(layer.bias.detach(), bias)


def test_an_average_forgets_its_start_and_then_keeps_what_it_is_told():
    network = torch.nn.BatchNorm1d(1)
    average = make_average(network, 0.99)
    network.running_mean.fill_(1.0)
    network.weight.data.fill_(3.0)
    network.num_batches_tracked.fill_(7)

    average.update_parameters(network)
    first = average.module.running_mean.item(), average.module.weight.item()
    average.n_averaged.fill_(100_000)
    average.update_parameters(network)

    assert first == pytest.approx((0.9, 2.8))
    assert average.module.running_mean.item() == pytest.approx(0.901)
    assert average.module.weight.item() == pytest.approx(2.802)
    assert average.module.num_batches_tracked == 7


def test_the_average_is_what_is_validated_and_saved(few_shot, make_data):
    settings = few_shot.model_copy(update={"average": 0.999})
    trainer = make_trainer(settings, make_data())
    seen = [trainer.state()["network.embedding.weight"].clone()]
    for _ in range(2):
        trainer.step()
        seen.append(trainer.state()["network.embedding.weight"].clone())

    found = trainer.trained().embedding.weight.detach()

    first = 0.1 * seen[0] + 0.9 * seen[1]
    torch.testing.assert_close(found, 2 / 11 * first + 9 / 11 * seen[2])
