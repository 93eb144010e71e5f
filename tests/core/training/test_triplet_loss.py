import itertools

import pytest
import torch

from specklenn.core.training.triplet_loss import (
    matching_pairs,
    mine,
    semi_hard,
    squared_distances,
    triplet_loss,
)

MARGIN = 0.2


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    embeddings = torch.nn.functional.normalize(
        torch.randn(24, 3, generator=generator), dim=1
    )
    samples = torch.randint(3, (24,), generator=generator)
    labels = torch.randint(3, (24,), generator=generator)
    return squared_distances(embeddings), samples, labels


def brute_force(distances, samples, labels, margin):
    found = set()
    for a, p, n in itertools.permutations(range(len(labels)), 3):
        matching = samples[a] == samples[p] and labels[a] == labels[p]
        if matching and labels[n] != labels[a]:
            near, far = distances[a, p], distances[a, n]
            if near < far < near + margin:
                found.add((a, p, n))
    return found


def test_distances_agree_with_cdist():
    vectors = torch.nn.functional.normalize(torch.randn(7, 5), dim=1)

    expected = torch.cdist(vectors, vectors) ** 2

    torch.testing.assert_close(
        squared_distances(vectors), expected, atol=1e-5, rtol=1e-4
    )


def test_semi_hard_triplets_are_those_of_the_brute_force_loop(batch):
    distances, samples, labels = batch
    anchors, positives = matching_pairs(samples, labels)

    allowed = semi_hard(distances, anchors, positives, labels, MARGIN)

    found = {
        (int(anchors[pair]), int(positives[pair]), int(negative))
        for pair, negative in allowed.nonzero()
    }
    expected = brute_force(distances, samples, labels, MARGIN)
    assert found == expected
    assert expected


def test_mined_triplets_are_semi_hard_and_one_per_matching_pair(batch):
    distances, samples, labels = batch

    triplets = mine(distances, samples, labels, MARGIN)

    expected = brute_force(distances, samples, labels, MARGIN)
    found = list(
        zip(
            triplets.anchors.tolist(),
            triplets.positives.tolist(),
            triplets.negatives.tolist(),
            strict=True,
        )
    )
    assert set(found) <= expected
    pairs = {(a, p) for a, p, _ in expected}
    assert len(found) == len(pairs)
    everything = len(matching_pairs(samples, labels)[0])
    assert triplets.semi_hard_share == pytest.approx(len(pairs) / everything)


def test_the_same_generator_state_gives_the_same_negatives(batch):
    first = mine(*batch, MARGIN, torch.Generator().manual_seed(1))
    again = mine(*batch, MARGIN, torch.Generator().manual_seed(1))

    torch.testing.assert_close(first.negatives, again.negatives)


@pytest.mark.parametrize(
    ("samples", "labels"),
    [([0, 1, 2], [0, 0, 0]), ([0, 0, 0], [1, 1, 1])],
    ids=["no positives", "no negatives"],
)
def test_a_batch_without_triplets_gives_none(samples, labels):
    triplets = mine(
        torch.rand(3, 3), torch.tensor(samples), torch.tensor(labels), MARGIN
    )

    assert len(triplets.anchors) == len(triplets.negatives) == 0
    assert triplets.semi_hard_share == 0.0


def test_loss_is_the_mean_violation_of_the_margin():
    near = torch.tensor([0.5, 0.1, 0.3])
    far = torch.tensor([0.6, 0.9, 0.3])

    loss = triplet_loss(near, far, margin=0.2)

    assert loss.item() == pytest.approx((0.1 + 0.0 + 0.2) / 3)


def test_gradients_agree_with_finite_differences():
    near = torch.tensor([0.5, 0.1, 0.3], dtype=torch.float64, requires_grad=True)
    far = torch.tensor([0.6, 0.9, 0.35], dtype=torch.float64, requires_grad=True)

    assert torch.autograd.gradcheck(lambda n, f: triplet_loss(n, f, 0.2), (near, far))


def test_no_triplets_cost_nothing_and_move_nothing():
    near = torch.zeros(0, requires_grad=True)

    loss = triplet_loss(near, torch.zeros(0))
    loss.backward()

    assert loss.item() == 0.0
    assert near.grad is not None


def test_different_shapes_are_refused():
    with pytest.raises(ValueError, match=r"\(2,\) and \(3,\)"):
        triplet_loss(torch.zeros(2), torch.zeros(3))
