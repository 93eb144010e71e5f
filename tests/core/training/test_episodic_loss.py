import math

import pytest
import torch
from torch.nn import functional

from specklenn.core.training.episodic_loss import (
    adapted_loss,
    adapted_task_loss,
    draw_numbers,
    episode_loss,
    task_loss,
)


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
        distances_of(vectors), (torch.tensor(ours), torch.tensor(theirs)), sharpness
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


def test_a_task_of_three_classes_is_the_loss_of_a_plain_loop():
    vectors = vectors_of(12)

    losses = []
    for query in range(12):
        means = []
        for code in range(3):
            own = [row for row in range(4 * code, 4 * code + 4) if row != query]
            gaps = [float((vectors[query] - vectors[row]).norm()) for row in own]
            means.append(sum(gaps) / len(gaps))
        weights = [math.exp(-7.0 * mean) for mean in means]
        losses.append(-math.log(weights[query // 4] / sum(weights)))

    members = tuple(torch.arange(12).reshape(3, 4))
    found = task_loss(distances_of(vectors), members, 7.0)
    assert float(found) == pytest.approx(sum(losses) / 12, rel=1e-4)


def test_an_episode_is_the_mean_of_its_six_tasks():
    classes, each = 3, 4
    vectors = vectors_of(2 * classes * each)
    distances = distances_of(vectors)
    losses = []
    for ours, foreign in ((0, 12), (12, 0)):
        single = torch.arange(ours, ours + 4)
        rest = torch.tensor([*range(ours + 4, ours + 12), foreign, foreign + 1])
        losses += [
            task_loss(distances, (single, single + 4), 10.0),
            task_loss(distances, (single, rest), 10.0),
            task_loss(distances, (single + 4, single + 8), 10.0),
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
            task_loss(distances, (single, single + 4), 10.0),
            task_loss(distances, (single, rest), 10.0),
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
def test_episodes_of_another_size_are_refused(number, each):
    with pytest.raises(ValueError, match=f"{number} vectors, 2 samples of 3 classes"):
        episode_loss(vectors_of(number), 3, each, 10.0)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_queries_of_a_task_by_prototypes_never_support_themselves():
    """With vectors along axes the means tell which patterns they are of."""
    members = [torch.arange(0, 4), torch.arange(4, 10)]
    seen = []

    def adapt(means, class_encoding, numbers):
        seen.append((means, class_encoding, numbers))
        return means

    adapted_task_loss(torch.eye(10), members, torch.eye(3)[:2], 2.0, adapt, generator())

    ((means, class_encoding, numbers),) = seen
    chosen = means * numbers[:, :, None]
    assert class_encoding.tolist() == [[1, 0, 0], [0, 1, 0]]
    assert numbers.unique().tolist() == [1, 2, 3, 4, 5]
    for code, own in enumerate(members):
        for query in range(10):
            supports = torch.nonzero(chosen[query, code]).flatten().tolist()
            assert set(supports) <= set(own.tolist()) - {query}
            assert len(supports) == numbers[query, code]


def test_the_loss_of_a_task_by_prototypes_is_the_cross_entropy_of_its_distances():
    vectors, sharpness = vectors_of(7), 3.0
    members = [torch.arange(0, 3), torch.arange(3, 7)]
    kept = []

    def adapt(means, class_encoding, numbers):
        kept.append(1.5 * means.flip(1))
        return kept[0]

    found = adapted_task_loss(
        vectors, members, torch.eye(3)[:2], sharpness, adapt, generator()
    )

    losses = [[], []]
    for query in range(7):
        own = int(query >= 3)
        distances = [math.dist(vectors[query], kept[0][query, code]) for code in (0, 1)]
        powers = [math.exp(-sharpness * distance) for distance in distances]
        losses[own].append(-math.log(powers[own] / sum(powers)))
    sides = [sum(side) / len(side) for side in losses]
    assert float(found) == pytest.approx(sum(sides) / 2, rel=1e-4)


def test_an_episode_by_prototypes_has_four_tasks_of_each_sample():
    class_encoding = []

    def adapt(means, of_task, numbers):
        class_encoding.append(of_task.tolist())
        return means

    adapted_loss(vectors_of(24), torch.eye(3), 4, 10.0, adapt, generator())

    single, multi, debris = torch.eye(3).tolist()
    of_a_sample = [
        [single, multi],
        [single, [0, 1, 1]],
        [multi, debris],
        [single, multi, debris],
    ]
    assert class_encoding == 2 * of_a_sample


def test_two_classes_have_two_tasks_by_prototypes_of_each_sample():
    asked = []

    def adapt(means, class_encoding, numbers):
        asked.append(len(class_encoding))
        return means

    adapted_loss(vectors_of(16), torch.eye(3)[:2], 4, 10.0, adapt, generator())

    assert asked == [2, 2, 2, 2]


def test_numbers_of_supports_are_drawn_from_one_to_all_others():
    found = draw_numbers(4000, (8, 20), generator())

    assert found[:, 0].unique().tolist() == list(range(1, 8))
    assert found[:, 1].unique().tolist() == list(range(1, 20))
    assert (found[::2, 0] == found[::2, 1]).all()
    assert (found[1::2, 0] != found[1::2, 1]).float().mean() > 0.4
    # Evenly in the logarithm: as many from 1 to 2 as from 2 to 4.
    common = found[::2, 0]
    ones, more = (int(((low <= common) & (common < 2 * low)).sum()) for low in (1, 2))
    assert ones == pytest.approx(more, rel=0.15)
