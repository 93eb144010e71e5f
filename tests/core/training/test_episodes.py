import math

import pytest
import torch
from torch.nn import functional

from specklenn.core.training.episodes import episode_loss, task_loss


def vectors_of(number, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return functional.normalize(torch.randn(number, 8, generator=generator), dim=1)


def distances_of(vectors):
    return torch.cdist(vectors.double(), vectors.double())


def test_a_task_is_the_cross_entropy_of_the_rule_that_classifies():
    vectors = vectors_of(7)
    ours, theirs = [0, 1, 2], [3, 4, 5, 6]
    sharpness = 3.0

    found = task_loss(
        distances_of(vectors), torch.tensor(ours), torch.tensor(theirs), sharpness
    )

    sides = []
    for own, opposite in ((ours, theirs), (theirs, ours)):
        losses = []
        for query in own:
            others = [item for item in own if item != query]
            near = sum(math.dist(vectors[query], vectors[i]) for i in others)
            far = sum(math.dist(vectors[query], vectors[i]) for i in opposite)
            right = math.exp(-sharpness * near / len(others))
            wrong = math.exp(-sharpness * far / len(opposite))
            losses.append(-math.log(right / (right + wrong)))
        sides.append(sum(losses) / len(losses))
    assert float(found) == pytest.approx(sum(sides) / 2, rel=1e-5)


def test_an_episode_is_the_mean_of_its_six_tasks():
    classes, each = 3, 4
    vectors = vectors_of(2 * classes * each)
    distances = distances_of(vectors)
    losses = []
    for ours, foreign in ((0, 12), (12, 0)):
        single = torch.arange(ours, ours + 4)
        rest = torch.tensor([*range(ours + 4, ours + 12), foreign, foreign + 1])
        losses += [
            task_loss(distances, single, single + 4, 10.0),
            task_loss(distances, single, rest, 10.0),
            task_loss(distances, single + 4, single + 8, 10.0),
        ]

    found = episode_loss(vectors, classes, each, 10.0)

    assert float(found) == pytest.approx(float(torch.stack(losses).mean()), rel=1e-3)


def test_two_classes_have_no_third_to_tell_the_second_from():
    vectors = vectors_of(16)
    distances = distances_of(vectors)
    losses = []
    for ours, foreign in ((0, 8), (8, 0)):
        single = torch.arange(ours, ours + 4)
        rest = torch.tensor([*range(ours + 4, ours + 8), foreign, foreign + 1])
        losses += [
            task_loss(distances, single, single + 4, 10.0),
            task_loss(distances, single, rest, 10.0),
        ]

    found = episode_loss(vectors, 2, 4, 10.0)

    assert float(found) == pytest.approx(float(torch.stack(losses).mean()), rel=1e-3)


def test_told_apart_classes_cost_next_to_nothing():
    axes = torch.eye(6).repeat_interleave(4, dim=0)

    assert float(episode_loss(axes, 3, 4, 100.0)) < 1e-3


def test_the_loss_has_a_slope_everywhere_even_where_vectors_coincide():
    vectors = torch.ones(12, 4).requires_grad_()

    loss = episode_loss(functional.normalize(vectors, dim=1), 3, 2, 10.0)
    torch.autograd.backward(loss)

    assert float(loss.detach()) == pytest.approx(math.log(2), abs=0.02)
    assert torch.isfinite(vectors.grad).all()


@pytest.mark.parametrize(("number", "each"), [(11, 2), (6, 1)])
def test_scenes_of_another_size_are_refused(number, each):
    with pytest.raises(ValueError, match=f"{number} vectors, 2 samples of 3 classes"):
        episode_loss(vectors_of(number), 3, each, 10.0)
